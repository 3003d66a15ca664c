//! The parking ledger of one log: the scopes that are parked there, as the relay passes over the
//! log.
//!
//! It is made of the store's rows, then passes over event after event in order, and decides without
//! I/O whether each is sent or parked. An event counts for the one scope that holds it, and is
//! exactly one of sent, parked, superseded and discarded.

use super::changes::{Changes, Part, transition};
use super::cursors;
use super::proof::Proof;
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::ledger::Ledger;
use crate::domain::parked::{Ended, Parked, State};
use crate::domain::position::Position;
use crate::domain::topic::Topic;
use crate::domain::transition::Transition;
use crate::sink::{KnownCursors, ParkingProof};

/// The most parked keys of a topic; with more, the whole topic is parked.
const KEYS_MAX: usize = 100;
/// The number of positions after which the counts are written, so that a takeover counts on from
/// there.
const COUNTED_EVERY: u64 = 10_000;

/// The decision about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The event is published.
    Send,
    /// The event is parked.
    Park,
}

/// All scopes that one log has parked, also those that have ended.
#[derive(Debug, Clone, Default)]
pub(in crate::follow) struct ParkingLedger {
    all: Vec<Parked>,
    /// Since the store was last given transitions to write.
    changes: Changes,
    /// The ledger up to the last transition that was handed to the store.
    ledger: Ledger,
    proof: Proof,
}

impl ParkingLedger {
    /// Makes the ledger of the store's rows; `proved` is the newest ledger that the sink has, and
    /// `known` are its cursors.
    pub(super) fn new(all: Vec<Parked>, proved: &Ledger, known: &KnownCursors) -> Self {
        let ledger = Ledger::of(&all);
        let mut proof = Proof::new(&all, proved, known);
        proof.follow(ledger);
        Self { all, ledger, proof, changes: Changes::default() }
    }

    /// Makes the ledger of a log without open scopes: the number alone, without the rows of scopes
    /// that have ended.
    pub(super) fn closed(number: u64, proved: u64) -> Self {
        let ledger = Ledger::closed(number);
        Self { ledger, proof: Proof::closed(ledger, proved), ..Self::default() }
    }

    /// Returns the ledger up to the last transition that was handed to the store.
    pub(super) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// Returns the proof that pages carry for this log.
    pub(super) fn proof(&self) -> ParkingProof {
        ParkingProof { ledger: self.proof.ledger(), ended: None }
    }

    /// Returns whether the sink lacks the ledger that pages carry.
    pub(super) fn is_unproved(&self) -> bool {
        self.proof.is_missing()
    }

    /// Notes that a page was committed with this ledger.
    pub(super) fn proved(&mut self, ledger: &Ledger) {
        self.proof.proved(ledger);
    }

    /// Returns a scope whose end the sink lacks.
    pub(super) fn unproved_end(&self) -> Option<&Parked> {
        self.proof.unproved_end().and_then(|id| self.get(id))
    }

    /// Notes that the sink knows how a scope ended.
    pub(super) fn end_proved(&mut self, id: EventId) {
        self.proof.end_proved(id, self.ledger);
    }

    /// Raises each open scope to the cursor that its release has in the sink, and returns the
    /// scopes that changed.
    pub(super) fn raise(&mut self, known: &KnownCursors) -> Vec<EventId> {
        let raised = cursors::raise(&mut self.all, known);
        let is_raised = |parked: &&Parked| raised.contains(&parked.event_id);
        for parked in self.all.iter().filter(is_raised) {
            let part = if parked.is_open() { Part::ReleasedTo } else { Part::State };
            self.changes.insert((parked.event_id, part));
        }
        let ended = self.all.iter().filter(|parked| !parked.is_open()).filter(is_raised);
        self.proof.ends_are_known(ended.map(|parked| parked.event_id));
        raised
    }

