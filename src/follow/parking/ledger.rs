//! A lot: what one tenant has parked, as the relay passes over its log.
//!
//! Fed with the store's rows and then with event after event, in order; tells of each whether it is
//! sent or stays. No I/O. Always true: an event counts for the one scope that holds it, and each is
//! sent, stays, was superseded or was discarded: one of the four.

use std::collections::HashSet;

use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::follower::Follower;
use crate::domain::ledger::Ledger;
use crate::domain::parked::{Ended, Parked, State};
use crate::domain::position::Position;
use crate::domain::topic::Topic;
use crate::sink::{KnownCursor, KnownCursors};

/// With more keys than these, the topic is parked.
const KEYS_MAX: usize = 100;
/// Positions after which it is written that all is counted: a takeover counts on from there.
const COUNTED_EVERY: u64 = 10_000;

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::follow) enum Verdict {
    /// It is published.
    Send,
    /// It stays behind.
    Stay,
}

/// All that one log has parked, what is over included.
#[derive(Debug, Clone, Default)]
pub(in crate::follow) struct ParkingLedger {
    all: Vec<Parked>,
    changed: Vec<EventId>,
    /// As the store has it.
    ledger: Ledger,
    /// The ledger that pages tell: the same, once Kafka has how each scope ended.
    proof: Ledger,
    /// The number of the newest ledger that Kafka has.
    proved: u64,
    /// Scopes of which Kafka has how they ended.
    ends_proved: HashSet<EventId>,
    /// Scopes of which the store has how they ended, and Kafka has not.
    ends_unproved: Vec<EventId>,
}

impl ParkingLedger {
    /// As the store has it; `proved` is the newest ledger that Kafka has, and `known` its cursors.
    /// How a scope ended is in Kafka before the ledger of its end is.
    pub(in crate::follow) fn new(all: Vec<Parked>, proved: &Ledger, known: &KnownCursors) -> Self {
        let is_proved = |parked: &&Parked| {
            let known = known.get(&(parked.log_id, follower(parked)));
            parked.ledger <= proved.number || known.is_some_and(|known| known.proof.ended.is_some())
        };
        let (ends_proved, ends_unproved): (Vec<_>, Vec<_>) =
            all.iter().filter(|parked| !parked.is_open()).partition(is_proved);
        let ends_proved = ends_proved.iter().map(|parked| parked.event_id).collect();
        let ends_unproved = ends_unproved.iter().map(|parked| parked.event_id).collect();
        let ledger = Ledger::of(&all);
        let mut lot =
            Self { all, ledger, proof: *proved, ends_proved, ends_unproved, ..Self::default() };
        lot.proved = proved.number;
        lot.renew_proof();
        lot
    }

    /// The lot of a log that has nothing open: the number alone, without the rows that are over.
    pub(in crate::follow) fn closed(number: u64, proved: u64) -> Self {
        let ledger = Ledger::closed(number);
        Self { ledger, proof: ledger, proved, ..Self::default() }
    }

    /// The ledger, up to the last transition that the store was given to write.
    pub(in crate::follow) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// The ledger that pages tell.
    pub(in crate::follow) fn proof(&self) -> Ledger {
        self.proof
    }

    /// Whether Kafka lacks the ledger that pages tell.
    pub(in crate::follow) fn is_unproved(&self) -> bool {
        self.proof.number > self.proved
    }

    fn renew_proof(&mut self) {
        if self.ends_unproved.is_empty() {
            self.proof = self.ledger;
        }
    }

    /// A page was committed with this ledger.
    pub(in crate::follow) fn prove(&mut self, ledger: &Ledger) {
        self.proved = self.proved.max(ledger.number);
    }

    /// A scope whose end Kafka lacks.
    pub(in crate::follow) fn unproved_end(&self) -> Option<&Parked> {
        self.ends_unproved.first().and_then(|id| self.get(*id))
    }

