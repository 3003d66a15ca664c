//! The one line that tells what serves: an operator who reads nothing else finds there where the
//! log is, and where records go.
//!
//! Fed by `app` with what it has built; told once, as soon as requests are answered. It holds no
//! credentials.

use std::net::SocketAddr;

use crate::config::Config;
use crate::sink::{self, Sinks};

/// The parts that serve, for the line that introduces them.
pub(super) struct Banner {
    /// Which store, and where.
    pub(super) store: String,
    /// Which broker, and where.
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

/// Names the broker, and that an embedded one forgets its records.
pub(super) fn broker(config: &Config, sinks: &Sinks) -> String {
    match (&config.broker, &sinks.preview) {
        (sink::Config::Kafka(kafka), _) => format!("Kafka at {}", kafka.bootstrap),
        (_, Some(preview)) => format!("embedded at {}, memory only", preview.address()),
        _ => "none".to_owned(),
    }
}
