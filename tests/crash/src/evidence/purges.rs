//! Evidence of purges: the logs of a tenant that comes, posts and is purged, again and again.

use std::collections::BTreeSet;

/// A log that was purged, from its first event to its end, all of it in one era.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PurgedLog {
    /// The era.
    pub era: u32,
    /// The ids that the log told of itself, in the headers of its events.
    pub log_ids: BTreeSet<String>,
    /// The acknowledged changes, in their order.
    pub posted: Vec<Posted>,
    /// The events of `LOGGED` that the log had before the purge, in order of their positions.
    pub logged: Vec<Listed>,
    /// The key that was erased, if one was.
    pub erased: Option<String>,
    /// Whether the purge was to begin whatever was not published yet.
    pub is_forced: bool,
    /// The ids of the records that Kafka had once the purge had begun; `None` if the topics were
    /// removed before they were read.
    pub sent: Option<BTreeSet<String>>,
    /// The answers that a tenant without a log never gets, once the purge had begun.
    pub shown: Vec<String>,
    /// The tenant's topics that were left once the purge was complete.
    pub left: Vec<String>,
}

impl PurgedLog {
    /// The entity none of whose events leaves the log before the purge.
    pub const LOGGED: &'static str = "instance";
}

/// A change that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The record's kind.
    pub entity: String,
    /// The record's id.
    pub key: String,
    /// As it was posted.
    pub event_id: String,
    /// The position in the receipt.
    pub position: u64,
}

/// An event, as the log has listed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// In the log.
    pub position: u64,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
}
