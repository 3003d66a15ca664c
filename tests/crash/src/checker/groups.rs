//! Compares what the members of groups got with the logs: each event of their topics at least once,
//! byte for byte, in the partition of its key, and in order within each member's run.
//!
//! A run is the time for which a member has a partition. It begins where the group stood, so it
//! leaves nothing out and gets nothing again that was committed before; within it, offsets rise and
//! none is left out, but for what the log did not have any more. Where the group stands never falls,
//! and is never beyond what was delivered, unless it changes to HTTP: then it goes on after the least
//! of its places.

mod part;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use part::{Part, Place, Run, Wanted, partition_of};

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
    /// The number of acts so far.
    at: usize,
    /// The events that must be delivered, by partition and position.
    wanted: BTreeMap<Place, BTreeMap<i64, Wanted<'a>>>,
    /// The events that were left out since the log may not have had them, with the acts before.
    left: Vec<(usize, Place, i64)>,
    /// The floors of topics.
    floors: HashMap<String, i64>,
    parts: HashMap<Place, Part>,
    runs: HashMap<(usize, Place), Run>,
    pending: HashMap<usize, Vec<Pending>>,
    got: HashSet<&'a str>,
    findings: Vec<Finding>,
}

impl<'a> Reading<'a> {
    fn new(story: &'a Story, index: &'a Index<'a>, group: &'a KafkaGroup) -> Self {
        Self {
            index,
            group,
            at: 0,
            wanted: part::wanted(story, index, group),
            left: Vec::new(),
            floors: HashMap::new(),
            parts: HashMap::new(),
            runs: HashMap::new(),
            pending: HashMap::new(),
            got: HashSet::new(),
            findings: Vec::new(),
        }
    }

    fn check(mut self) -> Vec<Finding> {
        for (at, act) in self.group.acts.iter().enumerate() {
            self.at = at;
            self.take(act);
        }
        let all = self.wanted.iter().flat_map(|(place, its)| its.iter().map(move |it| (place, it)));
        let may_lack = |it: &Wanted<'_>| it.is_gone && !self.group.is_held;
        let missing = all.filter(|(_, (_, it))| !self.got.contains(it.id) && !may_lack(it));
        let missing: Vec<_> =
            missing.map(|(place, (at, _))| format!("{at} of {place:?} never came")).collect();
        missing.into_iter().for_each(|what| self.find(Kind::Lost, what));
        self.findings
    }

    fn take(&mut self, act: &'a GroupAct) {
        match act {
            GroupAct::Assigned { member, partitions } => {
                for place in partitions {
                    let run = self.parts.entry(place.clone()).or_default().give(*member);
                    self.runs.insert((*member, place.clone()), run);
                }
            }
            GroupAct::Revoked { member, partitions } => {
                for place in partitions {
                    self.runs.remove(&(*member, place.clone()));
                }
            }
            GroupAct::Got { member, record } => self.got(*member, record),
            GroupAct::Commits { member, offsets } => self.commits(*member, offsets),
            GroupAct::Committed { member, is_done } => self.committed(*member, *is_done),
            GroupAct::Stands { since, offsets } => self.stands(*since, offsets),
            GroupAct::Begins { member, partitions } => self.begins(*member, partitions),
            GroupAct::Passed { member, partitions, offset } => {
                partitions.iter().for_each(|place| self.passed(*member, place, *offset));
            }
            GroupAct::Floors { since, floors } => {
                floors.iter().for_each(|(topic, floor)| self.floor(*since, topic, *floor));
            }
            GroupAct::Ends { partitions } => self.each(partitions, Part::end),
            GroupAct::Purged { partitions, base } => {
                self.each(partitions, |part| part.begin_anew(*base));
            }
        }
    }

    fn each(&mut self, partitions: &[Place], change: impl Fn(&mut Part)) {
        for place in partitions {
            change(self.parts.entry(place.clone()).or_default());
        }
    }

    /// A reader over HTTP begins, at the least of the group's places. It is one of those at which the
    /// group may have stood.
    fn begins(&mut self, member: usize, partitions: &[Place]) {
        let at = self.at;
        let its = || partitions.iter().map(|place| self.parts.get(place));
        let least = its().map(|part| part.map_or(0, Part::sure)).min().unwrap_or_default();
        let last = |part: &Part| part.begun.last().copied().unwrap_or_default().max(part.sure());
        let most = its().map(|part| part.map_or(0, last)).min().unwrap_or_default();
        let begun = its().flatten().flat_map(|part| part.begun.range(least..=most.max(least)));
        let begun: BTreeSet<i64> = begun.copied().chain([least]).collect();
        for place in partitions {
            let part = self.parts.entry(place.clone()).or_default();
            part.stands_at(at, least);
            (part.begun, part.whole_since) = (begun.clone(), Some(at));
            let run = part.give(member);
            self.runs.insert((member, place.clone()), run);
        }
    }

