//! One call of a handler: it waits until the tenant may have one more call under way, and counts
//! as an attempt once the handler was given the event.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Deliver;
use super::outcome::Outcome;
use super::slot::Attempt;
use super::worker::Held;
use crate::domain::position::Position;

/// The way in which a worker calls its handler.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) held: Held,
    pub(super) target: Arc<dyn Deliver>,
    /// The time that the handler may take for one event.
    pub(super) limit: Duration,
    /// The time until which nobody else may have the group.
    pub(super) lasts_until: watch::Receiver<Instant>,
}

impl Caller {
    /// Makes an attempt; it is abandoned if the worker is stopped, or has lost the group, before
    /// the handler was called.
    pub(super) async fn call(
        self,
        attempt: Attempt,
        stop: CancellationToken,
    ) -> (Position, Outcome) {
        let position = attempt.event.position;
        let calls = &self.held.bounds.calls;
        let _share = tokio::select! {
            biased;
            () = stop.cancelled() => return (position, Outcome::Abandoned),
            share = calls.take(&self.held.tenant, 1) => share,
        };
        if Instant::now() >= *self.lasts_until.borrow() {
            return (position, Outcome::Abandoned);
        }
        let call = self.held.subscribe.deps.metrics.handler_called(attempt.number > 1);
        let outcome = timeout(self.limit, self.target.deliver(&attempt)).await;
        let outcome = outcome.unwrap_or_else(|_| Outcome::Retry {
            why: format!("the handler did not answer within {} s", self.limit.as_secs()),
            after: None,
        });
        match outcome {
            Outcome::Ok => call.delivered(),
            Outcome::Abandoned => {}
            _ => call.failed(),
        }
        (position, outcome)
    }
}
