//! Proof: the part of a parking ledger that the sink has, so that a store that went back in time
//! shows.
//!
//! Fed by the ledger with what the store was given to write, and by the pages that are committed;
//! feeds the pages that are offered. Always true: the sink has how a scope ended before it has the
//! ledger of that end.

use std::collections::HashSet;

use super::cursors;
use crate::domain::event::EventId;
use crate::domain::ledger::Ledger;
use crate::domain::parked::Parked;
use crate::sink::KnownCursors;

/// The parking of one log, as far as the sink has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Proof {
    /// The ledger that pages carry: the store's, once the sink has how each scope ended.
    ledger: Ledger,
    /// The number of the newest ledger that the sink has.
    proved: u64,
    /// Scopes of which the sink has how they ended.
    ends_proved: HashSet<EventId>,
    /// Scopes of which the store has how they ended, and the sink has not.
    ends_unproved: Vec<EventId>,
}

impl Proof {
    /// Tells apart the ends of `all` that the sink has, by its newest ledger and its cursors.
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

    /// The proof of a log that has nothing open.
    pub(super) fn closed(ledger: Ledger, proved: u64) -> Self {
        Self { ledger, proved, ..Self::default() }
    }

    /// The ledger that pages carry.
    pub(super) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// Whether the sink lacks the ledger that pages carry.
    pub(super) fn is_missing(&self) -> bool {
        self.ledger.number > self.proved
    }

    /// A page was committed with that ledger.
    pub(super) fn proved(&mut self, ledger: &Ledger) {
        self.proved = self.proved.max(ledger.number);
    }

    /// A scope whose end the sink lacks.
    pub(super) fn unproved_end(&self) -> Option<EventId> {
        self.ends_unproved.first().copied()
    }

    /// The sink's cursors say how these ended.
    pub(super) fn ends_are_known(&mut self, ended: impl Iterator<Item = EventId>) {
        self.ends_proved.extend(ended);
    }

    /// The store was given to write that the scope has ended.
    pub(super) fn end_written(&mut self, id: EventId) {
        if !self.ends_proved.contains(&id) {
            self.ends_unproved.push(id);
        }
    }

    /// The sink has how the scope ended.
    pub(super) fn end_proved(&mut self, id: EventId, written: Ledger) {
        self.ends_unproved.retain(|unproved| *unproved != id);
        self.ends_proved.insert(id);
        self.follow(written);
    }

    /// Pages carry the ledger that the store was given to write, unless the sink lacks an end.
    pub(super) fn follow(&mut self, written: Ledger) {
        if self.ends_unproved.is_empty() {
            self.ledger = written;
        }
    }
}
