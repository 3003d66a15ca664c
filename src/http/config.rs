//! Limits of the HTTP surface, and who may come.
//!
//! Built by the room `config`; read by the files that hold to a limit.

use std::time::Duration;

use super::token::Auth;

/// Limits of the way in, and who may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How callers are told.
    pub auth: Auth,
    /// A request's body, in bytes.
    pub body_bytes_max: usize,
    /// All bodies that are being read or wait for their commit, in bytes.
    pub bodies_bytes_max: usize,
    /// Those of one tenant.
    pub tenant_bodies_bytes_max: usize,
    /// How long a request's head may take to arrive.
    pub head_timeout: Duration,
    /// How long a client may take none of its answer.
    pub answer_timeout: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Changes in one request.
    pub batch_changes_max: usize,
    /// Reads of the log at once: the store's other readers are for those who follow it.
    pub reads_max: usize,
    /// Reads that are under way or wait for their turn.
    pub readers_max: usize,
    /// Those of one tenant.
    pub tenant_readers_max: usize,
    /// Connections at once; a few more come in to ask how the gateway is.
    pub connections_max: usize,
    /// Requests at once that wait for their events to be published; who comes then is answered at
    /// once.
    pub waiters_max: usize,
    /// Those of one tenant.
    pub tenant_waiters_max: usize,
    /// How long open requests may take once it stops.
    pub shutdown_timeout: Duration,
}
