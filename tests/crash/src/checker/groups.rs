//! Compares what the members of groups got with the logs: each event of their topics at least once,
//! byte for byte, in the partition of its key, and in order within each member's run.
//!
//! A run is the time for which a member has a partition. It begins where the group stood, so it
//! leaves nothing out and gets nothing again that was committed before; within it, offsets rise and
//! none is left out. Where the group stands never falls, and is never beyond what was delivered.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use event_gateway::domain::partition;

use super::topics::{Event, differences};
use super::{Finding, Index, Kind};
use crate::evidence::{GroupAct, KafkaGroup, Offsets};
use crate::kafka::Record;
use crate::story::Story;

/// Finds the defects of all groups.
pub(super) fn check(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let groups = story.observed.groups.iter();
    groups.flat_map(|group| Reading::new(story, index, group).check()).collect()
}

/// A topic and the number of a partition.
type Place = (String, i32);

/// A partition, as far as a group has come.
#[derive(Debug, Default)]
struct Part {
    /// The member that was given it last.
    owner: Option<usize>,
    /// How often it was given to a member.
    owners: usize,
    /// The offset after the last one that was delivered.
    delivered: i64,
    /// All offsets whose commit has begun.
    begun: BTreeSet<i64>,
    /// The offsets that were committed for certain, each with the number of acts before.
    sure: Vec<(usize, i64)>,
}

impl Part {
    /// Returns the offset that was committed for certain before so many acts.
    fn sure_before(&self, acts: usize) -> i64 {
        let known = self.sure.iter().rev().find(|(at, _)| *at < acts);
        known.map_or(0, |(_, offset)| *offset)
    }
}

/// The run of a member in a partition.
#[derive(Debug)]
struct Run {
    /// The offset at which the group stood at least when it began.
    from: i64,
    /// The offset of the last record.
    last: Option<i64>,
}

/// A commit that was not answered yet: its offset, whether the member had the partition, and how
/// often that had been given to a member.
struct Pending {
    place: Place,
    offset: i64,
    is_owner: bool,
    owners: usize,
}

/// The state of a group after some of its acts.
struct Reading<'a> {
    index: &'a Index<'a>,
    group: &'a KafkaGroup,
    /// The events that must be delivered, by partition and position.
    wanted: BTreeMap<Place, BTreeMap<i64, &'a str>>,
    parts: HashMap<Place, Part>,
    runs: HashMap<(usize, Place), Run>,
    pending: HashMap<usize, Vec<Pending>>,
    got: HashSet<&'a str>,
    findings: Vec<Finding>,
}

impl<'a> Reading<'a> {
    fn new(story: &'a Story, index: &'a Index<'a>, group: &'a KafkaGroup) -> Self {
        let is_of = |topic: &str| group.topics.iter().any(|it| it == topic);
        let logged = story.logs.values().flatten();
        let logged = logged.filter(|it| it.is_sent() && it.erased.is_none() && is_of(&it.topic));
        let logged =
            logged.map(|it| (it.topic.as_str(), it.key.as_str(), it.position, &*it.event_id));
        let removed = index.removed.iter().filter(|(_, it)| {
            it.is_sent && is_of(&it.topic) && !index.is_erased(&it.topic, it.key, it.position)
        });
        let removed = removed.map(|(id, it)| (it.topic.as_str(), it.key, it.position, *id));
        let mut wanted: BTreeMap<Place, BTreeMap<i64, &'a str>> = BTreeMap::new();
        for (topic, key, position, id) in logged.chain(removed) {
            let place = (topic.to_owned(), partition_of(key.as_bytes(), group.partitions));
            wanted.entry(place).or_default().insert(position as i64, id);
        }
        Self {
            index,
            group,
            wanted,
            parts: HashMap::new(),
            runs: HashMap::new(),
            pending: HashMap::new(),
            got: HashSet::new(),
            findings: Vec::new(),
        }
    }

    fn check(mut self) -> Vec<Finding> {
        for (at, act) in self.group.acts.iter().enumerate() {
            match act {
                GroupAct::Assigned { member, partitions } => {
                    partitions.iter().for_each(|place| self.assigned(*member, place));
                }
                GroupAct::Revoked { member, partitions } => {
                    for place in partitions {
                        self.runs.remove(&(*member, place.clone()));
                    }
                }
                GroupAct::Got { member, record } => self.got(*member, record),
                GroupAct::Commits { member, offsets } => self.commits(*member, offsets),
                GroupAct::Committed { member, is_done } => self.committed(at, *member, *is_done),
                GroupAct::Stands { since, offsets } => self.stands(*since, offsets),
            }
        }
        let all = self.wanted.iter().flat_map(|(place, its)| its.iter().map(move |it| (place, it)));
        let missing = all.filter(|(_, (_, id))| !self.got.contains(**id));
        let missing: Vec<_> =
            missing.map(|(place, (at, _))| format!("{at} of {place:?} never came")).collect();
        missing.into_iter().for_each(|what| self.find(Kind::Lost, what));
        self.findings
    }

