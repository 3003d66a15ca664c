//! `serve`: runs the gateway until SIGTERM or SIGINT.
//!
//! Prints the gateway's address on the first line of stdout, and the embedded broker's on the
//! second, once both can be connected to.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Listens, prints, serves.
pub async fn run(app: App, listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).with_context(|| format!("failed to listen on {listen}"))?;
    let shutdown = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            shutdown.cancel();
        }
    });
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    if let Some(address) = app.embedded_broker() {
        writeln!(std::io::stdout(), "{address}")?;
    }
    app.run(listener, shutdown).await
}
