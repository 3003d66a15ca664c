//! One call of a handler: it waits until the tenant may have one more call under way, and counts
//! as an attempt once the handler was given the event, as the log has it by then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Deliver;
use super::held::Held;
use super::outcome::Outcome;
use super::slot::Attempt;
use crate::domain::envelope::Envelope;
use crate::domain::position::Position;
use crate::subscribe::Error;

/// The longest time for which an event is given as it was read: it may be erased meanwhile.
const FRESH: Duration = Duration::from_secs(1);

/// The end of a call: its outcome, or `None` if the log does not have the event any more.
pub(super) type Called = Result<Option<Outcome>, Error>;

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
    ) -> (Position, Called) {
        let position = attempt.event.position;
        (position, self.make(attempt, &stop).await)
    }

    async fn make(&self, mut attempt: Attempt, stop: &CancellationToken) -> Called {
        let Held { subscribe, tenant, bounds, .. } = &self.held;
        let _share = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Some(Outcome::Abandoned)),
            share = bounds.calls.take(tenant, 1) => share,
        };
        if attempt.read.elapsed() > FRESH {
            let read = subscribe.read_for_handler(tenant, attempt.event.position).await?;
            // After a restore another event may stand there.
            let is_same = |event: &Arc<Envelope>| event.event_id == attempt.event.event_id;
            let Some(event) = read.filter(is_same) else { return Ok(None) };
            attempt.event = event;
        }
        if Instant::now() >= *self.lasts_until.borrow() {
            return Ok(Some(Outcome::Abandoned));
        }
        let call = subscribe.deps.metrics.handler_called(attempt.number > 1);
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
        Ok(Some(outcome))
    }
}
