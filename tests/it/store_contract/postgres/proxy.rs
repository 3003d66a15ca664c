//! A proxy before a server, which cuts a connection at the n-th message of its clients.
//!
//! Counts what clients write at once: a message, or a few that belong together.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The message by which a client takes its leave: it comes when it likes, and doesn't count.
const TERMINATE: u8 = b'X';

/// Where to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the server gets the message.
    Before,
    /// Once the server has answered it, and before the client gets the answer.
    After,
}

/// A running one.
pub struct Proxy {
    port: u16,
    plan: Arc<Mutex<Option<(u32, Cut)>>>,
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
        url.replacen(address(url), &format!("127.0.0.1:{}", self.port), 1)
    }

    /// Cuts at the n-th message from now on, once.
    pub fn cut_at(&self, message: u32, cut: Cut) {
        *self.plan.lock().unwrap() = Some((message, cut));
    }

    /// Lets everything pass again; tells whether nothing was cut.
    pub fn let_pass(&self) -> bool {
        self.plan.lock().unwrap().take().is_some()
    }
}

fn address(url: &str) -> &str {
    url.split(['@', '/']).nth(3).unwrap()
}

/// Counts a message; tells whether it is the one to cut at.
fn due(plan: &Mutex<Option<(u32, Cut)>>) -> Option<Cut> {
    let mut plan = plan.lock().unwrap();
    let (left, cut) = plan.as_mut()?;
    *left -= 1;
    let due = (*left == 0).then_some(*cut);
    if due.is_some() {
        *plan = None;
    }
    due
}

/// Passes what comes until one side ends or it is time to cut: both sockets are closed then.
async fn pass(mut client: TcpStream, mut server: TcpStream, plan: Arc<Mutex<Option<(u32, Cut)>>>) {
    let (mut from_client, mut from_server) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(bytes @ 1..) = read else { return };
                let cut = if from_client[0] == TERMINATE { None } else { due(&plan) };
                if cut == Some(Cut::Before) {
                    return;
                }
                server.write_all(&from_client[..bytes]).await.unwrap();
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
