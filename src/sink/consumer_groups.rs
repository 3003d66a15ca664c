//! The consumer groups of Kafka: who reads, and how far they have come.
//!
//! `follow::export` asks for them, and commits for groups that nobody reads for. No lane needs
//! them, and other sinks need not have them.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Error, Sink};
use crate::domain::subscription::Group;
use crate::domain::topic::Topic;

/// The offsets that a group has committed, by topic and partition.
pub type GroupOffsets = BTreeMap<(Topic, i32), i64>;

/// A consumer group as Kafka has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerGroup {
    /// The number of members that read for it.
    pub members: usize,
    /// The offsets that it has committed.
    pub offsets: GroupOffsets,
}

/// A sink that has consumer groups.
#[async_trait]
pub trait ConsumerGroups: Sink {
    /// Returns a group, with its offsets in topics of so many partitions. One that nobody has heard
    /// of has none.
    async fn consumer_group(
        &self,
        group: &Group,
        topics: &[(Topic, usize)],
    ) -> Result<ConsumerGroup, Error>;

    /// Commits offsets for a group that has no members; others are refused. Once it returns, the
    /// group has them.
    async fn commit_offsets(&self, group: &Group, offsets: &GroupOffsets) -> Result<(), Error>;
}
