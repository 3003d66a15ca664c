//! Evidence of a run: the acknowledged changes and DELETE_ALLs, the events of the log, the events that
//! were shown as published, the replays and the erasures.
//!
//! The actors and the story collect it, and the checker reads it.

mod erasures;
mod groups;
mod handled;
mod purges;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use erasures::{AskedErasure, Completed, Erasure};
pub use groups::{GroupAct, KafkaGroup, Offsets};
pub use handled::{Handled, HandlerAct, Letter, Policy};
pub use purges::{Listed, Posted, PurgedLog};

/// The evidence that the actors of a run have collected.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The acknowledged changes, in order for each key.
    pub acknowledged: Vec<Acknowledged>,
    /// The acknowledged DELETE_ALLs, in order for each topic.
    pub delete_alls: Vec<DeletedAll>,
    /// The events that were shown as published.
    pub told: Vec<Told>,
    /// The replays, which have ended.
    pub replayed: Vec<Replayed>,
    /// The requests for replays.
    pub asked: Vec<AskedReplay>,
    /// The requests for erasures.
    pub asked_erasures: Vec<AskedErasure>,
    /// The erasures in the end.
    pub erasures: Vec<Erasure>,
    /// The logs that were purged, in their order.
    pub purged: Vec<PurgedLog>,
    /// The groups that have read along over HTTP.
    pub subscribed: Vec<Subscribed>,
    /// The groups whose events were brought to a handler.
    pub handled: Vec<Handled>,
    /// The groups of Kafka's clients that have read from the listener.
    pub groups: Vec<KafkaGroup>,
    /// The tenants whose logs were purged, and began anew.
    pub begun_anew: BTreeSet<String>,
    /// The topics that the listener has told of in the end.
    pub listed: BTreeSet<String>,
    /// The documents of hexkit's collection in the end, if there is one.
    pub documents: Option<Vec<Persisted>>,
    /// The times at which the store was put back to a backup.
    pub put_backs: Vec<PutBack>,
}

impl From<Vec<Acknowledged>> for Observed {
    fn from(acknowledged: Vec<Acknowledged>) -> Self {
        Self { acknowledged, ..Self::default() }
    }
}

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
    /// The eras in which it was posted.
    #[serde(default)]
    pub eras: Eras,
}

/// The eras of one backup: it is made, the store has been put back to it, the logs are restored.
pub const ERAS: u32 = 3;

/// Returns how often the store had been put back in an era.
pub fn puts_back(era: u32) -> u32 {
    (era + 1) / ERAS
}

/// The eras in which a change was posted. An era ends when a backup of the store begins, when the
/// store has been put back to it, and when the logs are restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eras {
    /// The era in which it was sent first.
    pub first_sent: u32,
    /// The era in which it was sent when the answer came.
    pub sent: u32,
    /// The era in which the answer came.
    pub acknowledged: u32,
}

/// A DELETE_ALL that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedAll {
    /// The tenant.
    pub tenant: String,
    /// The kind of the records.
    pub entity: String,
    /// As it was posted.
    pub event_id: String,
    /// The position in the receipt.
    pub position: u64,
    /// The eras in which it was posted.
    #[serde(default)]
    pub eras: Eras,
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
    /// The time at which its content was erased, if it was.
    #[serde(default)]
    pub erased: Option<String>,
    /// Whether it is in Kafka.
    pub published: Option<bool>,
}

impl Logged {
    /// Returns whether it is of that type.
    pub fn is_of_type(&self, event_type: &str) -> bool {
        self.headers.get("type").is_some_and(|its| its == event_type)
    }

    /// Returns whether it was erased before it was published, so that it never is.
    pub fn is_unsent(&self) -> bool {
        self.erased.is_some() && self.published == Some(false)
    }

