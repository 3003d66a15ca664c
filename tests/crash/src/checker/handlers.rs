//! Compares what handlers got and answered with the logs, and with where their groups stood: each
//! event was done, is a dead letter, or was given up by the operator, before the group's position
//! passed it; and of each key an event came first after the one before it was decided on.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::filtered::{Filtered, Order};
use super::{Finding, Index, Kind};
use crate::evidence::{Delivered, Handled, HandlerAct, Letter, Policy};
use crate::story::Story;

/// Finds the defects of all groups.
pub(super) fn check(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let groups = story.observed.handled.iter();
    groups.flat_map(|handled| Handling::new(story, index, handled).check()).collect()
}

/// The state of a group after some of the acts.
struct Handling<'a> {
    index: &'a Index<'a>,
    handled: &'a Handled,
    filtered: Filtered<'a>,
    order: Order<'a>,
    /// The positions of the events by their ids.
    positions: HashMap<&'a str, u64>,
    /// The positions of the events that the handler has not done, and that nobody has given up.
    undecided: BTreeSet<u64>,
    /// The ids of the events that have come.
    came: HashSet<&'a str>,
    /// The positions of the dead letters at the last look.
    dead: HashSet<u64>,
    /// How often the store was put back.
    put_backs: usize,
    findings: Vec<Finding>,
}

impl<'a> Handling<'a> {
    fn new(story: &'a Story, index: &'a Index<'a>, handled: &'a Handled) -> Self {
        let filtered = Filtered::new(story, index, &handled.tenant, &handled.topics);
        let events = || filtered.events.iter();
        let positions = events().map(|(position, event)| (event.event_id, *position)).collect();
        let lasting = events().filter(|(_, event)| !event.is_replaced);
        let undecided = lasting.map(|(position, _)| *position).collect();
        Self {
            index,
            handled,
            order: filtered.order(),
            filtered,
            positions,
            undecided,
            came: HashSet::new(),
            dead: HashSet::new(),
            put_backs: 0,
            findings: Vec::new(),
        }
    }

    fn check(mut self) -> Vec<Finding> {
        let refused = refused(&self.handled.acts);
        for (at, act) in self.handled.acts.iter().enumerate() {
            match act {
                HandlerAct::Came(event) => self.came(event),
                HandlerAct::Done { event_id } => {
                    if let Some(position) = self.positions.get(event_id.as_str()) {
                        self.undecided.remove(position);
                    }
                }
                // It may be done at any time from now on.
                HandlerAct::GivesUp { position, .. } if !refused.contains(&at) => {
                    self.undecided.remove(position);
                }
                HandlerAct::Stands { position, letters } => self.stands(*position, letters),
                HandlerAct::PutBack => self.put_backs += 1,
                HandlerAct::GivesUp { .. }
                | HandlerAct::Refused { .. }
                | HandlerAct::Failed { .. }
                | HandlerAct::Resumed
                | HandlerAct::Redriven(_) => {}
            }
        }
        let left = self.undecided.iter().filter(|position| !self.dead.contains(position));
        let left: Vec<_> = left.copied().collect();
        for position in left {
            self.find(Kind::Lost, format!("position {position} was never done"));
        }
        self.findings
    }

    /// Compares an event that has come with the log, and with what had to be decided before.
    fn came(&mut self, event: &'a Delivered) {
        if let Some((kind, what)) = self.filtered.compare(event, self.put_backs) {
            self.find(kind, what);
        }
        let is_first = self.came.insert(&event.event_id);
        // What the store has lost since may have been in another order.
        let is_lasting = event.position <= self.filtered.lasting(self.put_backs);
        if !is_first || !is_lasting || self.handled.policy == Policy::OutOfOrder {
            return;
        }
        let its = self.filtered.events.get(&event.position);
        let Some(its) = its.filter(|its| its.event_id == event.event_id) else { return };
        let mut before = self.order.before(event.position, its);
        before.retain(|position| self.undecided.contains(position));
        if let Some(before) = before.first() {
            let text = format!("{} came before {before} was decided on", event.position);
            self.find(Kind::Reordered, text);
        }
    }

    /// Checks that the group has passed nothing but what was decided on or is a dead letter.
    fn stands(&mut self, position: u64, letters: &'a [Letter]) {
        self.dead = letters.iter().map(|letter| letter.position).collect();
        let lasting = self.filtered.lasting(self.put_backs);
        for letter in letters.iter().filter(|letter| letter.position <= lasting) {
            self.dead(letter);
        }
        let passed = self.undecided.range(..=position.min(lasting));
        let wrong: Vec<_> = passed.filter(|it| !self.dead.contains(it)).copied().collect();
        for it in wrong {
            // It is told once.
            self.undecided.remove(&it);
            self.find(Kind::Place, format!("it stands at {position}, and {it} was never done"));
        }
    }

    /// Checks that a dead letter is of an event that the handler was brought in vain, or that waits
    /// for such an event, as the policy allows.
    fn dead(&mut self, letter: &Letter) {
        let Letter { position, reason } = letter;
        let policy = self.handled.policy;
        let is_allowed = match reason {
            Some(_) => policy != Policy::Stop,
            None => policy == Policy::Park,
        };
        let is_known = match self.filtered.events.get(position) {
            Some(event) => {
                reason.is_none() || letter.is_gone() || self.came.contains(event.event_id)
            }
            None => self.index.hidden.contains(&(self.handled.tenant.as_str(), *position)),
        };
        if !(is_allowed && is_known) {
            self.find(Kind::Phantom, format!("nothing has failed so, with {policy:?}: {letter:?}"));
        }
    }

    fn find(&mut self, kind: Kind, what: String) {
        let Handled { tenant, group, .. } = self.handled;
        self.findings.push(kind.of(format!("{group} of {tenant}: {what}")));
    }
}

/// Returns the places of the acts by which the operator has asked to give an event up, in vain.
fn refused(acts: &[HandlerAct]) -> HashSet<usize> {
    let (mut asked, mut refused) = (HashMap::new(), HashSet::new());
    for (at, act) in acts.iter().enumerate() {
        match act {
            HandlerAct::GivesUp { position, .. } => drop(asked.insert(position, at)),
            HandlerAct::Refused { position } => refused.extend(asked.remove(position)),
            _ => {}
        }
    }
    refused
}
