//! The actor `SpanReceiver`: a light double of OpenTelemetry's collector, which refuses batches of
//! spans that lack a header, and keeps how each came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A batch of spans, as it came.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The headers, by their names in small letters.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    pub is_taken: bool,
}

/// A collector that is none.
#[derive(Clone)]
pub struct SpanReceiver {
    /// The URL for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub url: String,
    authorization: &'static str,
    batches: Arc<Mutex<Vec<Batch>>>,
}

impl SpanReceiver {
    /// Starts one that takes batches with this header `authorization` alone.
    pub async fn start(authorization: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { url, authorization, batches: Arc::default() };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(connection));
            }
        });
        receiver
    }

    async fn answer(self, mut connection: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        };
        let headers: HashMap<_, _> = head.lines().filter_map(header).collect();
        let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
        connection.read_exact(&mut body).await.ok()?;
        let is_taken = headers.get("authorization").is_some_and(|it| it == self.authorization);
        self.batches.lock().unwrap().push(Batch { headers, body, is_taken });
        let status = if is_taken { "200 OK" } else { "401 Unauthorized" };
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        connection.write_all(answer.as_bytes()).await.ok()
    }

    /// Returns the batches that have come since it was asked last.
    pub fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut self.batches.lock().unwrap())
    }
}
