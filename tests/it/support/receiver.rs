//! The actor `Receiver`: a webhook's server, which notes what it gets, and answers by a plan.

use std::sync::{Arc, Mutex};

use crash::until;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request that has come.
#[derive(Debug, Clone)]
pub struct Got {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub bytes: Vec<u8>,
    pub body: Value,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Status(u16),
    /// With one more header.
    With(u16, String),
    /// Nothing, for as long as the client waits.
    Nothing,
}

/// Decides on an answer by the request, and the number of earlier ones for the same event.
type Plan = dyn Fn(&Got, usize) -> Reply + Send + Sync;

/// A running server.
pub struct Receiver {
    /// The address, to which a path may be added.
    pub url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(its, _)| its.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub fn position(&self) -> u64 {
        self.body["position"].as_u64().unwrap()
    }

    pub fn key(&self) -> &str {
        self.body["key"].as_str().unwrap()
    }

    pub fn is_done(&self) -> bool {
        self.status.is_some_and(|status| status < 300)
    }
}

impl Receiver {
    /// Starts one that answers each event by a plan.
    pub async fn start(plan: impl Fn(&Got, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (got, plan): (Arc<Mutex<Vec<Got>>>, Arc<Plan>) = (Arc::default(), Arc::new(plan));
        let all = got.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, all.clone(), plan.clone()));
            }
        });
        Self { url, got }
    }

    /// Returns all requests so far, in order of their answers' decisions.
    pub fn all(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Returns those of a path.
    pub fn at(&self, path: &str) -> Vec<Got> {
        let mut all = self.all();
        all.retain(|got| got.path == path);
        all
    }

    /// Waits until so many events were done at a path; returns all requests of it.
    pub async fn done(&self, path: &str, events: usize) -> Vec<Got> {
        until(&format!("{events} events are done at {path}"), async || {
            done(&self.at(path)).len() >= events
        })
        .await;
        self.at(path)
    }
}

/// Returns the positions of the events that were done, each once, in order of the first time.
pub fn done(all: &[Got]) -> Vec<u64> {
    let mut positions = Vec::new();
    for got in all.iter().filter(|got| got.is_done()) {
        if !positions.contains(&got.position()) {
            positions.push(got.position());
        }
    }
    positions
}

/// Asserts that of each key no event came before the one ahead of it was done.
pub fn assert_in_order(all: &[Got]) {
    for (index, got) in all.iter().enumerate() {
        let is_ahead = |it: &&Got| it.key() == got.key() && it.position() < got.position();
        let ahead = all.iter().filter(is_ahead).map(Got::position).max();
        let Some(ahead) = ahead else { continue };
        let was_done = all[..index].iter().any(|it| it.position() == ahead && it.is_done());
        assert!(was_done, "{} of `{}` came before {ahead} was done", got.position(), got.key());
    }
}

async fn serve(
    connection: TcpStream,
    all: Arc<Mutex<Vec<Got>>>,
    plan: Arc<Plan>,
) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers: Vec<_> = headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let mut got = Got { path, headers, bytes: Vec::new(), body: Value::Null, status: None };
        let length = got.header("content-length").parse().unwrap_or(0);
        let mut bytes = vec![0; length];
        connection.read_exact(&mut bytes).await?;
        got.body = serde_json::from_slice(&bytes).unwrap_or_default();
        got.bytes = bytes;
        let reply = {
            let mut all = all.lock().unwrap();
            let is_same =
                |it: &&Got| it.path == got.path && it.body["position"] == got.body["position"];
            let reply = plan(&got, all.iter().filter(is_same).count());
            got.status = match &reply {
                Reply::Status(status) | Reply::With(status, _) => Some(*status),
                Reply::Nothing => None,
            };
            all.push(got);
            reply
        };
        let (status, header) = match reply {
            Reply::Status(status) => (status, String::new()),
            Reply::With(status, header) => (status, format!("{header}\r\n")),
            Reply::Nothing => {
                // The client's end is the end.
                connection.read_u8().await?;
                return Ok(());
            }
        };
        let answer = format!("HTTP/1.1 {status} Planned\r\n{header}Content-Length: 0\r\n\r\n");
        connection.write_all(answer.as_bytes()).await?;
    }
}