    /// Kafka has how that scope ended.
    pub(in crate::follow) fn prove_end(&mut self, id: EventId) {
        self.ends_unproved.retain(|unproved| *unproved != id);
        self.ends_proved.insert(id);
        self.renew_proof();
    }

    /// Raises what is open to where its release stands in Kafka, and names what that has changed.
    pub(in crate::follow) fn raise(&mut self, known: &KnownCursors) -> Vec<EventId> {
        let raised = raise(&mut self.all, known);
        let ended =
            self.all.iter().filter(|parked| !parked.is_open() && raised.contains(&parked.event_id));
        self.ends_proved.extend(ended.map(|parked| parked.event_id));
        self.changed.extend(&raised);
        raised
    }

    /// What is not over.
    pub(in crate::follow) fn open(&self) -> impl Iterator<Item = &Parked> {
        self.all.iter().filter(|parked| parked.is_open())
    }

    /// The one of that id.
    pub(in crate::follow) fn get(&self, id: EventId) -> Option<&Parked> {
        self.all.iter().find(|parked| parked.event_id == id)
    }

    /// What is being released.
    pub(in crate::follow) fn releasing(&self) -> Option<&Parked> {
        self.open().find(|parked| parked.state == State::Releasing)
    }

    /// Whether an event stays behind, or would if it came next.
    pub(in crate::follow) fn keeps(&self, event: &Envelope) -> bool {
        let topic = self.holder(event, |parked| parked.key.is_none()).is_some();
        if event.event_type != EventType::DeleteAll {
            return topic || self.holder(event, |parked| parked.key.is_some()).is_some();
        }
        let is_held = |p: &Parked| p.holds(event.log_id, &event.topic, &event.key, event.position);
        topic || self.all.iter().any(is_held)
    }

    /// Passes the next event of the live run.
    pub(in crate::follow) fn pass(&mut self, event: &Envelope) -> Verdict {
        let topic = self.holder(event, |parked| parked.key.is_none());
        if event.event_type == EventType::DeleteAll && topic.is_none() {
            // One that was given up with its topic was never published: it makes nothing void.
            let is_held =
                |p: &Parked| p.holds(event.log_id, &event.topic, &event.key, event.position);
            if self.all.iter().any(is_held) {
                return Verdict::Stay;
            }
            self.supersede(event);
            return Verdict::Send;
        }
        let Some(index) = self.holder(event, |parked| parked.key.is_some()).or(topic) else {
            return Verdict::Send;
        };
        let parked = &mut self.all[index];
        if event.position > parked.counted_to {
            (parked.counted_to, parked.events) = (event.position, parked.events + 1);
            self.changed.push(parked.event_id);
        }
        Verdict::Stay
    }

    /// Everything up to there was passed.
    pub(in crate::follow) fn passed(&mut self, position: Position) {
        for parked in self.all.iter_mut().filter(|parked| parked.is_open()) {
            let written = parked.counted_to.number() / COUNTED_EVERY;
            parked.counted_to = parked.counted_to.max(position);
            if parked.counted_to.number() / COUNTED_EVERY > written {
                self.changed.push(parked.event_id);
            }
        }
    }

