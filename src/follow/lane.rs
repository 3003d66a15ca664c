//! A lane of one sink: the one place that holds a publisher, from takeover to error.
//!
//! Page sources offer it pages; it publishes them to the sink, then checkpoints in the store what
//! the sink has. Every takeover has the same steps: fence, read the lane's cursors, verify, load
//! what is parked, go on. A crash, a page of unknown outcome and a takeover are one path: the
//! publisher is dropped, and the lane is taken over again. The lease only decides which replica
//! works; the sink's own fence makes a second worker harmless.

mod end;
mod refused;
mod sink_lane;
mod takeover;
mod task;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::end::End;
use self::sink_lane::{SinkLane, cursors};
pub(super) use self::task::LaneTask;
use super::held::{self, Held};
use super::lane_state::LaneState;
use super::parking::bisect::Bisection;
use super::purge;
use super::replay;
use super::rivals::Rivals;
use super::source::{self, Limits, Next, Sources};
use crate::domain::cursor::Cursor;
use crate::domain::tenant::TenantId;
use crate::sink::{Page, Publisher};
use crate::store::{ChangeToken, Lease};

/// The way in which a lane goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// At once, since a page was published.
    More,
    /// At once, with a takeover or after one.
    TakeOver,
    /// Once there are events.
    Idle,
}

/// The work on one lane for one sink.
struct LaneWork {
    lane: SinkLane,
    /// The session since the last takeover; `None` before the first, and after every error.
    session: Option<Session>,
    bisection: Bisection,
    held: Held,
    rivals: Rivals,
}

/// The publisher and the sources of a lane, from takeover to error.
struct Session {
    publisher: Box<dyn Publisher>,
    state: LaneState,
    sources: Sources,
    /// The cursors of the last page, until the store has them.
    committed: Vec<(TenantId, Cursor)>,
    /// How many times the lane was asked to be taken over again, before this takeover.
    asked: u64,
}

impl LaneWork {
    fn new(lane: SinkLane) -> Self {
        let held = Held::new(lane.follower.clone());
        let (bisection, rivals) = (Bisection::default(), Rivals::default());
        Self { lane, session: None, bisection, held, rivals }
    }

    /// Takes the lane over, or publishes one page.
    async fn step(&mut self, lease: &Lease) -> Result<Step, End> {
        let Some(mut session) = self.session.take() else { return self.begin(lease).await };
        let lane = &self.lane;
        if lane.deps.wakeups.take_overs(lane.lane) != session.asked {
            return Ok(Step::TakeOver);
        }
        held::ask_again(&lane.deps, &*lane.sink, &mut self.held).await;
        self.rivals.look(&lane.deps, &lane.follower, lane.lane);
        let Session { state, sources, committed, .. } = &mut session;
        state.parking.take_requests(&*lane.deps.store, &state.logs).await?;
        lane.persist_parking(lease, state).await?;
        let limits = Limits { bisection: &self.bisection, held: &self.held };
        let offered = match sources.offer(state, &limits).await {
            Err(source::Error::LogRotated(_)) => return Ok(Step::TakeOver),
            Err(source::Error::Parks(transitions)) => {
                lane.write_transitions(lease, &transitions).await?;
                return Ok(Step::TakeOver);
            }
            offered => offered?,
        };
        // A tenant whose log went back gets no checkpoint, since the log may lack the event.
        committed.retain(|(tenant, _)| !state.logs.is_stopped(tenant));
        match offered {
            Some((source, page)) => self.publish(lease, session, source, page).await,
            None => self.rest(lease, session).await,
        }
    }

    /// Takes the lane over once one of its logs has an event; a lane without events needs no
    /// publisher.
    async fn begin(&mut self, lease: &Lease) -> Result<Step, End> {
        let lane = &self.lane;
        let asked = lane.deps.wakeups.take_overs(lane.lane);
        let purges = purge::to_pass(&*lane.deps.store, lane.lane, &lane.follower).await?;
        if !purges.is_empty() {
            self.held.clear(&lane.deps.health);
            lane.pass(lease, &purges).await?;
            return Ok(Step::TakeOver);
        }
        if lane.deps.store.changed_since(lane.lane, ChangeToken::START).await?.heads.is_empty() {
            lane.deps.health.healthy(&lane.component());
            return Ok(Step::Idle);
        }
        let (publisher, state) = lane.take_over(lease).await?;
        let forgotten = replay::forgotten(&*lane.deps.store, &state.logs).await?;
        if !forgotten.is_empty() {
            lane.forget(publisher, &forgotten).await?;
            return Ok(Step::TakeOver);
        }
        let sources = Sources::new((lane.make_sources)(&lane.deps, &state));
        let committed = Vec::new();
        self.session = Some(Session { publisher, state, sources, committed, asked });
        Ok(Step::TakeOver)
    }

    /// Publishes a page. Meanwhile the cursors of the page before are checkpointed, and the page's
    /// source reads ahead. An error drops the session.
    async fn publish(
        &mut self,
        lease: &Lease,
        session: Session,
        source: usize,
        page: Arc<Page>,
    ) -> Result<Step, End> {
        let (lane, Session { publisher, mut state, mut sources, committed, asked }) =
            (&self.lane, session);
        let is_own = page.follower == lane.follower;
        if is_own {
            lane.checkpoint(lease, &state.logs.begin(&page)).await?;
        }
        let limits = Limits { bisection: &self.bisection, held: &self.held };
        let meanwhile = async {
            lane.checkpoint(lease, &committed).await?;
            sources.at(source).read_ahead(&mut state, &limits).await;
            Ok::<_, End>(())
        };
        let (published, meanwhile) = tokio::join!(lane.publish(publisher, &page), meanwhile);
        let source = sources.at(source);
        let publisher = match published {
            Ok(publisher) => publisher,
            Err(refusal) => return self.refused(lease, &state, source, &page, refusal).await,
        };
        self.bisection.passed(&page);
        self.held.published(&page, &lane.deps.health);
        state.committed(&page);
        let next = source.committed(&mut state, &page);
        meanwhile?;
        // Parked events are counted before the store's cursor has passed them, and the end of a
        // release is written before anything after it is sent.
        lane.persist_parking(lease, &mut state).await?;
        if next == Next::TakeOver {
            return Ok(Step::TakeOver);
        }
        let committed = if is_own { cursors(&page) } else { Vec::new() };
        self.session = Some(Session { publisher, state, sources, committed, asked });
        Ok(Step::More)
    }

    /// Checkpoints the last page, when there is nothing to publish, and drops a publisher that
    /// holds too much.
    async fn rest(&mut self, lease: &Lease, mut session: Session) -> Result<Step, End> {
        let lane = &self.lane;
        lane.checkpoint(lease, &std::mem::take(&mut session.committed)).await?;
        if session.publisher.should_recycle() {
            tracing::info!(lane = %lane.lane, "drops the publisher: most of its topics are idle");
            return Ok(Step::TakeOver);
        }
        self.session = Some(session);
        Ok(Step::Idle)
    }

    /// Checkpoints the last page, when the work ends.
    async fn finish(&mut self, lease: &Lease) -> Result<(), End> {
        match self.session.take() {
            Some(session) => self.lane.checkpoint(lease, &session.committed).await,
            None => Ok(()),
        }
    }

    /// Leaves the lane to another replica, and clears what was reported about it.
    fn leave(&mut self) {
        self.lane.deps.health.healthy(&self.lane.component());
        self.held.clear(&self.lane.deps.health);
    }
}
