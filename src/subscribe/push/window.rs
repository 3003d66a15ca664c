//! The window of events that are being brought to a handler: which is next, what its answer does,
//! and up to where the group may commit. No I/O.
//!
//! ```text
//!   committed ───── window ───────────────────── offered
//!   all is done     done · under way · due again  the next event
//!                   · failed · not yet delivered  that is read
//! ```
//!
//! In order, an event is delivered once each earlier one of its key is done or is a dead letter; a
//! DELETE_ALL concerns every key of its topic. Dead letters that are redriven are delivered beside
//! the window, in order among themselves; later events of their keys join them meanwhile.

mod claims;
mod erased;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::letters::{Joins, Letters, is_whole, own_scope};
use super::outcome::Outcome;
use super::slot::{Attempt, Failed, Slot, State};
use super::unreached::Unreached;
use crate::domain::claim::RootId;
use crate::domain::envelope::Envelope;
use crate::domain::position::Position;
use crate::domain::subscription::{
    DeadLetter, FailedEvent, Failure, LastFailure, Order, Policy, Scope,
};
use crate::domain::time::Time;
use erased::Erased;

/// The most events in a window: behind one that is tried again, as many others go on.
const EVENTS_MAX: usize = 500;
/// The most dead letters that wait for another attempt while others are delivered.
const AGAIN_MAX: usize = 100;
/// The most bytes of payloads in a window, though at least one part that was read.
const BYTES_MAX: usize = 2 << 20;

/// A handler that can't go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stopped {
    /// The reason in words.
    pub(super) why: String,
    /// The event at which it failed, if everything before that is done.
    pub(super) failed: Option<FailedEvent>,
}

/// The window of one group in one log.
pub(super) struct Window {
    failure: Failure,
    concurrency: usize,
    letters: Letters,
    slots: BTreeMap<Position, Slot>,
    /// The dead letters that are being delivered again.
    again: BTreeMap<Position, Slot>,
    offered: Position,
    under_way: usize,
    bytes: usize,
    /// The event at which the group stops, once everything before is done.
    stops_at: Option<Position>,
    /// The reason why nothing more is delivered at all.
    quits: Option<String>,
    /// Whether each event is claimed.
    claims: bool,
    /// The handler, while it is not reached.
    unreached: Option<Unreached>,
}

impl Window {
    /// Makes the window of a group that goes on after a position.
    pub(super) fn new(
        failure: Failure,
        concurrency: usize,
        letters: Letters,
        after: Position,
    ) -> Self {
        Self {
            failure,
            concurrency,
            letters,
            slots: BTreeMap::new(),
            again: BTreeMap::new(),
            offered: after,
            under_way: 0,
            bytes: 0,
            stops_at: None,
            quits: None,
            claims: false,
            unreached: None,
        }
    }

    /// Returns whether the handler was reached when it was last tried.
    pub(super) fn is_reached(&self) -> bool {
        self.unreached.is_none()
    }

    /// Returns the number of events that may be read on.
    pub(super) fn room(&self) -> usize {
        let may = self.bytes < BYTES_MAX && self.stops_at.is_none() && self.quits.is_none();
        if may { EVENTS_MAX.saturating_sub(self.slots.len()) } else { 0 }
    }

    /// Takes events that were read at a time, and the position up to which nothing else matches.
    /// One that is a dead letter already is done.
    pub(super) fn offer(&mut self, events: Vec<Arc<Envelope>>, up_to: Position, read: Instant) {
        for event in events {
            let is_dead = self.letters.get(event.position).is_some();
            let state = if is_dead { State::Done } else { State::Due(read) };
            self.bytes += event.payload.len();
            let (position, root) = (event.position, self.root(&event));
            self.slots.insert(position, Slot::new(event, read, 0, state).claimed_by(root));
        }
        self.offered = self.offered.max(up_to);
    }

    /// Returns the next attempt to make now, which is under way then.
    pub(super) fn next(&mut self, now: Instant) -> Option<Attempt> {
        let waits = self.unreached.is_some_and(|unreached| unreached.waits(now).is_some());
        if self.under_way >= self.concurrency || self.quits.is_some() || waits {
            return None;
        }
        let busy = self.roots_under_way();
        let attempt = self.next_again(now, &busy).or_else(|| self.next_in_order(now, &busy))?;
        self.under_way += 1;
        Some(attempt)
    }

    fn next_again(&mut self, now: Instant, busy: &HashSet<RootId>) -> Option<Attempt> {
        if self.stops_at.is_some() {
            return None;
        }
        let (slots, letters) = (&self.slots, &self.letters);
        let is_free = |slot: &Slot| {
            let is_event = |letter: &DeadLetter| letter.scope == Scope::Event;
            letters.get(slot.event.position).is_some_and(is_event)
                || slots.range(..slot.event.position).all(|(_, earlier)| {
                    matches!(earlier.state, State::Done) || !precedes(&earlier.event, &slot.event)
                })
        };
        let mut again = self.again.values_mut();
        let is_next = |slot: &Slot| slot.is_due(now) && is_unclaimed(slot, busy) && is_free(slot);
        again.find(|slot| is_next(slot)).map(Slot::begin)
    }

