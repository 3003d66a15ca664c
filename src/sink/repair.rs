//! The repair of Kafka: a look at the records that stand in its topics, and the partitions of its
//! cursors topic.
//!
//! Asked by `restore`, `lanes resize` and the keeper of the sink; no lane needs it, and no other
//! sink has to have it. Nothing here fences anybody: whoever changes cursors takes the lane over
//! first.

use async_trait::async_trait;

use super::{Error, KnownCursors, Sink};
use crate::domain::event::EventId;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::topic::Topic;

/// A sink that can be repaired. Whoever repairs it takes the lanes over like everybody else.
#[async_trait]
pub trait Repair: Sink {
    /// Reads a lane's cursors as they are just now: nobody is fenced, so a page that is under way
    /// may change them.
    async fn cursors(&self, lane: Lane) -> Result<KnownCursors, Error>;

    /// Scans the topics for committed records of a log after a position, by partition in order. A
    /// topic that is missing has none.
    async fn topic_scan(
        &self,
        topics: &[Topic],
        log_id: LogId,
        after: Position,
    ) -> Result<Vec<PublishedRecord>, Error>;

    /// Gives the cursors topic a partition for each of so many lanes, if it is there and has fewer.
    /// Returns how many it has then, or will be created with.
    async fn add_partitions(&self, lanes: u16) -> Result<u16, Error>;

    /// Returns the topics that have more partitions than when they were first seen. They are looked
    /// at whenever they are ensured.
    fn partitions_grown(&self) -> Vec<PartitionsGrown>;
}

/// A record that stands in a topic, and the event that it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRecord {
    /// The topic.
    pub topic: Topic,
    /// The partition of it.
    pub partition: i32,
    /// The record's place there.
    pub offset: i64,
    /// The record's key, as text.
    pub key: String,
    /// The event's place in its log.
    pub position: Position,
    /// The event's id.
    pub event_id: EventId,
}

/// A topic that somebody gave more partitions: its keys may stand in others than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionsGrown {
    /// The topic.
    pub topic: Topic,
    /// How many partitions it had when it was first seen.
    pub before: usize,
    /// How many it has.
    pub now: usize,
}
