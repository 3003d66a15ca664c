//! One event of a window: how often it was tried, and what its handler's answer does to it. No I/O.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::outcome::Outcome;
use crate::domain::claim::RootId;
use crate::domain::envelope::Envelope;
use crate::domain::subscription::{DeadLetter, Failure, LastFailure};

/// An event, and which attempt at it this is.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    /// The event.
    pub(super) event: Arc<Envelope>,
    /// The number of the attempt, from 1 on.
    pub(super) number: u64,
    /// The time at which the event was read.
    pub(super) read: Instant,
}

/// One event of a window.
pub(super) struct Slot {
    pub(super) event: Arc<Envelope>,
    /// The id by which it is claimed once it is done; `None` if it isn't.
    pub(super) root: Option<RootId>,
    /// The time at which the event was read.
    read: Instant,
    /// The attempts that have failed in this window.
    failures: u64,
    /// The attempts that had failed before.
    failures_before: u64,
    pub(super) state: State,
}

/// The state of an event.
pub(super) enum State {
    /// To be delivered from a time on.
    Due(Instant),
    /// The handler has it.
    UnderWay,
    /// The handler has done it, and it is not claimed yet.
    Acknowledged,
    /// It has failed for good.
    Failed(Failed),
    /// It is done, or a dead letter.
    Done,
}

/// The consequence of a failure for good.
pub(super) enum Failed {
    /// It is a dead letter once its row is written.
    Dead(DeadLetter),
    /// It was a dead letter, and stays one.
    Again(LastFailure),
    /// The group stops here.
    Stopped(String),
}

impl Slot {
    /// Makes the slot of an event that was read at a time, and at which so many attempts had failed
    /// before.
    pub(super) fn new(
        event: Arc<Envelope>,
        read: Instant,
        failures_before: u64,
        state: State,
    ) -> Self {
        Self { event, root: None, read, failures: 0, failures_before, state }
    }

    /// Adds the id by which the event is claimed.
    pub(super) fn claimed_by(self, root: Option<RootId>) -> Self {
        Self { root, ..self }
    }

    /// Returns the id by which the event is claimed, if its handler has it or has done it.
    pub(super) fn root_under_way(&self) -> Option<&RootId> {
        let is_busy = matches!(self.state, State::UnderWay | State::Acknowledged);
        self.root.as_ref().filter(|_| is_busy)
    }

    /// Returns the number of attempts that have failed.
    pub(super) fn attempts(&self) -> u64 {
        self.failures_before + self.failures
    }

    /// Begins the next attempt.
    pub(super) fn begin(&mut self) -> Attempt {
        self.state = State::UnderWay;
        Attempt { event: self.event.clone(), number: self.attempts() + 1, read: self.read }
    }

    /// Takes the outcome of an attempt; returns the reason if the event has failed for good, and
    /// whether the handler can't go on at all.
    pub(super) fn take(
        &mut self,
        outcome: Outcome,
        failure: &Failure,
        now: Instant,
    ) -> Option<(String, bool)> {
        let is_none = matches!(outcome, Outcome::Abandoned | Outcome::Unreached { .. });
        self.failures += u64::from(outcome != Outcome::Ok && !is_none);
        match outcome {
            Outcome::Ok if self.root.is_some() => self.state = State::Acknowledged,
            Outcome::Ok => self.state = State::Done,
            Outcome::Abandoned | Outcome::Unreached { .. } => self.state = State::Due(now),
            Outcome::Retry { after, .. } if self.failures < failure.attempts => {
                let wait = Duration::from_millis(failure.wait_after(self.failures));
                self.state = State::Due(now + wait.max(after.unwrap_or_default()));
            }
            Outcome::Retry { why, .. } | Outcome::Reject { why } => return Some((why, false)),
            Outcome::Stop { why } => return Some((why, true)),
        }
        None
    }

    /// Returns whether it waits for another attempt, after one that has failed.
    pub(super) fn waits_again(&self) -> bool {
        self.failures > 0 && matches!(self.state, State::Due(_))
    }

    /// Returns whether it may be delivered now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Due(at) if at <= now)
    }
}
