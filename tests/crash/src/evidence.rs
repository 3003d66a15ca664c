//! Evidence of a run: the acknowledged changes, the events of the log, the events that were shown as
//! published, and the replays.
//!
//! The load, the publish observer and the story collect it, and the checker reads it.

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
    /// The position in the receipt.
    pub position: u64,
    /// The state before, as it was posted.
    pub old: Option<String>,
    /// The state after, as it was posted.
    pub new: Option<String>,
    /// A number that rises with each change of a key.
    pub seq: usize,
}

/// One event of the log, as `GET /domain-events` shows it.
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

/// The observation that an event was shown as published.
#[derive(Debug, Clone)]
pub struct ToldPublished {
    /// The tenant.
    pub tenant: String,
    /// The topic.
    pub topic: String,
    /// In the tenant's log.
    pub position: u64,
}

/// An event that was shown as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The tenant.
    pub tenant: String,
    /// The topic.
    pub topic: String,
    /// In the tenant's log.
    pub position: u64,
    /// The end of each partition of the topic for a read_uncommitted consumer, asked for
    /// afterwards.
    pub ends: Vec<i64>,
}

/// A replay, as `GET /replays` shows it in the end.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// The tenant, which the answer does not name.
    #[serde(default)]
    pub tenant: String,
    /// The replay's id.
    pub id: String,
    /// The status, in the API's words.
    pub status: String,
    /// How many events it has published.
    pub messages_published: u64,
    /// The last position that it has passed.
    pub position: u64,
    /// The topics whose events it sends.
    pub topics: Vec<String>,
    /// The keys; an empty list matches any.
    pub keys: Vec<String>,
    /// The position after which it began.
    pub after: u64,
    /// The last position that it may send.
    pub until: Option<u64>,
    /// Another topic to which it sends them.
    pub target: Option<String>,
    /// The time of its end.
    pub ended_date: Option<String>,
}

impl Replayed {
    /// Returns whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.ended_date.is_none()
    }
}
