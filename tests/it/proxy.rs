//! A proxy before a server, which cuts connections where a test says so.
//!
//! Counts what clients write at once: a message, or a few that belong together.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The message by which PostgreSQL's clients take their leave: it comes when it likes, and doesn't count.
const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// Where to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the server gets the message.
    Before,
    /// Once the server has answered it, and before the client gets the answer.
    After,
}

/// Which messages to cut at.
struct Plan {
    /// Those that hold these bytes.
    word: Vec<u8>,
    /// From which of them on, and how many.
    first: u32,
    times: u32,
    cut: Cut,
}

impl Plan {
    /// Counts a message; tells whether it is one to cut at.
    fn due(&mut self, message: &[u8]) -> Option<Cut> {
        let counts = message != TERMINATE
            && (self.word.is_empty() || message.windows(self.word.len()).any(|bytes| bytes == self.word));
        if !counts || self.times == 0 {
            return None;
        }
        self.first = self.first.saturating_sub(1);
        if self.first > 0 {
            return None;
        }
        self.times -= 1;
        Some(self.cut)
    }
}

/// A running one.
pub struct Proxy {
    port: u16,
    plan: Arc<Mutex<Option<Plan>>>,
}

impl Proxy {
    /// Before the server of that URL; lets everything pass.
    pub async fn start(url: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Mutex::new(None));
        let (server, theirs) = (address(url).to_owned(), Arc::clone(&plan));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&theirs)));
            }
        });
        Self { port, plan }
    }

    /// The URL with the proxy's address in place of the server's.
    pub fn url(&self, url: &str) -> String {
        url.replacen(address(url), &self.host(), 1)
    }

    /// Its `host:port`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Cuts at the n-th message from now on, once.
    pub fn cut_at(&self, message: u32, cut: Cut) {
        *self.plan.lock().unwrap() = Some(Plan { word: Vec::new(), first: message, times: 1, cut });
    }

    /// Cuts at the next so many messages that hold these bytes.
    pub fn cut_each(&self, word: &[u8], times: u32, cut: Cut) {
        *self.plan.lock().unwrap() = Some(Plan { word: word.to_vec(), first: 1, times, cut });
    }

    /// Lets everything pass again; tells how many cuts were still to come.
    pub fn let_pass(&self) -> u32 {
        self.plan.lock().unwrap().take().map_or(0, |plan| plan.times)
    }
}

fn address(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    authority.rsplit('@').next().unwrap()
}

/// Passes what comes until one side ends or it is time to cut: both sockets are closed then.
async fn pass(mut client: TcpStream, mut server: TcpStream, plan: Arc<Mutex<Option<Plan>>>) {
    let (mut from_client, mut from_server) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(bytes @ 1..) = read else { return };
                let message = &from_client[..bytes];
                let cut = plan.lock().unwrap().as_mut().and_then(|plan| plan.due(message));
                if cut == Some(Cut::Before) {
                    return;
                }
                server.write_all(message).await.unwrap();
                if cut == Some(Cut::After) {
                    let _ = server.read(&mut from_server).await;
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(bytes @ 1..) = read else { return };
                if client.write_all(&from_server[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}
