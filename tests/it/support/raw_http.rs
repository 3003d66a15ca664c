//! HTTP as bytes, which a test writes and reads on a connection as no client library would.

use crash::PATIENCE;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The path to which one kind of record is posted.
pub const INSTANCE: &str = "/domain-events/inventory/instance";

/// The paths that are answered whoever asks.
pub const PROBES: [&str; 4] = ["/livez", "/readyz", "/metrics", "/admin/health"];

pub const GOOD: &str = r#"{"new":{"id":"a"}}"#;

/// Makes a good change with these lines in its head.
pub fn post(more: &str) -> String {
    let head = format!(
        "POST {INSTANCE} HTTP/1.1\r\nHost: x\r\nX-Okapi-Tenant: diku\r\nContent-Type: \
         application/json\r\n"
    );
    format!("{head}{more}Content-Length: {}\r\n\r\n{GOOD}", GOOD.len())
}

pub fn posted(path: &str, tenant: &str) -> Vec<u8> {
    let headers = [("X-Okapi-Tenant", tenant), ("Content-Type", "application/json")];
    request("POST", path, &headers, GOOD.as_bytes())
}

/// Returns the bytes of a request that ends its connection.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// An answer, head and body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Returns the problem's id, without `/problems/`.
    pub fn problem(&self) -> String {
        self.json()["type"].as_str().unwrap().strip_prefix("/problems/").unwrap().to_owned()
    }
}

/// Reads one answer, head and body.
pub async fn answer(connection: &mut TcpStream) -> Answer {
    timeout(PATIENCE, whole_answer(connection)).await.expect("an answer in time")
}

async fn whole_answer(connection: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        if let Some(answer) = parse(&bytes) {
            return answer;
        }
        let read = connection.read_buf(&mut bytes).await;
        assert!(
            read.is_ok_and(|n| n > 0),
            "no whole answer: {:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let mut answer = Answer {
        status,
        headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        body: bytes[end + 4..].to_vec(),
    };
    let length: usize = answer.header("content-length").unwrap_or("0").parse().unwrap();
    answer.body.truncate(length);
    (answer.body.len() == length).then_some(answer)
}

/// Waits until the connection is closed by the other side.
pub async fn closed(connection: &mut TcpStream) {
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, connection.read_to_end(&mut rest)).await;
    // A reset counts as an end, too.
    let _ = end.expect("an end in time");
}
