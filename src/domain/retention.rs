//! Retention: how long the logs keep events and event ids, where no entity says it, and how long
//! the trail and erasures that are complete are kept.
//!
//! `config` reads it; `follow::removal`, `follow::trail` and `follow::erasure` remove by it.

use std::time::Duration;

/// How long the logs keep events and event ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long events are kept of topics that don't say it; `None` for ever.
    pub log_retention: Option<Duration>,
    /// The least time for which an event id stays known.
    pub idempotency: Duration,
}

/// How long the store keeps what has ended; `None` for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// How long rows of the trail are kept.
    pub trail: Option<Duration>,
    /// How long erasures are kept, since they were complete.
    pub erasures: Option<Duration>,
    /// How long replays are kept, since they ended.
    pub replays: Option<Duration>,
    /// How long parked scopes that are resolved are kept, since they were parked.
    pub parked: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { log_retention: None, idempotency: days(7) }
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        let kept = Some(days(400));
        Self { trail: kept, erasures: kept, replays: Some(days(30)), parked: kept }
    }
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}
