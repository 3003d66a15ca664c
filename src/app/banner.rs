//! The one line that tells what serves: an operator who reads nothing else finds there where the
//! log is, and where records go.
//!
//! Fed by `app` with what it has built; told once, as soon as requests are answered. It holds no
//! credentials.

use std::net::SocketAddr;

use crate::sink::Sinks;

/// The parts that serve, for the line that introduces them.
pub(super) struct Banner {
    /// Which store, and where.
    pub(super) store: String,
    /// Which broker and other sinks, and where.
    pub(super) broker: String,
    /// `ENV`.
    pub(super) env: Option<String>,
    /// How many tenants are enabled.
    pub(super) tenants: usize,
    /// How many lanes there are.
    pub(super) lanes: u16,
    /// This replica's name.
    pub(super) replica: String,
}

impl Banner {
    /// Tells it, with the address that is listened on.
    pub(super) fn log(&self, address: SocketAddr) {
        let Self { store, broker, env, tenants, lanes, replica } = self;
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, %address, store, broker, env, tenants, lanes, replica, "serving");
    }
}

/// Names the broker and all other sinks, and says that an embedded broker forgets its records.
pub(super) fn broker(sinks: &Sinks) -> String {
    let each = sinks.sinks.iter().map(|sink| format!("{} at {}", sink.names().sink, sink.place()));
    let preview =
        sinks.preview.iter().map(|it| format!("embedded at {}, memory only", it.address()));
    let all: Vec<_> = each.chain(preview).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
