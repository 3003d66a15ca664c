//! A partition as far as a group has come, the runs of its readers, and the events that they must
//! get.

use std::collections::{BTreeMap, BTreeSet};

use event_gateway::domain::partition;

use crate::checker::Index;
use crate::evidence::KafkaGroup;
use crate::story::Story;

/// A topic and the number of a partition.
pub(super) type Place = (String, i32);

/// An event that a group must get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) id: &'a str,
    /// Whether it has left the log, as it may.
    pub(super) is_gone: bool,
}

/// Returns the events that a group must get, by partition and position.
pub(super) fn wanted<'a>(
    story: &'a Story,
    index: &Index<'a>,
    group: &KafkaGroup,
) -> BTreeMap<Place, BTreeMap<i64, Wanted<'a>>> {
    let is_of = |topic: &str| group.topics.iter().any(|it| it == topic);
    let logged = story.logs.values().flatten();
    let logged = logged.filter(|it| it.is_sent() && it.erased.is_none() && is_of(&it.topic));
    let logged =
        logged.map(|it| (it.topic.as_str(), it.key.as_str(), it.position, &*it.event_id, false));
    let removed = index.removed.iter().filter(|(_, it)| {
        it.is_sent && is_of(&it.topic) && !index.is_erased(&it.topic, it.key, it.position)
    });
    let removed = removed.map(|(id, it)| (it.topic.as_str(), it.key, it.position, *id, true));
    let mut all: BTreeMap<Place, BTreeMap<i64, Wanted<'a>>> = BTreeMap::new();
    let its = logged.chain(removed).filter(|(.., id, _)| !group.may_miss.contains(*id));
    for (topic, key, position, id, is_gone) in its {
        let place = (topic.to_owned(), partition_of(key.as_bytes(), group.partitions));
        all.entry(place).or_default().insert(position as i64, Wanted { id, is_gone });
    }
    all
}

/// A partition, as far as a group has come.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The member that was given it last.
    pub(super) owner: Option<usize>,
    /// How often it was given to a member, or its log was purged.
    pub(super) owners: usize,
    /// The offset after the last one that was delivered.
    pub(super) delivered: i64,
    /// All offsets whose commit has begun, and those at which a reader over HTTP may have begun.
    pub(super) begun: BTreeSet<i64>,
    /// The offsets that were committed for certain, each with the number of acts before.
    sure: Vec<(usize, i64)>,
    /// The number of acts before a reader over HTTP began last, which may have moved the group back.
    /// While it reads, and for those who have read over HTTP, the group goes on by itself over events
    /// that are not its own.
    pub(super) whole_since: Option<usize>,
    /// Whether its log is being purged, so that nobody knows where the group stands.
    pub(super) is_ending: bool,
    /// The offset before which everything was purged.
    pub(super) base: i64,
}

impl Part {
    /// Returns the offset that was committed for certain before so many acts.
    pub(super) fn sure_before(&self, acts: usize) -> i64 {
        let known = self.sure.iter().rev().find(|(at, _)| *at < acts);
        known.map_or(0, |(_, offset)| *offset)
    }

    /// Returns the offset at which the group stands at least.
    pub(super) fn sure(&self) -> i64 {
        self.sure_before(usize::MAX)
    }

    /// Gives the partition to a member, and returns its run.
    pub(super) fn give(&mut self, member: usize) -> Run {
        self.owner = Some(member);
        self.owners += 1;
        Run { from: self.sure(), base: self.base, last: None }
    }

    /// Notes after so many acts that the group stands there.
    pub(super) fn stands_at(&mut self, acts: usize, offset: i64) {
        if !self.is_ending {
            self.sure.push((acts, offset));
        }
    }

    /// Returns where a run has to go on to come to an offset: where it is, or at the last of the
    /// places at which the group may have stood.
    pub(super) fn goes_on(&self, run: &Run, offset: i64) -> i64 {
        let begun = self.begun.range(..=offset).next_back().copied().unwrap_or_default();
        let at = run.last.map_or(begun.max(run.from), |last| last + 1);
        // A run may outlive the log in which it began.
        if offset >= self.base { at.max(self.base) } else { at }
    }

    /// Forgets where the group stood: the log is being purged.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
        self.sure.clear();
    }

    /// Begins anew with a log that has nothing before an offset.
    pub(super) fn begin_anew(&mut self, base: i64) {
        self.is_ending = false;
        self.sure.clear();
        self.begun.clear();
        self.owners += 1;
        self.base = base;
    }
}

/// The run of a member in a partition.
#[derive(Debug)]
pub(super) struct Run {
    /// The offset at which the group stood at least when it began.
    pub(super) from: i64,
    /// The offset before which everything was purged when it began.
    pub(super) base: i64,
    /// The offset of the last record.
    pub(super) last: Option<i64>,
}

/// Returns the partition of a key, as Java's partitioner has it.
pub(super) fn partition_of(key: &[u8], partitions: usize) -> i32 {
    partition::of_key(key, partitions) as i32
}
