//! Proof: the part of a parking ledger that the sink has, by which a store that went back in time
//! is detected.
//!
//! The ledger reports the transitions that were handed to the store, and the lane reports committed
//! pages; the pages that are offered carry the proof. The sink learns how a scope ended before it
//! gets the ledger of that end.

use std::collections::HashSet;

use super::cursors;
use crate::domain::event::EventId;
use crate::domain::ledger::Ledger;
use crate::domain::parked::Parked;
use crate::sink::KnownCursors;

/// The parking of one log, as far as the sink knows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Proof {
    /// The ledger that pages carry: the store's, once the sink knows how each scope ended.
    ledger: Ledger,
    /// The number of the newest ledger that the sink has.
    proved: u64,
    /// Scopes whose end the sink knows.
    ends_proved: HashSet<EventId>,
    /// Scopes that have ended in the store, and whose end the sink lacks.
    ends_unproved: Vec<EventId>,
}

impl Proof {
    /// Makes the proof: finds the ended scopes of `all` whose end the sink lacks, by its newest
    /// ledger and its cursors.
    pub(super) fn new(all: &[Parked], proved: &Ledger, known: &KnownCursors) -> Self {
        let is_proved = |parked: &&Parked| {
            let known = known.get(&(parked.log_id, cursors::follower(parked)));
            parked.ledger <= proved.number || known.is_some_and(|known| known.proof.ended.is_some())
        };
        let (ends_proved, ends_unproved): (Vec<_>, Vec<_>) =
            all.iter().filter(|parked| !parked.is_open()).partition(is_proved);
        Self {
            ledger: *proved,
            proved: proved.number,
            ends_proved: ends_proved.iter().map(|parked| parked.event_id).collect(),
            ends_unproved: ends_unproved.iter().map(|parked| parked.event_id).collect(),
        }
    }

    /// Makes the proof of a log without open scopes.
    pub(super) fn closed(ledger: Ledger, proved: u64) -> Self {
        Self { ledger, proved, ..Self::default() }
    }

    /// Returns the ledger that pages carry.
    pub(super) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// Returns whether the sink lacks the ledger that pages carry.
    pub(super) fn is_missing(&self) -> bool {
        self.ledger.number > self.proved
    }

    /// Notes that a page was committed with this ledger.
    pub(super) fn proved(&mut self, ledger: &Ledger) {
        self.proved = self.proved.max(ledger.number);
    }

    /// Returns a scope whose end the sink lacks.
    pub(super) fn unproved_end(&self) -> Option<EventId> {
        self.ends_unproved.first().copied()
    }

    /// Notes that the sink's cursors tell how these scopes ended.
    pub(super) fn ends_are_known(&mut self, ended: impl Iterator<Item = EventId>) {
        self.ends_proved.extend(ended);
    }

    /// Notes that a scope's end was handed to the store.
    pub(super) fn end_written(&mut self, id: EventId) {
        if !self.ends_proved.contains(&id) {
            self.ends_unproved.push(id);
        }
    }

    /// Notes that the sink knows how a scope ended.
    pub(super) fn end_proved(&mut self, id: EventId, written: Ledger) {
        self.ends_unproved.retain(|unproved| *unproved != id);
        self.ends_proved.insert(id);
        self.follow(written);
    }

    /// Sets the ledger that pages carry to the one that was handed to the store, unless the sink
    /// lacks an end.
    pub(super) fn follow(&mut self, written: Ledger) {
        if self.ends_unproved.is_empty() {
            self.ledger = written;
        }
    }
}