    fn next_in_order(&mut self, now: Instant, busy: &HashSet<RootId>) -> Option<Attempt> {
        let (mut keys, mut topics, mut begun) = (HashSet::new(), HashSet::new(), HashSet::new());
        let in_order = self.failure.order == Order::Key;
        let erased = Erased::of(&self.slots);
        // One that was discarded elsewhere may still be under way.
        let again = self.again.values().filter(|slot| matches!(slot.state, State::UnderWay));
        for Slot { event, .. } in again.filter(|_| in_order) {
            keys.insert((&event.topic, &event.key));
            begun.insert(&event.topic);
            topics.extend(is_whole(event).then_some(&event.topic));
        }
        for (position, slot) in &mut self.slots {
            // Nothing is delivered after the event at which the group stops.
            if self.stops_at.is_some_and(|at| at <= *position) {
                return None;
            }
            if matches!(slot.state, State::Done) {
                continue;
            }
            let (topic, key) = (&slot.event.topic, (&slot.event.topic, &slot.event.key));
            let waits = in_order
                && (keys.contains(&key)
                    || topics.contains(topic)
                    || (is_whole(&slot.event) && begun.contains(topic)));
            let may_begin = slot.is_due(now) && is_unclaimed(slot, busy) && !waits;
            let joins = || self.letters.joined_by(&slot.event, erased.before(&slot.event));
            if may_begin && joins().is_none() {
                return Some(slot.begin());
            }
            keys.insert(key);
            begun.insert(topic);
            if is_whole(&slot.event) {
                topics.insert(topic);
            }
        }
        None
    }

    /// Takes the outcome of an attempt.
    pub(super) fn settle(&mut self, position: Position, outcome: Outcome, now: Instant) {
        let (slot, is_again) = match self.again.get_mut(&position) {
            Some(slot) => (Some(slot), true),
            None => (self.slots.get_mut(&position), false),
        };
        let Some(slot) = slot else { return };
        self.under_way -= 1;
        match &outcome {
            Outcome::Unreached { why } => {
                let unreached = Unreached::again(self.unreached, now);
                self.unreached = Some(unreached);
                if let Some(why) = unreached.stops(why, now) {
                    self.quits.get_or_insert(why);
                }
            }
            Outcome::Abandoned => {}
            _ => self.unreached = None,
        }
        let Some((why, quits)) = slot.take(outcome, &self.failure, now) else { return };
        if quits {
            self.quits.get_or_insert_with(|| why.clone());
        }
        let failure = LastFailure { why: why.clone(), attempts: slot.attempts() };
        slot.state = State::Failed(if is_again {
            Failed::Again(failure)
        } else if quits || self.failure.policy == Policy::Stop {
            self.stops_at = Some(self.stops_at.map_or(position, |at| at.min(position)));
            Failed::Stopped(why)
        } else {
            let in_order = self.failure.order == Order::Key;
            let scope = if in_order { own_scope(&slot.event) } else { Scope::Event };
            let joins = Joins { scope, is_redriven: false };
            Failed::Dead(letter(&slot.event, joins, Some(failure)))
        });
    }

    /// Returns the events that are dead letters, whose rows must be written before they count as
    /// done. Those that join an earlier one are among them.
    pub(super) fn dead(&mut self) -> Vec<DeadLetter> {
        let (mut found, erased) = (Vec::new(), Erased::of(&self.slots));
        for slot in self.slots.values_mut() {
            if let State::Due(_) = slot.state
                && let Some(joins) = self.letters.joined_by(&slot.event, erased.before(&slot.event))
            {
                let letter = letter(&slot.event, joins, None);
                slot.state = State::Failed(Failed::Dead(letter));
            }
            if let State::Failed(Failed::Dead(letter)) = &slot.state {
                self.letters.add(letter.clone());
                found.push(letter.clone());
            }
        }
        found
    }

    /// Notes that the rows of dead letters were written.
    pub(super) fn buried(&mut self, letters: &[DeadLetter]) {
        for letter in letters {
            if let Some(slot) = self.slots.get_mut(&letter.position) {
                slot.state = State::Done;
            }
        }
        self.drop_waiting();
    }

    /// Takes the rows of the store: others may have redriven or discarded some.
    pub(super) fn take_letters(&mut self, letters: Letters) {
        self.letters = letters;
        self.drop_waiting();
    }

    /// Returns whether any dead letter up to a position was discarded.
    pub(super) fn has_discarded(&self, up_to: Position) -> bool {
        self.letters.has_discarded(up_to)
    }

    /// Forgets those, whose rows are gone.
    pub(super) fn forget_discarded(&mut self, up_to: Position) {
        self.letters.forget_discarded(up_to);
    }