    /// Returns whether it has a record. A DELETE_ALL that is expanded has none.
    pub fn is_sent(&self) -> bool {
        !self.is_of_type("DELETE_ALL_EXPANDED")
    }
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
    /// The event's id.
    pub event_id: String,
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
    /// The event's id.
    pub event_id: String,
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

/// A request for a replay that was answered, and the tenant's replays before and after it.
#[derive(Debug, Clone)]
pub struct AskedReplay {
    /// The tenant.
    pub tenant: String,
    /// The topics that were asked for; an empty list stands for all.
    pub topics: Vec<String>,
    /// The keys; an empty list stands for any.
    pub keys: Vec<String>,
    /// Another topic to which it was to send.
    pub target: Option<String>,
    /// The id of the replay; `None` if it was refused since another one overlaps.
    pub id: Option<String>,
    /// The replays that had not ended before the request.
    pub open_before: Vec<String>,
    /// The replays that had ended before the request.
    pub ended_before: Vec<String>,
    /// The replays that had not ended after the answer.
    pub open_after: Vec<String>,
    /// All replays after the answer.
    pub all_after: Vec<String>,
}

/// A group of subscribers, and what its readers did, in order.
#[derive(Debug, Clone)]
pub struct Subscribed {
    /// The tenant.
    pub tenant: String,
    /// The group's name.
    pub group: String,
    /// The topics of its filter.
    pub topics: Vec<String>,
    /// The acts of its readers, one of which reads at a time.
    pub acts: Vec<Act>,
}

/// The act of a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A poll was answered. One without `after` begins a generation.
    Polled {
        /// The generation of the answer.
        generation: u64,
        /// The position that the reader has received, as the poll said.
        after: Option<u64>,
        /// The events, in the answer's order.
        events: Vec<Delivered>,
        /// The position of the answer.
        position: u64,
        /// The number of the last erasure that was complete before the poll; 0 if the store was
        /// put back or the log restored during it.
        completions: u64,
    },
    /// A commit, and its answer.
    Committed {
        /// The generation of the commit.
        generation: u64,
        /// The position.
        position: u64,
        /// Whether it was taken.
        answer: Answer,
    },
    /// The group was moved while nobody read.
    Sought {
        /// The position.
        to: u64,
        /// Whether it was moved.
        answer: Answer,
    },
    /// The store was put back to a backup since the last act.
    PutBack,
    /// The log was restored since the last act.
    Restored,
}

/// The answer to an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// It was refused, and changed nothing.
    Refused,
    /// No answer came, so it may be done.
    Unknown,
}

/// An event that a subscriber or a handler got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// In the tenant's log.
    pub position: u64,
    /// The event's id.
    pub event_id: String,
    /// The record's id.
    pub key: String,
    /// The payload.
    pub payload: String,
}

/// A document of hexkit's collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Persisted {
    /// The document's id.
    pub id: String,
    /// The topic.
    pub topic: String,
    /// The record's id.
    pub key: String,
    /// The event's type.
    pub event_type: String,
    /// The event's id, as hexkit knows it.
    pub event_id: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The payload.
    pub payload: serde_json::Value,
    /// hexkit's mark.
    pub published: bool,
}

/// The time at which the store was put back to a backup, and the repair of the tenants' logs.
#[derive(Debug, Clone, Default)]
pub struct PutBack {
    /// The era in which the backup was made, and after it everything that is lost.
    pub era: u32,
    /// The tenants whose logs differed, as `restore` has told it.
    pub restored: Vec<Restored>,
}

impl PutBack {
    /// Returns whether a change may be lost: it was posted after the backup had begun, and before the
    /// store was put back.
    pub fn may_lose(&self, eras: Eras) -> bool {
        eras.sent <= self.era && eras.acknowledged >= self.era
    }
}

/// A tenant's log that was restored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// The tenant.
    pub tenant: String,
    /// The position up to which the log and Kafka are the same.
    pub common: u64,
    /// The number of events that are published again.
    pub again: u64,
    /// The records of events that the log has lost.
    pub only_in_kafka: Vec<OnlyInKafka>,
    /// The id of the log from then on.
    pub log_id: String,
}

/// A record of an event that the log has lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OnlyInKafka {
    /// The topic.
    pub topic: String,
    /// The partition of the topic.
    pub partition: i32,
    /// The record's offset there.
    pub offset: i64,
    /// The event's id.
    pub event_id: String,
}

impl Replayed {
    /// Returns whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.ended_date.is_none()
    }
}
