//! The outcome of one attempt at an event, as its handler tells it, or as it follows from how the
//! handler failed.

use std::time::Duration;

/// The longest time for which a handler may ask to be left alone.
pub(super) const AFTER_MAX: Duration = Duration::from_hours(1);

/// The outcome of an attempt. Whatever is none of the others is `Retry`: a crash, a time-out, an
/// answer that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The event is done.
    Ok,
    /// The event is to be tried again.
    Retry {
        /// The reason in words.
        why: String,
        /// The least time to wait before.
        after: Option<Duration>,
    },
    /// The event will never succeed.
    Reject {
        /// The reason in words.
        why: String,
    },
    /// The attempt has not reached the handler, which is away: it counts as none, and the handler
    /// is left alone for a while.
    Unreached {
        /// The reason in words.
        why: String,
    },
    /// The attempt was given up for a reason that is not the event's: it counts as none.
    Abandoned,
    /// The handler can't go on, whatever the policy.
    Stop {
        /// The reason in words.
        why: String,
    },
}
