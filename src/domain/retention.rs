//! Retention: how long the logs keep events and event ids, where no entity says it, and how long
//! the trail and erasures that are complete are kept.
//!
//! `config` reads it; `follow::removal`, `follow::trail` and `follow::erasure` remove by it.

use std::time::Duration;

/// How long the logs keep events and event ids, the trail its rows, and the store its erasures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long events are kept of topics that don't say it; `None` for ever.
    pub log_retention: Option<Duration>,
    /// The least time for which an event id stays known.
    pub idempotency: Duration,
    /// How long the rows of the trail are kept; `None` for ever.
    pub trail: Option<Duration>,
    /// How long erasures that are complete are kept; `None` for ever.
    pub erasures: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        let kept = Some(days(400));
        Self { log_retention: None, idempotency: days(7), trail: kept, erasures: kept }
    }
}
