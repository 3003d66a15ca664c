//! Replays: a page source that publishes events of a log once more, on the tenant's own lane.
//!
//! Fed by the rows of the store's `Replays`, which `submit` makes of operators' requests; offers
//! pages to the lane, after the relay. A replay's cursor and counters stand in the sink, in the
//! record that is committed with its pages, so each event is sent once in its run whatever happens.
//!
//! A replay to the topics that its events were published to ends only once it has joined the relay:
//! for every key that it has sent, it goes on to the relay's cursor. So the last record of the key
//! is its newest published event. It also does so when it is cancelled or fails.
//!
//! `run` carries out one replay, `selection` decides about each event whether it is sent, `pace`
//! limits the rate.

mod count;
mod pace;
mod run;
mod scope;
mod selection;
pub mod submit;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::run::{Run, Turn};
use super::FollowDeps;
use super::lane_state::{LaneState, Log, Logs};
use super::parking::Refused;
use super::source::{Error, Limits, Next, PageSource};
use crate::domain::follower::Follower;
use crate::domain::position::LogId;
use crate::domain::replay::{Outcome, Replay, ReplayId};
use crate::domain::transition::Transition;
use crate::metrics::OpenReplays;
use crate::sink::Page;
use crate::store::{self, Store};

pub use count::{Count, TopicCount};

/// The interval at which a lane without replays looks for new ones.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The replays of one lane, which take turns.
pub(super) struct Replays {
    deps: FollowDeps,
    runs: VecDeque<Run>,
    looked: Option<Instant>,
    open: OpenReplays,
}

#[async_trait]
impl PageSource for Replays {
    async fn offer(
        &mut self,
        state: &mut LaneState,
        limits: &Limits<'_>,
    ) -> Result<Option<Page>, Error> {
        self.look(state).await?;
        for _ in 0..self.runs.len() {
            let Some(mut run) = self.runs.pop_front() else { break };
            match run.turn(&self.deps, state, limits).await? {
                Turn::Page(page) => {
                    self.runs.push_back(run);
                    return Ok(Some(page));
                }
                Turn::Wait => self.runs.push_back(run),
                Turn::Ended => self.tell_end(run.replay()),
            }
        }
        Ok(None)
    }

    /// Reads on for the replay whose page is being published. Which of the events are sent is
    /// decided once it is offered, when more is known of what is published.
    async fn read_ahead(&mut self, state: &mut LaneState, _: &Limits<'_>) {
        if let Some(run) = self.runs.back_mut() {
            run.read_ahead(&self.deps, state).await;
        }
    }

    fn committed(&mut self, _: &mut LaneState, page: &Page) -> Next {
        if let Some(run) = self.run_of(page) {
            let sent = run.committed();
            self.deps.metrics.replayed(sent.events, sent.bytes);
        }
        Next::GoOn
    }

    /// Parks nothing: the replay fails, or skips the record.
    async fn refused(
        &mut self,
        state: &LaneState,
        refused: &Refused<'_>,
    ) -> Result<Option<Transition>, Error> {
        let deps = self.deps.clone();
        if let Some(run) = self.run_of(refused.page) {
            run.refused(&deps, &state.lease, refused).await?;
        }
        Ok(None)
    }
}

impl Replays {
    /// Makes the replays of a lane that was just taken over.
    pub(super) fn new(deps: FollowDeps) -> Self {
        let open = deps.metrics.open_replays();
        Self { deps, runs: VecDeque::new(), looked: None, open }
    }

    fn run_of(&mut self, page: &Page) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.replay().id.follower() == page.follower)
    }

    /// Reads which replays are open, and what operators wish of them.
    async fn look(&mut self, state: &LaneState) -> Result<(), Error> {
        let is_recent = self.looked.is_some_and(|looked| looked.elapsed() < LOOK_AGAIN);
        if self.runs.is_empty() && is_recent {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let open = self.deps.store.open_replays(state.logs.lane).await?;
        let is_open = |run: &Run| open.iter().any(|replay| replay.id == run.replay().id);
        self.runs.retain(is_open);
        for replay in open {
            match self.runs.iter_mut().find(|run| run.replay().id == replay.id) {
                Some(run) => run.heed(replay.wish, replay.rate),
                None => self.claim(state, &replay).await?,
            }
        }
        self.open.set(self.runs.len());
        Ok(())
    }

    /// Begins with a replay, or goes on with it after a takeover.
    async fn claim(&mut self, state: &LaneState, replay: &Replay) -> Result<(), Error> {
        let (store, Replay { tenant, number, .. }) = (&self.deps.store, replay);
        let Some(claimed) = store.claim_replay(&state.lease, tenant, *number).await? else {
            return Ok(());
        };
        let run = Run::begin(&self.deps, state, claimed).await?;
        let Replay { id, tenant, progress, .. } = run.replay();
        tracing::info!(%tenant, %id, after = %progress.position, "goes on with a replay");
        self.runs.push_back(run);
        Ok(())
    }

    fn tell_end(&self, replay: &Replay) {
        let Replay { id, tenant, progress, .. } = replay;
        let Some((outcome, _)) = progress.ended else { return };
        self.deps.metrics.replay_ended(outcome);
        let (events, skipped) = (progress.sent.events, progress.sent.skipped);
        let outcome = outcome.as_str();
        match &progress.cause {
            Some(cause) => {
                tracing::error!(%tenant, %id, events, skipped, cause, "a replay has {outcome}");
            }
            None => tracing::info!(%tenant, %id, events, skipped, "a replay is {outcome}"),
        }
    }
}

/// Returns the cursors of replays that the store no longer knows: nothing goes on from them.
pub(super) async fn forgotten(
    store: &dyn Store,
    logs: &Logs,
) -> Result<Vec<(LogId, Follower)>, store::Error> {
    let mut by_log: HashMap<_, Vec<_>> = HashMap::new();
    for (log_id, follower) in logs.known.keys() {
        if let Some(id) = ReplayId::of_follower(follower) {
            by_log.entry(*log_id).or_default().push((id, follower));
        }
    }
    let mut forgotten = Vec::new();
    for (tenant, Log { log_id, .. }) in logs.running() {
        let Some(mut its) = by_log.remove(log_id) else { continue };
        let replays = store.replays(tenant).await?;
        its.retain(|(id, _)| replays.iter().all(|replay| replay.id != *id));
        forgotten.extend(its.into_iter().map(|(_, follower)| (*log_id, follower.clone())));
    }
    Ok(forgotten)
}

/// Returns how a replay ends that an operator or a refused record ends early.
fn early_end(replay: &Replay) -> Outcome {
    match replay.progress.cause {
        Some(_) => Outcome::Failed,
        None => Outcome::Cancelled,
    }
}
