//! Evidence of a run: what was acknowledged, what is in the log, and who was told that it is published.
//!
//! Given by the load, the publish observer and the story; judged by the checker.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A change that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The tenant.
    pub tenant: String,
    /// The record's kind.
    pub entity: String,
    /// The record's id.
    pub key: String,
    /// As it was posted.
    pub event_id: String,
    /// As the receipt has it.
    pub position: u64,
    /// The state before, as it was posted.
    pub old: Option<String>,
    /// The state after, as it was posted.
    pub new: Option<String>,
    /// Rises with each change of a key.
    pub seq: usize,
}

/// One event of the log, as `GET /domain-events` tells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    /// In its tenant's log.
    pub position: u64,
    /// The event's id.
    pub event_id: String,
    /// Where it is published.
    pub topic: String,
    /// The record's id.
    pub key: String,
    /// As RFC 3339 has it.
    pub time: String,
    /// As consumers see them.
    pub headers: BTreeMap<String, String>,
    /// As it was stored.
    pub payload: Box<RawValue>,
    /// Whether it is in Kafka.
    pub published: Option<bool>,
}

/// Somebody was told that an event is published.
#[derive(Debug, Clone)]
pub struct ToldPublished {
    /// The tenant.
    pub tenant: String,
    /// The topic.
    pub topic: String,
    /// In the tenant's log.
    pub position: u64,
}

/// An event that somebody was told to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The tenant.
    pub tenant: String,
    /// The topic.
    pub topic: String,
    /// In the tenant's log.
    pub position: u64,
    /// Where each partition of the topic ended for a read_uncommitted consumer, asked for after it was told.
    pub ends: Vec<i64>,
}
