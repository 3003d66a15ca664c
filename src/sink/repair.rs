//! The repair of Kafka: it reads the records of topics, and adds partitions to the cursors topic.
//!
//! `restore`, `audit`, `lanes resize`, the export of groups and the keeper of the sink call it. No
//! lane needs it, and other sinks need not have it. Nothing here fences a lane: a caller that
//! changes cursors takes the lane over first.

use async_trait::async_trait;

use super::{ConsumerGroups, Error, TopicAdmin, TopicReading};
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// A sink that can be repaired. A repair takes lanes over in the same way as a replica.
#[async_trait]
pub trait Repair: TopicAdmin + ConsumerGroups {
    /// Begins to read the committed records of a topic: all that are left, or at least those from
    /// the first one on that carries `since` or a later time. `None` if there is no such topic.
    /// It waits until no open transaction hides records. Records are read only as fast as they are
    /// received.
    async fn read_topic(
        &self,
        topic: &Topic,
        since: Option<Time>,
    ) -> Result<Option<TopicReading>, Error>;

    /// Returns the partition that a record with this key goes to, of so many.
    fn partition(&self, key: &[u8], partitions: usize) -> usize;

    /// Adds partitions to the cursors topic until each of `lanes` lanes has one, if the topic
    /// exists. Returns the number that it has then, or will be created with.
    async fn add_partitions(&self, lanes: u16) -> Result<u16, Error>;

    /// Returns the topics that have more partitions than when they were first seen, as of when they
    /// were last ensured.
    fn partitions_grown(&self) -> Vec<PartitionsGrown>;
}

/// A topic that was given more partitions, so that its keys may be in other partitions than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionsGrown {
    /// The topic.
    pub topic: Topic,
    /// The number of partitions when it was first seen.
    pub before: usize,
    /// The number of partitions now.
    pub now: usize,
}