    /// Returns the scopes that have not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = &Parked> {
        self.all.iter().filter(|parked| parked.is_open())
    }

    /// Returns the scope that this event names.
    pub(super) fn get(&self, id: EventId) -> Option<&Parked> {
        self.all.iter().find(|parked| parked.event_id == id)
    }

    /// Returns the scope that is being released.
    pub(super) fn releasing(&self) -> Option<&Parked> {
        self.open().find(|parked| parked.state == State::Releasing)
    }

    /// Returns whether an event that the relay has passed is not published.
    pub(super) fn holds(&self, event: &Envelope) -> bool {
        let Envelope { log_id, topic, key, position, .. } = event;
        self.all.iter().any(|parked| parked.holds(*log_id, topic, key, *position))
    }

    /// Returns whether an event is parked, or would be if it came next.
    pub(super) fn keeps(&self, event: &Envelope) -> bool {
        let topic = self.holder(event, |parked| parked.key.is_none()).is_some();
        match event.event_type {
            EventType::DeleteAll => topic || self.holds(event),
            // It ends the scope of its key.
            EventType::Erased => topic,
            _ => topic || self.holder(event, |parked| parked.key.is_some()).is_some(),
        }
    }

    /// Passes over the next event that the relay has read, and decides about it.
    pub(super) fn pass(&mut self, event: &Envelope) -> Verdict {
        let topic = self.holder(event, |parked| parked.key.is_none());
        if event.event_type == EventType::DeleteAll && topic.is_none() {
            // A DELETE_ALL that was discarded with its topic was never published, so it supersedes
            // nothing.
            if self.holds(event) {
                return Verdict::Park;
            }
            self.end_before(event);
            return Verdict::Send;
        }
        if event.event_type == EventType::Erased && topic.is_none() {
            self.end_before(event);
        }
        let key = self.holder(event, |parked| parked.key.is_some());
        let Some(index) = key.or(topic) else { return Verdict::Send };
        // It may have counted for a key that is over by now.
        let was_counted = key.is_none() && self.is_apart(event);
        let parked = &mut self.all[index];
        if event.position > parked.counted_to && !was_counted {
            (parked.counted_to, parked.events) = (event.position, parked.events + 1);
            self.changes.insert((parked.event_id, Part::Count));
        }
        Verdict::Park
    }

    /// Notes that everything up to a position was passed over.
    pub(super) fn passed(&mut self, position: Position) {
        for parked in self.all.iter_mut().filter(|parked| parked.is_open()) {
            let written = parked.counted_to.number() / COUNTED_EVERY;
            parked.counted_to = parked.counted_to.max(position);
            if parked.counted_to.number() / COUNTED_EVERY > written {
                self.changes.insert((parked.event_id, Part::Count));
            }
        }
    }

    /// Returns whether an event of a topic under release belongs to a key that is parked by itself,
    /// or that was released, superseded or discarded up to that event.
    pub(super) fn is_apart(&self, event: &Envelope) -> bool {
        self.all.iter().any(|parked| {
            let its =
                parked.key.is_some() && parked.concerns(&event.topic, &event.key, event.position);
            its && match parked.state {
                State::Parked | State::Releasing => true,
                State::Resolved(at) | State::Discarded(at) => event.position <= at,
                State::Superseded(at) => event.position < at,
            }
        })
    }

    /// Returns whether an event, once it is released with its topic, ends scopes of keys that are
    /// parked by themselves.
    pub(super) fn ends_scopes(&self, event: &Envelope) -> bool {
        let is_before = |parked: &Parked| parked.position < event.position;
        self.open().any(|parked| is_before(parked) && ended_by(event, parked).is_some())
    }

    /// Returns whether so many keys of a topic are parked that the whole topic is parked next.
    pub(super) fn is_crowded(&self, topic: &Topic) -> bool {
        self.open().filter(|parked| parked.topic == *topic && parked.key.is_some()).count()
            >= KEYS_MAX
    }

    /// Begins to release a scope.
    pub(super) fn start_release(&mut self, id: EventId) {
        self.change(id, Part::State, |parked| parked.state = State::Releasing);
    }

    /// Stops the release of a scope, since its topic is parked as a whole.
    pub(super) fn stop_release(&mut self, id: EventId) {
        self.change(id, Part::State, |parked| parked.state = State::Parked);
    }

    /// Raises the position up to which a scope is released, and subtracts the events that were sent
    /// from its count.
    pub(super) fn raise_released(&mut self, id: EventId, to: Position, sent: u64) {
        self.change(id, Part::ReleasedTo, |parked| {
            parked.released_to = to;
            parked.events = parked.events.saturating_sub(sent);
        });
    }

    /// Ends a release that has reached the relay's cursor.
    pub(super) fn resolve(&mut self, id: EventId, at: Position) {
        let resolved = Ended { state: State::Resolved(at), events: 0 };
        self.change(id, Part::State, |parked| parked.end(&resolved));
    }

    /// Gives up the events of a scope, up to `at`.
    pub(super) fn discard(&mut self, id: EventId, at: Position) {
        self.change(id, Part::State, |parked| parked.state = State::Discarded(at));
    }

    /// Changes a scope, and marks it to be written.
    fn change(&mut self, id: EventId, part: Part, change: impl FnOnce(&mut Parked)) {
        if let Some(parked) = self.all.iter_mut().find(|parked| parked.event_id == id) {
            change(parked);
            self.changes.insert((id, part));
        }
    }

    /// Takes the transitions since the last call, to be written before any page is offered. They
    /// have one number, the next one if a scope began, ended or changed its state.
    pub(super) fn take_transitions(&mut self) -> Vec<Transition> {
        let changes = std::mem::take(&mut self.changes);
        if changes.iter().any(|(_, part)| *part == Part::State) {
            let now = Ledger::of(&self.all);
            let is_transition = now.digest != self.ledger.digest;
            self.ledger = now.numbered(self.ledger.number + u64::from(is_transition));
        }
        let number = self.ledger.number;
        let mut transitions = Vec::new();
        for (id, part) in changes {
            let Some(parked) = self.all.iter_mut().find(|parked| parked.event_id == id) else {
                continue;
            };
            if part == Part::State {
                parked.ledger = number;
            }
            if part == Part::State && !parked.is_open() {
                self.proof.end_written(id);
            }
            transitions.push(transition(parked, part, number));
        }
        self.proof.follow(self.ledger);
        transitions
    }

    /// Counts the parked events of a scope under release again: `events` are those of the scope,
    /// from its first one on. A DELETE_ALL that was released already has superseded keys, whose
    /// later events go with the topic.
    pub(super) fn recount(&mut self, id: EventId, events: &[Envelope]) {
        let Some(releasing) = self.get(id).cloned() else { return };
        for event in events.iter().filter(|event| event.position <= releasing.released_to) {
            if releasing.key.is_none() && self.ends_scopes(event) {
                self.end_before(event);
                let later = events.iter().filter(|later| later.position >= event.position);
                self.uncount(event, later);
            }
        }
        let is_parked = |event: &&Envelope| {
            event.is_sent()
                && releasing.holds(event.log_id, &event.topic, &event.key, event.position)
                && (releasing.key.is_some() || !self.is_apart(event))
        };
        let count = events.iter().filter(is_parked).count() as u64;
        self.change(id, Part::Count, |parked| parked.events = count);
    }

    /// Subtracts the events that follow the end of scopes from their counts.
    fn uncount<'e>(&mut self, end: &Envelope, later: impl Iterator<Item = &'e Envelope> + Clone) {
        let is_ended = |p: &&mut Parked| ended_by(end, p) == Some(p.state);
        for parked in self.all.iter_mut().filter(is_ended) {
            let its = |e: &&Envelope| {
                Some(&e.key) == parked.key.as_ref() && e.position <= parked.counted_to
            };
            parked.events = parked.events.saturating_sub(later.clone().filter(its).count() as u64);
        }
    }

    fn holder(&self, event: &Envelope, scope: impl Fn(&Parked) -> bool) -> Option<usize> {
        self.all.iter().position(|parked| {
            parked.is_open()
                && scope(parked)
                && parked.concerns(&event.topic, &event.key, event.position)
        })
    }

    /// Ends the open scopes that an event makes void.
    fn end_before(&mut self, event: &Envelope) {
        let before =
            |parked: &&mut Parked| parked.position.max(parked.released_to) < event.position;
        for parked in self.all.iter_mut().filter(|parked| parked.is_open()).filter(before) {
            let Some(state) = ended_by(event, parked) else { continue };
            parked.state = state;
            self.changes.insert((parked.event_id, Part::State));
        }
    }
}

/// Returns the end that an event gives to the scope of a key before it.
fn ended_by(event: &Envelope, parked: &Parked) -> Option<State> {
    let is_ended = parked.key.is_some() && parked.is_voided_by(event);
    is_ended.then(|| match event.event_type {
        EventType::DeleteAll => State::Superseded(event.position),
        _ => State::Discarded(event.position.back(1)),
    })
}

#[cfg(test)]
mod tests;
