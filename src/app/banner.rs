//! The banner: one log line that names the address, the store and the broker, for an operator who
//! reads nothing else, and one that says who checks tokens.
//!
//! `app` logs them once, as soon as requests are answered. They contain no credentials.

use std::net::SocketAddr;

use crate::access::Auth;
use crate::sink::Sinks;

/// The fields of the banner.
pub(super) struct Banner {
    /// The store and its place.
    pub(super) store: String,
    /// The broker and all other sinks, each with its place.
    pub(super) broker: String,
    /// `ENV`.
    pub(super) env: Option<String>,
    /// The number of enabled tenants.
    pub(super) tenants: usize,
    /// The number of lanes.
    pub(super) lanes: u16,
    /// This replica's name.
    pub(super) replica: String,
    /// How callers are authenticated.
    pub(super) auth: Auth,
}

impl Banner {
    /// Logs the banner, with the address that the gateway listens on.
    pub(super) fn log(&self, address: SocketAddr) {
        let Self { store, broker, env, tenants, lanes, replica, auth } = self;
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, %address, store, broker, env, tenants, lanes, replica, "serving");
        auth.log();
    }
}

/// Names the broker and all other sinks; `kafka` is the address at which Kafka's clients read the
/// logs.
pub(super) fn broker(sinks: &Sinks, kafka: Option<&str>) -> String {
    let each = sinks.sinks.iter().map(|sink| format!("{} at {}", sink.names().sink, sink.place()));
    let own = kafka.map(|address| format!("the gateway itself at {address}"));
    let all: Vec<_> = each.chain(own).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
