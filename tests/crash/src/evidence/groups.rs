//! Evidence of groups of Kafka's clients: what their members did and got, in the order in which they
//! have noted it.

use std::collections::BTreeMap;

use crate::kafka::Record;

/// Offsets by topic and partition.
pub type Offsets = BTreeMap<(String, i32), i64>;

/// A group of Kafka's clients, and what its members did.
#[derive(Debug, Clone)]
pub struct KafkaGroup {
    /// The group's name.
    pub group: String,
    /// The topics that it reads.
    pub topics: Vec<String>,
    /// The number of partitions of each of them.
    pub partitions: usize,
    /// The acts of its members, which run at once.
    pub acts: Vec<GroupAct>,
}

/// The act of a member. A member lives once: a client that comes back is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupAct {
    /// It is about to be given partitions, and asks where the group stands there afterwards.
    Assigned {
        /// The member.
        member: usize,
        /// The partitions.
        partitions: Vec<(String, i32)>,
    },
    /// Partitions are taken from it.
    Revoked {
        /// The member.
        member: usize,
        /// The partitions.
        partitions: Vec<(String, i32)>,
    },
    /// It got a record.
    Got {
        /// The member.
        member: usize,
        /// The record.
        record: Record,
    },
    /// It begins to commit.
    Commits {
        /// The member.
        member: usize,
        /// The offsets.
        offsets: Offsets,
    },
    /// The member's commit was answered, or given up.
    Committed {
        /// The member.
        member: usize,
        /// Whether it was taken; if not, it may be done all the same.
        is_done: bool,
    },
    /// Somebody who is no member has asked where the group stands.
    Stands {
        /// The number of acts that were noted when the question was asked.
        since: usize,
        /// The offsets that were committed.
        offsets: Offsets,
    },
}
