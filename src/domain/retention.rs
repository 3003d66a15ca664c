//! Retention: how long the logs keep events and event ids, where no entity says it.
//!
//! `config` reads it, and `follow::removal` removes by it.

use std::time::Duration;

/// How long the logs keep events and event ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long events are kept of topics that don't say it; `None` for ever.
    pub log_retention: Option<Duration>,
    /// The least time for which an event id stays known.
    pub idempotency: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { log_retention: None, idempotency: Duration::from_secs(7 * 86_400) }
    }
}
