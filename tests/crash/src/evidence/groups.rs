//! Evidence of groups of Kafka's clients: what their members did and got, in the order in which they
//! have noted it.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Whether the logs keep events until the group has committed them.
    pub is_held: bool,
    /// The ids of events that were purged before the group had the time to get them.
    pub may_miss: BTreeSet<String>,
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
    /// A reader over HTTP, which is a member too, has the group for a log: it goes on after the least
    /// of the places at which the group stands there.
    Begins {
        /// The member.
        member: usize,
        /// All partitions of the log's topics.
        partitions: Vec<(String, i32)>,
    },
    /// A reader over HTTP has everything up to there.
    Passed {
        /// The member.
        member: usize,
        /// All partitions of the log's topics.
        partitions: Vec<(String, i32)>,
        /// The offset after the last position that was looked at for it.
        offset: i64,
    },
    /// Somebody has asked from where on the logs have everything of some topics.
    Floors {
        /// The number of acts that were noted when the question was asked.
        since: usize,
        /// The floors by topic.
        floors: BTreeMap<String, i64>,
    },
    /// A log is about to be purged.
    Ends {
        /// All partitions of its topics.
        partitions: Vec<(String, i32)>,
    },
    /// A log was purged, and the next one has not begun.
    Purged {
        /// All partitions of its topics.
        partitions: Vec<(String, i32)>,
        /// An offset beyond all of the log that was purged, and not beyond any of the next one.
        base: i64,
    },
}
