//! Many idle connections: they take nothing from whoever asks, and each is answered when it asks.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_http::{answer, post};

/// `bench idle` has 10,000.
const IDLE: usize = 500;
const PROBE: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

async fn asks(connection: &mut TcpStream) -> u16 {
    connection.write_all(PROBE).await.unwrap();
    answer(connection).await.status
}

async fn idle(gateway: &Gateway) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..IDLE {
        let mut connection = gateway.connect().await;
        assert_eq!(asks(&mut connection).await, 200);
        open.push(connection);
    }
    open
}

#[tokio::test]
async fn idle_connections_take_nothing_from_whoever_asks_and_are_kept() {
    let mut setup = Setup::new();
    // One that was closed may count for a moment longer.
    setup.http.connections_max = IDLE + 3;
    let gateway = setup.start().await;
    let mut open = idle(&gateway).await;
    for _ in 0..3 {
        assert_eq!(gateway.exchange(post("Connection: close\r\n").as_bytes()).await.status, 201);
    }
    for connection in &mut open {
        assert_eq!(asks(connection).await, 200);
    }
    assert_eq!(gateway.log().await.len(), 3);
}
