//! The changes of one log's parked scopes that the store does not have yet.
//!
//! Fed by the parking ledger; feeds the lane with the transitions to write. Always true: a
//! transition is named by what it changed, and carries its scope as it is when it is taken.

use std::collections::BTreeSet;

use crate::domain::event::EventId;
use crate::domain::parked::{Parked, State};
use crate::domain::transition::{Change, Transition};

/// A part of a scope's row. The change of each is a transition by itself; those of one scope are
/// written in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// How many events are parked, and up to where they are counted.
    Count,
    /// The position up to which it is released, and how many events are left.
    ReleasedTo,
    /// The state. Its change is a transition of the ledger.
    State,
}

/// The parts of scopes that have changed, each once.
pub(super) type Changes = BTreeSet<(EventId, Part)>;

/// Returns the transition that writes a part of a scope's row, as the scope is now.
pub(super) fn transition(parked: &Parked, part: Part, number: u64) -> Transition {
    let Parked { counted_to, released_to, events, .. } = *parked;
    let change = match (part, parked.state) {
        (Part::Count, _) => Change::Count { counted_to, events },
        (Part::ReleasedTo, _) => Change::RaiseReleasedTo { released_to, events },
        (Part::State, State::Parked) => Change::StopRelease,
        (Part::State, State::Releasing) => Change::StartRelease,
        (Part::State, State::Resolved(at)) => Change::Resolve { at, events },
        (Part::State, State::Superseded(at)) => Change::Supersede { at, events },
        (Part::State, State::Discarded(at)) => Change::Discard { at, events },
    };
    let Parked { tenant, log_id, event_id, .. } = parked.clone();
    Transition { tenant, log_id, event_id, number, change }
}
