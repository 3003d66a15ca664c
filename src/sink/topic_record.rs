//! Records as a sink has them: the committed records of a topic, read in order of each partition.
//!
//! `restore` and the audit read them through the repair's port. Anybody may write to a topic, so a
//! record need not be an event.

use tokio::sync::mpsc;

use super::Error;
use crate::domain::event::EventId;
use crate::domain::position::{LogId, Position};

/// The committed records of one topic, from the first that is left or from a time, to the end that
/// the topic had when reading began.
#[derive(Debug)]
pub struct TopicReading {
    /// The range of each partition, by its number.
    pub partitions: Vec<PartitionRange>,
    /// The records, a few hundred at once: in order within each partition. An error is the last
    /// item.
    pub records: mpsc::Receiver<Result<Vec<TopicRecord>, Error>>,
}

impl TopicReading {
    /// Returns how many offsets are read.
    pub fn offsets(&self) -> u64 {
        self.partitions.iter().map(|range| range.end - range.start).sum::<i64>().unsigned_abs()
    }
}

/// The offsets of a partition when reading began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionRange {
    /// The first offset that the sink has not removed; 0 if it has removed nothing.
    pub first: i64,
    /// The first offset that is read.
    pub start: i64,
    /// The offset after the last one that is read.
    pub end: i64,
}

/// A record, whoever has written it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicRecord {
    /// The partition of the topic.
    pub partition: i32,
    /// The offset there.
    pub offset: i64,
    /// The time that it carries, in epoch milliseconds; `None` if it carries none.
    pub time_ms: Option<i64>,
    /// Whether that is the time of its append, which the topic has given it.
    pub is_append_time: bool,
    /// The key; empty if there is none.
    pub key: Vec<u8>,
    /// The value; `None` if there is none.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// The event that a record says it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The id of the event's log when it was published.
    pub log_id: LogId,
    /// The position in that log.
    pub position: Position,
    /// The event's id.
    pub event_id: EventId,
    /// The replay that has published it; `None` for the relay.
    pub replay_id: Option<String>,
}

impl TopicRecord {
    /// Returns the time that its producer gave it, in epoch milliseconds; `None` if the topic has
    /// given it another one.
    pub fn own_time_ms(&self) -> Option<i64> {
        self.time_ms.filter(|_| !self.is_append_time)
    }

    /// Returns the event that the record says it was made of; `None` if it names none.
    pub fn origin(&self) -> Option<Origin> {
        Some(Origin {
            log_id: LogId::parse(self.header("log_id")?).ok()?,
            position: Position::parse(self.header("position")?).ok()?,
            event_id: EventId::parse(self.header("event_id")?).ok()?,
            replay_id: self.header("replay_id").map(str::to_owned),
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.iter().find(|(its, _)| its == name).map(|(_, value)| value);
        value.and_then(|value| std::str::from_utf8(value).ok())
    }
}