    /// A reader over HTTP has everything before an offset.
    fn passed(&mut self, member: usize, place: &Place, offset: i64) {
        let part = self.parts.entry(place.clone()).or_default();
        part.delivered = part.delivered.max(offset);
        let Some(run) = self.runs.get_mut(&(member, place.clone())) else { return };
        let from = part.goes_on(run, offset);
        run.last = run.last.max(Some(offset - 1));
        self.between(place, from, offset);
    }

    fn got(&mut self, member: usize, record: &'a Record) {
        let place = (record.topic.clone(), record.partition);
        let offset = record.offset;
        self.compare(record);
        let part = self.parts.entry(place.clone()).or_default();
        part.delivered = part.delivered.max(offset + 1);
        let Some(run) = self.runs.get_mut(&(member, place.clone())) else {
            let what = format!("{offset} of {place:?} was given to {member}, which has it not");
            return self.find(Kind::Fence, what);
        };
        let (from, goes_on) = (run.from, part.goes_on(run, offset));
        let (base, before) = (run.base, run.last);
        run.last = run.last.max(Some(offset));
        match before {
            _ if offset < base => {
                let what =
                    format!("{offset} of {place:?} came after the purge of all before {base}");
                self.find(Kind::Purge, what);
            }
            Some(before) if offset <= before => {
                self.find(Kind::Reordered, format!("{before} of {place:?}, then {offset}"));
            }
            None if offset < from => {
                let what = format!("{offset} of {place:?} came after a commit of {from}");
                self.find(Kind::Duplicate, what);
            }
            _ => self.between(&place, goes_on, offset),
        }
    }

    /// Finds the events from one offset to before another one, which were left out. Some of them may
    /// have left the log before, unless it keeps them for the group: the next floor tells.
    fn between(&mut self, place: &Place, from: i64, to: i64) {
        let Some(wanted) = self.wanted.get(place).filter(|_| from < to) else { return };
        let left: Vec<_> = wanted.range(from..to).map(|(at, it)| (*at, it.is_gone)).collect();
        for (at, is_gone) in left {
            if is_gone && !self.group.is_held {
                self.left.push((self.at, place.clone(), at));
            } else {
                self.find(Kind::Lost, format!("{at} of {place:?} was left out before {to}"));
            }
        }
    }

    /// Compares a topic's floor with what was left out before it was asked for, and with what the log
    /// has in the end.
    fn floor(&mut self, since: usize, topic: &str, floor: i64) {
        let before = self.floors.insert(topic.to_owned(), floor).unwrap_or_default();
        if floor < before {
            self.find(Kind::Floor, format!("that of {topic} fell from {before} to {floor}"));
        }
        let of_topic = self.wanted.iter().filter(|((its, _), _)| its == topic);
        let below = of_topic.flat_map(|(_, its)| its.range(before.min(floor)..floor));
        let there: Vec<_> = below.filter(|(_, it)| !it.is_gone).map(|(at, _)| *at).collect();
        for at in there {
            self.find(Kind::Floor, format!("{topic} has {at}, and its floor is {floor}"));
        }
        let is_its = |(at, place, _): &(usize, Place, i64)| place.0 == topic && *at < since;
        let (its, others): (Vec<_>, _) =
            std::mem::take(&mut self.left).into_iter().partition(is_its);
        self.left = others;
        for (_, place, at) in its.into_iter().filter(|(_, _, at)| *at >= floor) {
            let what = format!("{at} of {place:?} was left out, and the floor is {floor}");
            self.find(Kind::Lost, what);
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

    fn committed(&mut self, member: usize, is_done: bool) {
        let at = self.at;
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
            let sure = part.sure();
            part.stands_at(at, offset);
            if offset < sure {
                self.find(Kind::Place, format!("{place:?} fell from {sure} to {offset}"));
            }
        }
    }

    fn stands(&mut self, since: usize, offsets: &Offsets) {
        let mut wrong = Vec::new();
        for (place, part) in &self.parts {
            // A reader over HTTP has moved it back since.
            let is_back = part.whole_since.is_some_and(|at| at >= since);
            let sure = if is_back { 0 } else { part.sure_before(since) };
            let offset = offsets.get(place).copied().unwrap_or_default();
            if offset < sure {
                wrong.push(format!("{place:?} stands at {offset}, after a commit of {sure}"));
            }
            // Before the first commit, it stands before the first position.
            let most = part.delivered.max(1);
            let passes =
                |it: &BTreeMap<i64, Wanted<'_>>| it.range(most..offset.max(most)).next().is_none();
            let may_pass = part.whole_since.is_some() && self.wanted.get(place).is_none_or(passes);
            if offset > most && !may_pass {
                wrong.push(format!("{place:?} stands at {offset}, and {most} came"));
            }
        }
        wrong.into_iter().for_each(|what| self.find(Kind::Place, what));
    }

    fn find(&mut self, kind: Kind, what: String) {
        self.findings.push(kind.of(format!("{}: {what}", self.group.group)));
    }
}
