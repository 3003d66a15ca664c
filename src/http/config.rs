//! The HTTP surface's limits.
//!
//! `config` builds it; the files that enforce a limit read it.

use std::sync::Arc;
use std::time::Duration;

use crate::tls::Tls;

/// The most changes in one request, as operators' gateways have it and the API's document tells.
pub const BATCH_CHANGES_MAX: usize = 1_000;

/// The HTTP surface's limits.
#[derive(Debug, Clone)]
pub struct Config {
    /// TLS of the listener; `None` for plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// Whether anyone may read the metrics.
    pub metrics_open: bool,
    /// The most bytes of a request's body.
    pub body_bytes_max: usize,
    /// The most bytes of all bodies that are being read or wait for their commit.
    pub bodies_bytes_max: usize,
    /// The same for one tenant.
    pub tenant_bodies_bytes_max: usize,
    /// The longest time in which a request's head must arrive.
    pub head_timeout: Duration,
    /// The longest time for which a client may read nothing of its answer.
    pub answer_timeout: Duration,
    /// The longest time in which a body must arrive.
    pub body_timeout: Duration,
    /// The most changes in one request.
    pub batch_changes_max: usize,
    /// The most reads of the log at once; the store's other read connections are left to the
    /// followers.
    pub reads_max: usize,
    /// The most reads that are running or wait for their turn.
    pub turns_max: usize,
    /// The same for one tenant.
    pub tenant_turns_max: usize,
    /// The most connections at once; a few more are let in for probes of the gateway's health.
    pub connections_max: usize,
    /// The most requests that wait for their events to be published. Any further request is
    /// answered at once.
    pub waiters_max: usize,
    /// The same for one tenant.
    pub tenant_waiters_max: usize,
    /// The most polls and streams of subscriptions that may be open.
    pub subscribers_max: usize,
    /// The same for one tenant.
    pub tenant_subscribers_max: usize,
    /// The longest time for which the reader of a stream may leave a delivery unread.
    pub slow_reader_timeout: Duration,
    /// The longest time that open requests may take when the server stops.
    pub shutdown_timeout: Duration,
}