    fn assigned(&mut self, member: usize, place: &Place) {
        let part = self.parts.entry(place.clone()).or_default();
        part.owner = Some(member);
        part.owners += 1;
        let from = part.sure_before(usize::MAX);
        self.runs.insert((member, place.clone()), Run { from, last: None });
    }

    fn got(&mut self, member: usize, record: &'a Record) {
        let place = (record.topic.clone(), record.partition);
        let offset = record.offset;
        self.compare(record);
        let part = self.parts.entry(place.clone()).or_default();
        part.delivered = part.delivered.max(offset + 1);
        // The group stood at one of the offsets whose commit has begun.
        let begun = part.begun.range(..=offset).next_back().copied().unwrap_or_default();
        let Some(run) = self.runs.get_mut(&(member, place.clone())) else {
            let what = format!("{offset} of {place:?} was given to {member}, which has it not");
            return self.find(Kind::Fence, what);
        };
        let (from, before) = (run.from, run.last);
        run.last = run.last.max(Some(offset));
        match before {
            Some(before) if offset <= before => {
                self.find(Kind::Reordered, format!("{before} of {place:?}, then {offset}"));
            }
            Some(before) => self.between(&place, before + 1, offset),
            None if offset < from => {
                let what = format!("{offset} of {place:?} came after a commit of {from}");
                self.find(Kind::Duplicate, what);
            }
            None => self.between(&place, begun.max(from), offset),
        }
    }

    /// Finds the events from one offset to before another one, which were left out.
    fn between(&mut self, place: &Place, from: i64, to: i64) {
        let Some(wanted) = self.wanted.get(place).filter(|_| from < to) else { return };
        let left: Vec<_> = wanted.range(from..to).map(|(at, _)| *at).collect();
        for at in left {
            self.find(Kind::Lost, format!("{at} of {place:?} was left out before {to}"));
        }
    }

    fn compare(&mut self, record: &'a Record) {
        let Some(event) = Event::of(record, self.index) else {
            return self.find(Kind::Phantom, format!("no event of the log: {record:?}"));
        };
        self.got.insert(event.id);
        if self.index.tenant_of(&record.topic) != Some(event.tenant) {
            self.find(Kind::Tenant, format!("{}'s: {record:?}", event.tenant));
            return;
        }
        let wanted = partition_of(&record.key, self.group.partitions);
        if record.partition != wanted {
            self.find(Kind::Bytes, format!("its partition is {wanted}: {record:?}"));
        }
        if u64::try_from(record.offset) != Ok(event.position) {
            self.find(Kind::Bytes, format!("its position is {}: {record:?}", event.position));
        }
        let differs = event.logged.and_then(|it| differences(it, record, &it.topic, self.index));
        self.findings.extend(differs);
    }

    fn commits(&mut self, member: usize, offsets: &Offsets) {
        let mut pending = Vec::new();
        for (place, offset) in offsets {
            let part = self.parts.entry(place.clone()).or_default();
            part.begun.insert(*offset);
            let (is_owner, owners) = (part.owner == Some(member), part.owners);
            pending.push(Pending { place: place.clone(), offset: *offset, is_owner, owners });
            let delivered = part.delivered;
            if *offset > delivered {
                let what = format!("{offset} of {place:?} is committed, and {delivered} came");
                self.find(Kind::Place, what);
            }
        }
        self.pending.insert(member, pending);
    }

    fn committed(&mut self, at: usize, member: usize, is_done: bool) {
        for it in self.pending.remove(&member).into_iter().flatten().filter(|_| is_done) {
            let Pending { place, offset, is_owner, owners } = it;
            let part = self.parts.entry(place.clone()).or_default();
            if !is_owner {
                let owner = part.owner;
                let what = format!("a commit of {offset} by {member} was taken, though");
                self.find(Kind::Fence, format!("{what} {owner:?} has {place:?}"));
                continue;
            }
            // Somebody else has it by now: it is unknown which of their commits came last.
            if part.owners != owners {
                continue;
            }
            let sure = part.sure_before(usize::MAX);
            part.sure.push((at, offset));
            if offset < sure {
                self.find(Kind::Place, format!("{place:?} fell from {sure} to {offset}"));
            }
        }
    }

    fn stands(&mut self, since: usize, offsets: &Offsets) {
        let mut wrong = Vec::new();
        for (place, part) in &self.parts {
            let (sure, delivered) = (part.sure_before(since), part.delivered);
            let offset = offsets.get(place).copied().unwrap_or_default();
            if offset < sure {
                wrong.push(format!("{place:?} stands at {offset}, after a commit of {sure}"));
            }
            // Before the first commit, it stands before the first position.
            if offset > delivered.max(1) {
                wrong.push(format!("{place:?} stands at {offset}, and {delivered} came"));
            }
        }
        wrong.into_iter().for_each(|what| self.find(Kind::Place, what));
    }

    fn find(&mut self, kind: Kind, what: String) {
        self.findings.push(kind.of(format!("{}: {what}", self.group.group)));
    }
}

fn partition_of(key: &[u8], partitions: usize) -> i32 {
    partition::of_key(key, partitions) as i32
}
