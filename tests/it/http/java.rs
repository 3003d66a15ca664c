//! The JDK's HTTP client, which FOLIO's modules have: it asks for HTTP/2 with every request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::support::gateway::Gateway;

const POSTS: usize = 2000;
const THREADS: usize = 4;

/// Passes connections on to an address, and counts them.
async fn counted(to: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut gateway = TcpStream::connect(to).await.unwrap();
            // A connection that ends matters to the test only if a post fails.
            tokio::spawn(async move {
                drop(tokio::io::copy_bidirectional(&mut client, &mut gateway).await)
            });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn java_s_posts_succeed_on_connections_that_are_kept() {
    let gateway = Gateway::start().await;
    let (address, connections) = counted(gateway.address).await;
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/http/java/Posts.java");
    let run = Command::new("java")
        .args([program, &address.to_string(), &POSTS.to_string(), &THREADS.to_string()])
        .output()
        .await
        .unwrap();
    let (out, error) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert_eq!(out.trim(), "0 failed", "{error}");
    assert_eq!(gateway.log().await.len(), POSTS);
    let connections = connections.load(Ordering::SeqCst);
    assert!(
        connections <= 2 * THREADS,
        "{connections} connections for {POSTS} posts of {THREADS} threads"
    );
}
