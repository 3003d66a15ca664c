//! A handler that attempts do not reach: nothing is delivered for a while, which grows, and after
//! an hour the group stops. No I/O.
//!
//! That is the handler's failure and no event's: it uses up no attempt, whatever event it was.

use std::time::Duration;

use tokio::time::Instant;

/// The time until the handler is tried again for the first time; each further one is twice as long.
const WAIT: Duration = Duration::from_secs(1);
/// The longest time until it is tried again.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// The time after which the group stops.
const STOPS_AFTER: Duration = Duration::from_hours(1);

/// A handler that was not reached when it was last tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unreached {
    since: Instant,
    wait: Duration,
    until: Instant,
}

impl Unreached {
    /// Notes that an attempt has not reached the handler; those that had begun before the wait are
    /// one with it.
    pub(super) fn again(before: Option<Self>, now: Instant) -> Self {
        match before {
            None => Self { since: now, wait: WAIT, until: now + WAIT },
            Some(before) if now < before.until => before,
            Some(before) => {
                let wait = (before.wait * 2).min(WAIT_MAX);
                Self { wait, until: now + wait, ..before }
            }
        }
    }

    /// Returns until when nothing is delivered, if that is still to come.
    pub(super) fn waits(&self, now: Instant) -> Option<Instant> {
        (now < self.until).then_some(self.until)
    }

    /// Returns the reason why the group stops, if the handler was not reached for long enough.
    pub(super) fn stops(&self, why: &str, now: Instant) -> Option<String> {
        let minutes = now.duration_since(self.since).as_secs() / 60;
        let is_over = now.duration_since(self.since) >= STOPS_AFTER;
        is_over.then(|| format!("the handler was not reached for {minutes} minutes: {why}"))
    }
}
