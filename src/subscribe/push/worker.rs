//! A worker: brings the events of one group in one log to its handler, as long as it has the group.
//!
//! Everything that is decided is decided by the window; the worker does it: it reads, calls the
//! handler, writes dead letters before it commits, and halts the group where the policy says so.

mod dead_letters;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Deliver;
use super::bounds::LETTER_BYTES;
use super::call::{Called, Caller};
use super::feed::{Fed, Feed, Kept};
use super::held::Held;
use super::outcome::Outcome;
use super::window::{Stopped, Window};
use crate::domain::claim::{Deduplicate, RootId};
use crate::domain::position::Position;
use crate::domain::subscription::shorten;
use crate::metrics::CountedUnreached;
use crate::shares::QueuedShare;
use crate::subscribe::Error;

/// The longest time for which what is done is not committed.
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// The time that events under way have when the worker stops.
const FINISH_WITHIN: Duration = Duration::from_secs(3);
/// The time between two looks for dead letters that were redriven or discarded.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The time of a worker that has nothing to wait for.
const FAR: Duration = Duration::from_hours(1);

/// The worker of a group in a tenant's log.
pub(super) struct Worker {
    held: Held,
    caller: Caller,
    window: Window,
    feed: Feed,
    /// The shares of memory of what was read, each with the position up to which it was.
    kept: VecDeque<(Position, QueuedShare)>,
    /// Whether the log has lost events of the window.
    is_outdated: bool,
    committed: Position,
    commit_at: Instant,
    look_at: Instant,
    /// The version of the group's row before all dead letters were last read.
    seen: Option<u64>,
    /// The count of the handler, while it is not reached.
    unreached: Option<CountedUnreached>,
}

/// The reason why a worker has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was stopped.
    Stopped,
    /// The group is halted.
    Halted,
    /// Somebody else has the group, or it is gone, or the store failed.
    Lost(Error),
}

/// The calls of the handler that are under way.
type Calls = JoinSet<(Position, Called)>;

impl Worker {
    /// Makes the worker of a group that is committed up to a position.
    pub(super) fn new(
        held: Held,
        target: Arc<dyn Deliver>,
        limit: Duration,
        window: Window,
        feed: Feed,
        committed: Position,
    ) -> Self {
        let now = Instant::now();
        let (commit_at, look_at) = (now, now + LOOK_EVERY);
        let caller = Caller { held: held.clone(), target, limit, lasts_until: feed.lasts_until() };
        let (kept, seen, is_outdated, unreached) = (VecDeque::new(), None, false, None);
        Self {
            held,
            caller,
            window,
            feed,
            kept,
            is_outdated,
            committed,
            commit_at,
            look_at,
            seen,
            unreached,
        }
    }