    /// What an event that is released with its topic belongs to besides: a key that is parked by
    /// itself, or was dealt with so far.
    pub(in crate::follow) fn is_apart(&self, event: &Envelope) -> bool {
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

    /// Whether a DELETE_ALL that is released with its topic makes keys void that are parked by
    /// themselves.
    pub(in crate::follow) fn supersedes(&self, event: &Envelope) -> bool {
        event.event_type == EventType::DeleteAll
            && self
                .open()
                .any(|p| p.topic == event.topic && p.key.is_some() && p.position < event.position)
    }

    /// Whether so many keys of a topic are parked that the topic is to be.
    pub(in crate::follow) fn is_crowded(&self, topic: &Topic) -> bool {
        self.open().filter(|parked| parked.topic == *topic && parked.key.is_some()).count()
            >= KEYS_MAX
    }

    /// Changes one, and remembers that it is to be written.
    pub(in crate::follow) fn change(&mut self, id: EventId, change: impl FnOnce(&mut Parked)) {
        if let Some(parked) = self.all.iter_mut().find(|parked| parked.event_id == id) {
            change(parked);
            self.changed.push(id);
        }
    }

    /// What has changed since the last call, to be written before any page is offered. It is a
    /// transition if a scope began, ended or changed its state.
    pub(in crate::follow) fn take_changed(&mut self) -> Vec<Parked> {
        let changed = std::mem::take(&mut self.changed);
        if changed.is_empty() {
            return Vec::new();
        }
        let now = Ledger::of(&self.all);
        let is_transition = now.digest != self.ledger.digest;
        let number = self.ledger.number + u64::from(is_transition);
        self.ledger = now.numbered(number);
        let mut written = Vec::new();
        for parked in self.all.iter_mut().filter(|parked| changed.contains(&parked.event_id)) {
            if is_transition {
                parked.ledger = number;
            }
            if !parked.is_open() && !self.ends_proved.contains(&parked.event_id) {
                self.ends_unproved.push(parked.event_id);
            }
            written.push(parked.clone());
        }
        self.renew_proof();
        written
    }

    /// Counts anew what stays behind of what is being released: `events` are its topic's, from its
    /// first one on. A DELETE_ALL that was released already has made keys void; their later events
    /// go with the topic.
    pub(in crate::follow) fn recount(&mut self, id: EventId, events: &[Envelope]) {
        let Some(releasing) = self.get(id).cloned() else { return };
        for event in events.iter().filter(|event| event.position <= releasing.released_to) {
            if releasing.key.is_none() && self.supersedes(event) {
                self.supersede(event);
                let later = events.iter().filter(|later| later.position > event.position);
                self.uncount(&releasing.topic, event.position, later);
            }
        }
        let stays = |event: &&Envelope| {
            releasing.holds(event.log_id, &event.topic, &event.key, event.position)
                && (releasing.key.is_some() || !self.is_apart(event))
        };
        let count = events.iter().filter(stays).count() as u64;
        self.change(id, |parked| parked.events = count);
    }

    fn uncount<'e>(
        &mut self,
        topic: &Topic,
        at: Position,
        later: impl Iterator<Item = &'e Envelope> + Clone,
    ) {
        let superseded = |p: &&mut Parked| p.topic == *topic && p.state == State::Superseded(at);
        for parked in self.all.iter_mut().filter(superseded) {
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

    fn supersede(&mut self, event: &Envelope) {
        let keys = |p: &&mut Parked| p.is_open() && p.key.is_some() && p.topic == event.topic;
        let before =
            |parked: &&mut Parked| parked.position.max(parked.released_to) < event.position;
        for parked in self.all.iter_mut().filter(keys).filter(before) {
            parked.state = State::Superseded(event.position);
            self.changed.push(parked.event_id);
        }
    }
}

/// Raises what is open to where its release stands in Kafka, and names what that has changed. A row
/// is older than that after a crash, and in a backup.
pub(in crate::follow) fn raise(parked: &mut [Parked], known: &KnownCursors) -> Vec<EventId> {
    let mut raised = Vec::new();
    for parked in parked.iter_mut().filter(|parked| parked.is_open()) {
        let Some(KnownCursor { cursor, proof }) = known.get(&(parked.log_id, follower(parked)))
        else {
            continue;
        };
        if let Some(ended) = &proof.ended {
            parked.end(ended);
        } else if cursor.position > parked.released_to {
            parked.released_to = cursor.position;
        } else {
            continue;
        }
        raised.push(parked.event_id);
    }
    raised
}

/// The release has come to where the relay stands.
pub(in crate::follow) fn resolve(parked: &mut Parked, at: Position) {
    parked.end(&Ended { state: State::Resolved(at), events: 0 });
}

/// Who releases what is parked: its cursor is in Kafka, like the relay's.
pub(in crate::follow) fn follower(parked: &Parked) -> Follower {
    Follower::parse(&format!("parked-{}", parked.event_id)).expect("a UUID has no other characters")
}
