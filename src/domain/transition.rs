//! Transitions of parked scopes: each change that a lane makes of one, by its own name.
//!
//! The lane that holds the scope's log makes them. The store writes them in the order in which they
//! were made, all or none; a transition of the ledger is written together with its number.

use super::event::EventId;
use super::key::Key;
use super::position::{LogId, Position};
use super::tenant::TenantId;
use super::topic::Topic;

/// A change of one parked scope, as the lane makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The log's id.
    pub log_id: LogId,
    /// The event that names the scope: the first that was refused.
    pub event_id: EventId,
    /// The number of the log's parking ledger once this transition is written. [`Change::Count`]
    /// and [`Change::RaiseReleasedTo`] carry the present number, and do not write it.
    pub number: u64,
    /// The change itself.
    pub change: Change,
}

/// The change that a transition makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Parks a new scope; `key` is `None` for a whole topic. None of its events is counted yet.
    Park {
        /// The position of the event that was refused.
        position: Position,
        /// The topic that it goes to.
        topic: Topic,
        /// The key that is parked; `None` parks the whole topic.
        key: Option<Key>,
        /// The sink's reason.
        cause: String,
    },
    /// Parks a scope again whose release was refused, and clears the request.
    ParkAgain {
        /// The sink's reason.
        cause: String,
        /// The position up to which it was released.
        released_to: Position,
    },
    /// Parks a scope again whose release has to wait because its topic is parked as a whole, and
    /// clears the request.
    StopRelease,
    /// Counts the events of a scope, in any state. It is no transition of the ledger.
    Count {
        /// The position up to which they are counted.
        counted_to: Position,
        /// The number of events.
        events: u64,
    },
    /// Begins to release a scope, and clears the request.
    StartRelease,
    /// Raises the position up to which a scope is released. It is no transition of the ledger.
    RaiseReleasedTo {
        /// The position up to which it is released.
        released_to: Position,
        /// The number of its events that are left.
        events: u64,
    },
    /// Ends a scope whose release is complete: it is published up to `at`.
    Resolve {
        /// The position at which it ended.
        at: Position,
        /// The number of events that it has then.
        events: u64,
    },
    /// Ends a scope that the DELETE_ALL at `at` made void.
    Supersede {
        /// The position at which it ended.
        at: Position,
        /// The number of events that it had then.
        events: u64,
    },
    /// Ends a scope that an operator gave up.
    Discard {
        /// The position at which it ended.
        at: Position,
        /// The number of events that it had then.
        events: u64,
    },
}
