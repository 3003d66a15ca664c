//! The administration of Kafka's topics: they are altered, given partitions, and deleted.
//!
//! `follow::topics` decides what is done, and calls it. No lane needs it, and other sinks need not
//! have it. Nothing here knows the tenants' files.

use async_trait::async_trait;

use super::{Error, Sink};
use crate::domain::topic::Topic;

/// A sink whose topics can be administered.
#[async_trait]
pub trait TopicAdmin: Sink {
    /// Returns the topic of the sink's cursors, if it has one.
    fn cursors_topic(&self) -> Option<Topic>;

    /// Returns the replication factor that a new topic gets.
    async fn replication(&self) -> Result<usize, Error>;

    /// Sets settings of a topic, by Kafka's names; others stay as they are.
    async fn alter(&self, topic: &Topic, settings: &[(&'static str, String)]) -> Result<(), Error>;

    /// Gives a topic more partitions, and waits until each has a leader.
    async fn grow(&self, topic: &Topic, partitions: u16) -> Result<(), Error>;

    /// Returns the number of offsets that a topic has between the first and the end of its
    /// partitions: 0 if it is empty; `None` if there is no such topic.
    async fn span(&self, topic: &Topic) -> Result<Option<u64>, Error>;

    /// Deletes a topic, with all that it has, and waits until it is gone. One that is gone is no
    /// error.
    async fn delete(&self, topic: &Topic) -> Result<(), Error>;
}
