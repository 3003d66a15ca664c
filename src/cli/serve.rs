//! `serve`: runs the gateway until SIGTERM or SIGINT; SIGHUP is ignored.
//!
//! Prints the gateway's address on the first line of stdout, and that of the listener for Kafka's
//! clients on the second, once both accept connections. If stdout can't be written, that is
//! logged, and the gateway goes on.

use std::convert::Infallible;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::clock::Clock;
use crate::config::{Config, Given, Illegal, ServeOptions};
use crate::metrics::Metrics;
use crate::store::{self, Access};

/// Builds the gateway, listens, prints the addresses and serves.
pub async fn run(
    options: &ServeOptions,
    given: &Given,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> anyhow::Result<()> {
    let config = Config::new(options, given)?;
    // SQLite has no settings but its file, which is the store.
    if !matches!(config.store, store::Config::Sqlite { .. }) {
        store::check_settings(&config.store).await.map_err(Illegal::new)?;
    }
    let store = store::open(&config.store, Access::Serve, clock.clone()).await?;
    let app = app::build(&config, store, clock, metrics).await?;
    let listen = config.listen;
    let listener =
        TcpListener::bind(listen).with_context(|| format!("failed to listen on {listen}"))?;
    let shutdown = CancellationToken::new();
    let signals = Signals::new()?;
    let kafka = app.kafka_address().map(|address| format!("{address}\n")).unwrap_or_default();
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    print(format!("{scheme}://{}\n{kafka}", listener.local_addr()?));
    tokio::select! {
        ended = app.run(listener, shutdown.clone()) => ended,
        never = signals.obey(&shutdown) => match never {},
    }
}

/// Prints in a thread of its own, so that nothing waits for the reader of stdout.
fn print(lines: String) {
    tokio::task::spawn_blocking(move || {
        let mut stdout = std::io::stdout();
        if let Err(error) = stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush()) {
            tracing::warn!(%error, "failed to print the addresses on stdout: {}", lines.trim_end().replace('\n', ", \
                "));
        }
    });
}

/// The signals that the gateway handles itself.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn obey(mut self, shutdown: &CancellationToken) -> Infallible {
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => shutdown.cancel(),
                Some(()) = self.interrupt.recv() => shutdown.cancel(),
                Some(()) = self.hang_up.recv() => tracing::info!("ignored SIGHUP: no configuration \
                    is read again while the gateway runs"),
                else => std::future::pending::<()>().await,
            }
        }
    }
}
