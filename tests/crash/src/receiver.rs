//! A server of webhooks: it reads each request, and answers it as it is told to.

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request that has come.
#[derive(Debug, Clone)]
pub struct Request {
    /// The path and the query.
    pub path: String,
    /// The headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub bytes: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status alone.
    Status(u16),
    /// A status, and one more header.
    With(u16, String),
    /// Nothing, for as long as the client waits.
    Nothing,
    /// The connection ends without an answer.
    Dropped,
}

impl Request {
    /// Returns the value of a header; an empty one if there is none.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(its, _)| its.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// Starts a server that lasts as long as the runtime; returns its address, to which a path may be
/// added.
pub async fn start<A, F>(answer: A) -> String
where
    A: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serve(connection, answer.clone()));
        }
    });
    url
}

async fn serve<A, F>(connection: TcpStream, answer: A) -> std::io::Result<()>
where
    A: Fn(Request) -> F,
    F: Future<Output = Reply>,
{
    let mut connection = BufReader::new(connection);
    loop {
        let request = read(&mut connection).await?;
        let (status, header) = match answer(request).await {
            Reply::Status(status) => (status, String::new()),
            Reply::With(status, header) => (status, format!("{header}\r\n")),
            Reply::Nothing => {
                // The client's end is the end.
                connection.read_u8().await?;
                return Ok(());
            }
            Reply::Dropped => return Ok(()),
        };
        let answer = format!("HTTP/1.1 {status} Planned\r\n{header}Content-Length: 0\r\n\r\n");
        connection.write_all(answer.as_bytes()).await?;
    }
}

/// Reads a request whose body has a length.
async fn read(connection: &mut BufReader<TcpStream>) -> std::io::Result<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let mut request = Request { path, headers, bytes: Vec::new() };
    let length = request.header("content-length").parse().unwrap_or(0);
    request.bytes = vec![0; length];
    connection.read_exact(&mut request.bytes).await?;
    Ok(request)
}
