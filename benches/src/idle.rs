//! Idle connections: the gateway's memory and CPU time while many are open, and how long a change
//! takes then.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::client::Poster;
use crate::contest::{Contest, quantile};
use crate::gateway::{Gateway, tenants};
use crate::process::Process;
use crate::records::Records;
use crate::stores::Store;

/// Changes whose time is measured.
const CHANGES: usize = 500;
/// The time for which CPU time is counted.
const QUIET: Duration = Duration::from_secs(5);
const PROBE: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

/// Memory, CPU time and latency without idle connections, and beside so many that have asked once.
pub async fn run(store: Store, connections: usize) {
    let (place, names) = (store.start().await, tenants(1));
    let what = |part: &str| format!("{connections} idle connections, {}: {part}", store.name());
    let mut memory = Contest::new(what("memory"), "MiB");
    let mut cpu = Contest::new(what("CPU time"), "ms/s");
    let mut latency = Contest::new(what("accepting a change, p99"), "ms");
    let seats = (connections + 100).to_string();
    let ours = Gateway::start_as(&place, None, &names, &|setup| {
        setup.with("HTTP_CONNECTIONS_MAX", &seats)
    });
    let mut poster = Poster::connect(ours.address).await;
    let mut records = Records::default();
    let mut open = Vec::new();
    for side in ["without", "with them"] {
        let mut times = Vec::new();
        for _ in 0..CHANGES {
            let (body, since) = (records.body(1), Instant::now());
            poster.post(&names[0], &body, true).await.unwrap();
            times.push(since.elapsed().as_secs_f64() * 1e3);
        }
        latency.add(side, quantile(&mut times, 0.99));
        let process = Process(ours.pid());
        let before = process.cpu_ms();
        sleep(QUIET).await;
        cpu.add(side, (process.cpu_ms() - before) / QUIET.as_secs_f64());
        memory.add(side, process.resident_mib());
        if open.is_empty() {
            for _ in 0..connections {
                let mut connection = TcpStream::connect(ours.address).await.unwrap();
                connection.write_all(PROBE).await.unwrap();
                let answered = connection.read(&mut [0; 1024]).await.unwrap();
                assert!(answered > 0, "a connection was closed");
                open.push(connection);
            }
        }
    }
    // None was closed meanwhile.
    for connection in &mut open {
        connection.write_all(PROBE).await.unwrap();
        assert!(connection.read(&mut [0; 1024]).await.unwrap() > 0, "it was closed");
    }
    memory.tell();
    cpu.tell();
    latency.tell();
}