    /// Brings events to the handler until it is stopped, or the group is halted or lost.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Ended {
        let (bounds, letters) = (self.held.bounds.clone(), self.window.letters() * LETTER_BYTES);
        let _letters = tokio::select! {
            share = bounds.bytes.take(&self.held.tenant, letters) => share,
            () = stop.cancelled() => return Ended::Stopped,
        };
        match self.work(&stop).await {
            Ok(ended) => ended,
            Err(error @ Error::TooManyDead) => {
                let stopped = Stopped { why: error.to_string(), failed: None };
                self.stop_at(&stopped).await.unwrap_or_else(Ended::Lost)
            }
            Err(error) => Ended::Lost(error),
        }
    }

    async fn work(&mut self, stop: &CancellationToken) -> Result<Ended, Error> {
        let mut calls = Calls::new();
        loop {
            self.claim().await?;
            self.discard_erased().await?;
            self.bury().await?;
            self.redrive().await?;
            // Whoever was frozen may have lost the group without knowing.
            while self.feed.has_group()
                && let Some(attempt) = self.window.next(Instant::now())
            {
                calls.spawn(self.caller.clone().call(attempt, stop.clone()));
            }
            self.feed.ask(self.window.room());
            if let Some(stopped) = self.window.stopped() {
                return self.stop_at(&stopped).await;
            }
            if Instant::now() >= self.commit_at {
                self.commit().await?;
            }
            let wake_at = self.wake_at();
            tokio::select! {
                fed = self.feed.next() => match fed {
                    Some(Ok(Fed::Part(kept))) => self.take(kept).await?,
                    Some(Ok(Fed::Renewed)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(Ended::Stopped),
                },
                Some(done) = calls.join_next() => self.settle(done)?,
                () = sleep_until(wake_at) => {}
                () = stop.cancelled() => break,
            }
            // The next worker finds what was removed, as any reader does.
            if self.is_outdated {
                break;
            }
        }
        // What is under way is finished, or abandoned: then it is delivered again.
        let finish = async {
            while let Some(done) = calls.join_next().await {
                self.settle(done)?;
            }
            Ok::<_, Error>(())
        };
        timeout(FINISH_WITHIN, finish).await.unwrap_or(Ok(()))?;
        self.claim().await?;
        self.bury().await?;
        self.tell_redelivered().await?;
        self.commit().await?;
        Ok(Ended::Stopped)
    }

    /// Returns when something is to be done although nothing happens.
    fn wake_at(&mut self) -> Instant {
        let now = Instant::now();
        let mut at = self.window.due(now).unwrap_or(now + FAR);
        let done = self.window.commit();
        while self.kept.front().is_some_and(|(up_to, _)| *up_to <= done) {
            self.kept.pop_front();
        }
        if done > self.committed {
            at = at.min(self.commit_at);
        }
        if self.window.letters() > 0 {
            at = at.min(self.look_at);
        }
        at
    }

    async fn take(&mut self, Kept { part, read, share }: Kept) -> Result<(), Error> {
        self.kept.extend(share.map(|share| (part.position, share)));
        self.held.subscribe.deps.metrics.handler_received(part.events.len());
        let roots = self.window.roots(&part.events);
        self.window.offer(part.events, part.position, read);
        self.suppress(&roots).await
    }

    /// Claims the events that the handler has done, which count as done then.
    async fn claim(&mut self) -> Result<(), Error> {
        let roots = self.window.acknowledged();
        if let Some(deduplicate) = &self.held.deduplicate
            && !roots.is_empty()
        {
            let (store, tenant) = (&self.held.subscribe.deps.store, &self.held.tenant);
            store.claim(tenant, &deduplicate.run, &roots, deduplicate.ttl()).await?;
            self.note_claimed(&roots);
        }
        Ok(())
    }

    /// Leaves out those of some events that were claimed before.
    async fn suppress(&mut self, roots: &BTreeSet<RootId>) -> Result<(), Error> {
        if let Some(Deduplicate { run, .. }) = &self.held.deduplicate
            && !roots.is_empty()
        {
            let store = &self.held.subscribe.deps.store;
            let claimed = store.find_claims(&self.held.tenant, run, roots).await?;
            self.note_claimed(&claimed);
        }
        Ok(())
    }

    fn note_claimed(&mut self, roots: &BTreeSet<RootId>) {
        let suppressed = self.window.claimed(roots);
        self.held.subscribe.deps.metrics.handler_suppressed(suppressed);
    }

    fn settle(&mut self, done: Result<(Position, Called), JoinError>) -> Result<(), Error> {
        match done {
            Ok((position, called)) => match called? {
                Some(outcome) => self.take_outcome(position, outcome),
                None => self.is_outdated = true,
            },
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Nobody aborts a call.
            Err(_) => {}
        }
        Ok(())
    }

    fn take_outcome(&mut self, position: Position, outcome: Outcome) {
        let why = match &outcome {
            Outcome::Unreached { why } => Some(why.clone()),
            _ => None,
        };
        self.window.settle(position, outcome, Instant::now());
        self.tell_reached(why);
    }

    /// Tells once that the handler is not reached, and once that it is again.
    fn tell_reached(&mut self, why: Option<String>) {
        let Held { subscribe, tenant, group, .. } = &self.held;
        let why = shorten(&why.unwrap_or_default());
        match (self.unreached.is_some(), self.window.is_reached()) {
            (false, false) => {
                tracing::warn!(
                    %tenant, %group, why,
                    "a handler is not reached, and is tried again for an hour"
                );
                self.unreached = Some(subscribe.deps.metrics.handler_unreached());
            }
            (true, true) => {
                tracing::info!(%tenant, %group, "a handler is reached again");
                self.unreached = None;
            }
            _ => {}
        }
    }

    /// Commits everything up to the first event that is not done.
    async fn commit(&mut self) -> Result<(), Error> {
        let position = self.window.commit();
        if position > self.committed {
            let Held { tenant, group, generation, .. } = &self.held;
            let groups = self.held.subscribe.groups();
            groups.commit_for_handler(tenant, group, *generation, position).await?;
            if self.window.has_discarded(position) {
                groups.forget_discarded(tenant, group, *generation, position).await?;
                self.window.forget_discarded(position);
            }
            self.committed = position;
            self.commit_at = Instant::now() + COMMIT_EVERY;
        }
        Ok(())
    }

    /// Stops the group, once everything that is done is committed.
    async fn stop_at(&mut self, Stopped { why, failed }: &Stopped) -> Result<Ended, Error> {
        self.commit().await?;
        let Held { tenant, group, generation, .. } = &self.held;
        let (groups, stop) = (self.held.subscribe.groups(), (why.as_str(), *failed));
        groups.stop(tenant, group, *generation, stop).await?;
        // It may be what a receiver says of the record.
        let why = shorten(why);
        match failed {
            Some(failed) => tracing::error!(
                %tenant, %group, position = %failed.position, attempts = failed.attempts, why,
                "a group has stopped at an event; `event-gateway subscriptions resume` tries it \
                 again, and `subscriptions skip` leaves it out"
            ),
            None => tracing::error!(
                %tenant, %group, why,
                "a group has stopped; `event-gateway subscriptions resume` lets it go on"
            ),
        }
        Ok(Ended::Halted)
    }
}