    /// Notes that the event of a dead letter is gone: no later one waits for it any more.
    pub(super) fn lost(&mut self, position: Position) {
        if let Some(letter) = self.letters.get(position).cloned() {
            self.letters.remove(position);
            self.letters.add(DeadLetter { scope: Scope::Event, is_redriven: false, ..letter });
        }
    }

    /// Leaves out the events of dead letters that are not to be delivered again any more, or not
    /// yet: an earlier event may have become one, too.
    fn drop_waiting(&mut self) {
        let may = |letter: &DeadLetter| letter.is_redriven && !self.letters.waits(letter);
        let is_due = |slot: &Slot| matches!(slot.state, State::Due(_));
        self.again.retain(|at, slot| !is_due(slot) || self.letters.get(*at).is_some_and(may));
    }

    /// Returns the number of dead letters.
    pub(super) fn letters(&self) -> usize {
        self.letters.len()
    }

    /// Returns the dead letters whose events are to be read, to be delivered again: as many as may
    /// be under way at once, beside some that wait for another attempt, of those up to which the
    /// log was read, so that what they wait for is known.
    pub(super) fn wanted(&self) -> Vec<DeadLetter> {
        let waiting = self.again.values().filter(|slot| slot.waits_again()).count();
        let busy = self.again.len() - waiting.min(AGAIN_MAX);
        let room = self.concurrency.saturating_sub(busy);
        let new = self.letters.redriven().into_iter();
        let new = new.filter(|letter| letter.position <= self.offered);
        let new = new.filter(|letter| !self.again.contains_key(&letter.position));
        new.take(room).cloned().collect()
    }

    /// Takes the event of a dead letter that is to be delivered again.
    pub(super) fn redeliver(&mut self, event: Arc<Envelope>, read: Instant) {
        let failure = self.letters.get(event.position).and_then(|letter| letter.failure.as_ref());
        let before = failure.map_or(0, |failure| failure.attempts);
        let (position, root) = (event.position, self.root(&event));
        let slot = Slot::new(event, read, before, State::Due(read)).claimed_by(root);
        self.again.insert(position, slot);
    }

    /// Returns the dead letters that were delivered again, each with its failure if it has failed
    /// once more.
    pub(super) fn redelivered(&self) -> Vec<(Position, Option<LastFailure>)> {
        let decided = self.again.iter().filter_map(|(position, slot)| match &slot.state {
            State::Done => Some((*position, None)),
            State::Failed(Failed::Again(failure)) => Some((*position, Some(failure.clone()))),
            _ => None,
        });
        decided.collect()
    }

    /// Notes that the row of a dead letter tells how it was delivered again.
    pub(super) fn resettled(&mut self, position: Position, is_done: bool) {
        self.again.remove(&position);
        if is_done {
            self.letters.remove(position);
        }
    }

    /// Returns the position up to which everything is done, and forgets what lies before it.
    pub(super) fn commit(&mut self) -> Position {
        while let Some(first) = self.slots.first_entry() {
            if !matches!(first.get().state, State::Done) {
                return first.key().before();
            }
            self.bytes -= first.remove().event.payload.len();
        }
        self.offered
    }

    /// Returns the reason why the group stops, once nothing is under way and, unless the handler
    /// can't go on at all, everything before that event is done.
    pub(super) fn stopped(&mut self) -> Option<Stopped> {
        if self.under_way > 0 {
            return None;
        }
        self.commit();
        let first = self.slots.first_key_value();
        if let Some((position, slot)) = first
            && let State::Failed(Failed::Stopped(why)) = &slot.state
        {
            let failed = FailedEvent { position: *position, attempts: slot.attempts() };
            return Some(Stopped { why: why.clone(), failed: Some(failed) });
        }
        self.quits.clone().map(|why| Stopped { why, failed: None })
    }

    /// Returns when the next event is due that waits for its next attempt.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let slots = self.slots.values().chain(self.again.values());
        let due = slots.filter_map(|slot| match slot.state {
            // One that is due already waits for something else.
            State::Due(at) if at > now => Some(at),
            _ => None,
        });
        due.chain(self.unreached.and_then(|unreached| unreached.waits(now))).min()
    }
}

/// Returns whether no other event of its root is under way.
fn is_unclaimed(slot: &Slot, busy: &HashSet<RootId>) -> bool {
    slot.root.as_ref().is_none_or(|root| !busy.contains(root))
}

/// Returns whether the later one of two events is delivered only once the earlier one is done.
fn precedes(earlier: &Envelope, later: &Envelope) -> bool {
    earlier.topic == later.topic
        && (earlier.key == later.key || is_whole(earlier) || is_whole(later))
}

fn letter(event: &Envelope, joins: Joins, failure: Option<LastFailure>) -> DeadLetter {
    DeadLetter {
        position: event.position,
        topic: event.topic.clone(),
        key: event.key.clone(),
        scope: joins.scope,
        failure,
        // The store's clock gives the time.
        since: Time::ZERO,
        is_redriven: joins.is_redriven,
    }
}

#[cfg(test)]
mod tests;
