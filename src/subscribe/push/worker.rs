//! A worker: brings the events of one group in one log to its handler, as long as it has the group.
//!
//! Everything that is decided is decided by the window; the worker does it: it reads, calls the
//! handler, writes dead letters before it commits, and halts the group where the policy says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Deliver;
use super::feed::Feed;
use super::outcome::Outcome;
use super::window::{Attempt, Stopped, Window};
use crate::domain::position::Position;
use crate::domain::subscription::{FailedEvent, Group, Handler};
use crate::domain::tenant::TenantId;
use crate::subscribe::{Error, Subscribe};

/// The longest time for which what is done is not committed.
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// The time that events under way have when the worker stops.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// The time of a worker that has nothing to wait for.
const FAR: Duration = Duration::from_hours(1);

/// The worker of a group in a tenant's log.
pub(super) struct Worker {
    pub(super) subscribe: Arc<Subscribe>,
    pub(super) tenant: TenantId,
    pub(super) group: Group,
    pub(super) generation: u64,
    pub(super) handler: Handler,
    pub(super) target: Arc<dyn Deliver>,
    pub(super) window: Window,
    pub(super) feed: Feed,
    pub(super) committed: Position,
}

/// The reason why a worker has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was stopped.
    Stopped,
    /// The group is halted.
    Halted,
    /// Somebody else has the group, or it is gone.
    Lost(Error),
}

impl Worker {
    /// Brings events to the handler until it is stopped, or the group is halted or lost.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Ended {
        match self.work(&stop).await {
            Ok(ended) => ended,
            Err(error) => Ended::Lost(error),
        }
    }

    async fn work(&mut self, stop: &CancellationToken) -> Result<Ended, Error> {
        let mut calls: JoinSet<(Position, Outcome)> = JoinSet::new();
        let mut commit_at = Instant::now() + COMMIT_EVERY;
        loop {
            self.bury().await?;
            while let Some(attempt) = self.window.next(Instant::now()) {
                calls.spawn(self.call(attempt));
            }
            self.feed.has_room(self.window.room());
            if let Some(stopped) = self.window.stopped() {
                self.commit().await?;
                self.halt(&stopped).await?;
                return Ok(Ended::Halted);
            }
            if self.window.commit() > self.committed && Instant::now() >= commit_at {
                self.commit().await?;
                commit_at = Instant::now() + COMMIT_EVERY;
            }
            let due = self.window.due().unwrap_or_else(|| Instant::now() + FAR);
            tokio::select! {
                part = self.feed.next() => match part {
                    Some(part) => {
                        let part = part?;
                        self.window.offer(part.events, part.position, Instant::now());
                    }
                    None => return Ok(Ended::Stopped),
                },
                Some(done) = calls.join_next() => self.settle(done),
                () = sleep_until(due.min(commit_at.max(Instant::now()))) => {}
                () = stop.cancelled() => break,
            }
        }
        // What is under way is finished, or abandoned: then it is delivered again.
        let finish = async {
            while let Some(done) = calls.join_next().await {
                self.settle(done);
            }
        };
        _ = timeout(FINISH_WITHIN, finish).await;
        self.bury().await?;
        self.commit().await?;
        Ok(Ended::Stopped)
    }

    /// Returns the call of the handler for an attempt.
    fn call(&self, attempt: Attempt) -> impl Future<Output = (Position, Outcome)> + use<> {
        let (target, position) = (self.target.clone(), attempt.event.position);
        let limit = Duration::from_secs(self.handler.timeout_seconds);
        async move {
            let outcome = timeout(limit, target.deliver(&attempt)).await;
            let late = || Outcome::Retry {
                why: format!("the handler did not answer within {} s", limit.as_secs()),
                after: None,
            };
            (position, outcome.unwrap_or_else(|_| late()))
        }
    }

    fn settle(&mut self, done: Result<(Position, Outcome), tokio::task::JoinError>) {
        match done {
            Ok((position, outcome)) => self.window.settle(position, outcome, Instant::now()),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Nobody aborts a call.
            Err(_) => {}
        }
    }

    /// Writes the rows of dead letters, which count as done then.
    async fn bury(&mut self) -> Result<(), Error> {
        let letters = self.window.dead();
        if letters.is_empty() {
            return Ok(());
        }
        for letter in letters.iter().filter(|letter| letter.failure.is_some()) {
            let (tenant, group, position) = (&self.tenant, &self.group, letter.position);
            let why = letter.failure.as_ref().map_or("", |failure| &failure.why);
            tracing::warn!(%tenant, %group, %position, why, "an event is a dead letter");
        }
        let groups = self.subscribe.groups();
        groups.bury(&self.tenant, &self.group, self.generation, &letters).await?;
        self.window.buried(&letters);
        Ok(())
    }

    /// Commits everything up to the first event that is not done.
    async fn commit(&mut self) -> Result<(), Error> {
        let position = self.window.commit();
        if position > self.committed {
            let groups = self.subscribe.groups();
            groups.commit(&self.tenant, &self.group, self.generation, position).await?;
            self.committed = position;
        }
        Ok(())
    }

    async fn halt(&self, stopped: &Stopped) -> Result<(), Error> {
        let Stopped { why, failed: FailedEvent { position, attempts } } = stopped;
        let (tenant, group) = (&self.tenant, &self.group);
        tracing::error!(
            %tenant, %group, %position, attempts, why,
            "a group has stopped at an event; `event-gateway subscriptions resume` tries it again, \
             and `subscriptions skip` leaves it out"
        );
        let stop = (why.as_str(), Some(stopped.failed));
        self.subscribe.groups().stop(tenant, group, self.generation, stop).await
    }
}
