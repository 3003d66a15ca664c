//! A proxy in front of a server, which cuts connections at chosen messages, or holds them.
//!
//! It counts the writes of clients: a message, or a few that belong together. The server may be
//! down.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The message with which PostgreSQL's clients disconnect: it comes at any time, and doesn't count.
const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// The point at which to cut.
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
    /// Counts a message; returns whether to cut at it.
    fn due(&mut self, message: &[u8]) -> Option<Cut> {
        let counts = message != TERMINATE
            && (self.word.is_empty()
                || message.windows(self.word.len()).any(|bytes| bytes == self.word));
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

/// The way in which all connections are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Bytes are passed on.
    Passes,
    /// It waits.
    Held,
}

/// A running proxy.
pub struct Proxy {
    port: u16,
    plan: Arc<Mutex<Option<Plan>>>,
    flow: watch::Sender<Flow>,
    /// Each value ends the connections that are open.
    cuts: watch::Sender<()>,
}

impl Proxy {
    /// Starts a proxy in front of the server of a URL or `host:port`; it lets everything pass.
    pub async fn start(url: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Mutex::new(None));
        let (flow, theirs) = watch::channel(Flow::Passes);
        let (cuts, cut) = watch::channel(());
        let (server, plans) = (address(url).to_owned(), Arc::clone(&plan));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                // It must see only the cuts from now on.
                let mut cut = cut.clone();
                cut.mark_unchanged();
                let passing = pass(client, server, Arc::clone(&plans), theirs.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = passing => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { port, plan, flow, cuts }
    }

    /// The proxy's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections at once; new ones are accepted.
    pub fn cut_all(&self) {
        self.cuts.send_replace(());
    }

    /// Lets nothing pass any more, in open connections and in new ones.
    pub fn hold(&self) {
        self.flow.send_replace(Flow::Held);
    }

    /// Lets the held connections go on.
    pub fn go_on(&self) {
        self.flow.send_replace(Flow::Passes);
    }

    /// The URL with the proxy's address in place of the server's.
    pub fn url(&self, url: &str) -> String {
        url.replacen(address(url), &self.host(), 1)
    }

    /// The proxy's `host:port`.
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

    /// Lets everything pass again; returns the number of cuts that were still to come.
    pub fn let_pass(&self) -> u32 {
        self.plan.lock().unwrap().take().map_or(0, |plan| plan.times)
    }
}

fn address(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap();
    authority.rsplit('@').next().unwrap()
}

/// Passes bytes until one side ends or it is time to cut; then both sockets are closed.
async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    plan: Arc<Mutex<Option<Plan>>>,
    mut flow: watch::Receiver<Flow>,
) {
    let (mut from_client, mut from_server) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        if *flow.borrow_and_update() == Flow::Held {
            let Ok(()) = flow.changed().await else { return };
            continue;
        }
        tokio::select! {
            changed = flow.changed() => {
                let Ok(()) = changed else { return };
            }
            read = client.read(&mut from_client) => {
                let Ok(bytes @ 1..) = read else { return };
                let message = &from_client[..bytes];
                let cut = plan.lock().unwrap().as_mut().and_then(|plan| plan.due(message));
                if cut == Some(Cut::Before) || server.write_all(message).await.is_err() {
                    return;
                }
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
