//! Compares what subscribers got with the logs: each event of their filter at least once, in order,
//! none left out, and none again that was committed.

use std::collections::HashSet;

use super::filtered::{Filtered, Matching};
use super::{Finding, Index, Kind};
use crate::evidence::{Act, Answer, Delivered, Subscribed};
use crate::story::Story;

/// Finds the defects of all groups.
pub(super) fn check(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let groups = story.observed.subscribed.iter();
    groups.flat_map(|subscribed| Reading::new(story, index, subscribed).check()).collect()
}

/// The state of a group after some of its acts.
struct Reading<'a> {
    index: &'a Index<'a>,
    subscribed: &'a Subscribed,
    filtered: Filtered<'a>,
    /// The position that was committed last, for certain.
    committed: u64,
    /// The positions of later commits and seeks that may be done, with their generations.
    perhaps: Vec<(u64, u64)>,
    generation: u64,
    known: Known,
    /// How often the store was put back.
    put_backs: usize,
    got: HashSet<&'a str>,
    findings: Vec<Finding>,
}

/// The knowledge of where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It stands where its acts have moved it.
    Sure,
    /// The store was put back, and so was the group.
    PutBack,
    /// The log is restored, which has moved the group back and ended its generation.
    Restored,
    /// A generation has begun since, somewhere.
    Begun,
}

impl<'a> Reading<'a> {
    fn new(story: &'a Story, index: &'a Index<'a>, subscribed: &'a Subscribed) -> Self {
        let Subscribed { tenant, topics, .. } = subscribed;
        let filtered = Filtered::new(story, index, tenant, topics);
        Self {
            index,
            subscribed,
            filtered,
            committed: 0,
            perhaps: Vec::new(),
            generation: 0,
            known: Known::Sure,
            put_backs: 0,
            got: HashSet::new(),
            findings: Vec::new(),
        }
    }

    fn check(mut self) -> Vec<Finding> {
        for act in &self.subscribed.acts {
            match act {
                Act::Polled { generation, after, events, position, completions } => {
                    self.erased(events, *completions);
                    self.polled(*generation, *after, events, *position);
                }
                Act::Committed { generation, position, answer } => {
                    self.committed(*generation, *position, *answer);
                }
                Act::Sought { to, answer: Answer::Done } => {
                    self.committed = *to;
                    self.perhaps.clear();
                    if !self.is_loose() {
                        self.known = Known::Sure;
                    }
                }
                Act::Sought { to, answer: Answer::Unknown } => self.perhaps.push((0, *to)),
                Act::Sought { answer: Answer::Refused, .. } => {}
                Act::PutBack => {
                    (self.known, self.generation) = (Known::PutBack, 0);
                    self.put_backs += 1;
                    self.perhaps.clear();
                }
                Act::Restored => self.known = Known::Restored,
            }
        }
        let is_missing = |(_, event): &(&u64, &Matching<'_>)| {
            !event.is_replaced && !self.got.contains(event.event_id)
        };
        let events = self.filtered.events.iter();
        let missing: Vec<_> = events.filter(is_missing).map(|(at, _)| *at).collect();
        for position in missing {
            self.find(Kind::Lost, format!("position {position} was never delivered"));
        }
        self.findings
    }

    fn polled(
        &mut self,
        generation: u64,
        after: Option<u64>,
        events: &'a [Delivered],
        position: u64,
    ) {
        if (self.known, after) == (Known::Restored, None) {
            self.known = Known::Begun;
        }
        self.generation = self.generation.max(generation);
        let first = events.first().map_or(position + 1, |event| event.position);
        let began = match after {
            // A reader that does not know yet that the group was moved back gets events again.
            _ if self.is_loose() => 0,
            Some(after) => after,
            None => self.begins(first),
        };
        let mut before = began;
        for event in events {
            if event.position <= before {
                self.find(Kind::Reordered, format!("{before}, then {}", event.position));
            }
            self.got.insert(&event.event_id);
            if let Some((kind, what)) = self.filtered.compare(event, self.put_backs) {
                self.find(kind, what);
            }
            before = event.position;
        }
        if self.is_loose() {
            return;
        }
        let mut positions: Vec<_> = events.iter().map(|event| event.position).collect();
        positions.sort_unstable();
        before = began;
        for position in positions {
            self.between(before, position);
            before = before.max(position);
        }
        if position < before {
            self.find(Kind::Receipt, format!("{before} was delivered, and {position} told"));
        }
        self.between(before, position + 1);
    }

    /// Returns whether it is unknown where the group stands, and what lies in between.
    fn is_loose(&self) -> bool {
        matches!(self.known, Known::PutBack | Known::Restored)
    }

    /// Returns the position from which a generation begins whose first event this is: where the
    /// group stood. That may be one of several positions, if answers were lost.
    fn begins(&mut self, first: u64) -> u64 {
        if self.known != Known::Sure {
            return first.saturating_sub(1);
        }
        let perhaps = self.perhaps.iter().map(|(_, position)| *position);
        let all: Vec<_> = perhaps.chain([self.committed]).collect();
        let lowest = all.iter().copied().min().unwrap_or_default();
        if first <= lowest {
            self.find(Kind::Duplicate, format!("{first} was delivered after a commit of {lowest}"));
            return first.saturating_sub(1);
        }
        all.into_iter().filter(|position| *position < first).max().unwrap_or(lowest)
    }

    /// Finds the events between two positions that should have been delivered there, as far as the
    /// log still has what it had then.
    fn between(&mut self, after: u64, before: u64) {
        let lasting = self.filtered.lasting(self.put_backs);
        let before = before.min(lasting.saturating_add(1));
        if after + 1 >= before {
            return;
        }
        let between = self.filtered.events.range(after + 1..before);
        let left_out: Vec<_> = between
            .filter(|(_, event)| !event.is_replaced)
            .map(|(position, _)| *position)
            .collect();
        for position in left_out {
            self.find(Kind::Lost, format!("position {position} was left out after {after}"));
        }
    }

    /// Finds content that was delivered though its erasure was complete before the poll. A store
    /// that was put back has it again until its log is restored.
    fn erased(&mut self, events: &'a [Delivered], completions: u64) {
        if self.known == Known::PutBack {
            return;
        }
        let erasures = &self.index.erasures;
        for event in events.iter().filter(|event| event.payload != "null") {
            let topic = self.filtered.topic_of_erased_delete(event).filter(|_| self.put_backs == 0);
            let mut completed = erasures.completed_of(&event.event_id).chain(
                topic
                    .into_iter()
                    .flat_map(|topic| erasures.completed_at(topic, &event.key, event.position, 0)),
            );
            if completed.any(|it| it.number <= completions) {
                self.find(Kind::Erasure, format!("it was erased before: {event:?}"));
            }
        }
    }

    fn committed(&mut self, generation: u64, position: u64, answer: Answer) {
        match answer {
            _ if self.is_loose() => {}
            Answer::Done if generation < self.generation => {
                let text = format!("a commit of {position} by generation {generation} was taken");
                self.find(Kind::Fence, format!("{text}, in generation {}", self.generation));
            }
            Answer::Done => {
                (self.committed, self.known) = (position, Known::Sure);
                self.perhaps.retain(|(by, _)| *by == generation);
            }
            Answer::Unknown => self.perhaps.push((generation, position)),
            Answer::Refused => {}
        }
    }

    fn find(&mut self, kind: Kind, what: String) {
        let Subscribed { tenant, group, .. } = self.subscribed;
        self.findings.push(kind.of(format!("{group} of {tenant}: {what}")));
    }
}
