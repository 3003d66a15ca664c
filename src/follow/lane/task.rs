//! The task of one sink on one lane: step after step, under the lease that the lane's holder has.
//!
//! The lane holder provides the lease, and wake-ups tell of new events. If the lease is lost while
//! a page is under way, the sink decides about the page: it knows who has the lane.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::end::End;
use super::sink_lane::SinkLane;
use super::{LaneWork, Step};
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::follow::lane_state::LaneState;
use crate::follow::lease::{Leases, Want};
use crate::follow::parking::release::Release;
use crate::follow::relay::Relay;
use crate::follow::replay::Replays;
use crate::follow::source::PageSource;
use crate::follow::worker::{Backoff, Failure, Progress, Remedy, Schedule, Task};
use crate::follow::{FollowDeps, LOOK_AGAIN};
use crate::health::Component;
use crate::sink::{self, RetryCause, Sink};
use crate::store::Lease;

/// The task of one sink on one lane.
pub(in crate::follow) struct LaneTask<S> {
    work: LaneWork,
    leases: Leases,
    /// The lease under which the session of `work` runs.
    lease: Option<Lease>,
    /// The channel that tells the holder whether this sink wants the lease.
    says: S,
}

impl<S: Fn(Want) + Send + 'static> LaneTask<S> {
    pub(in crate::follow) fn new(
        deps: FollowDeps,
        sink: Arc<dyn Sink>,
        lane: Lane,
        leases: Leases,
        says: S,
    ) -> Self {
        let (follower, make_sources) = (sink.follower().clone(), Box::new(sources));
        let work = LaneWork::new(SinkLane { deps, sink, follower, lane, make_sources });
        Self { work, leases, lease: None, says }
    }

    /// Waits for the lease; `None` once there will be none any more. Drops the work that was done
    /// under another lease.
    async fn lease(&mut self) -> Option<Lease> {
        let lease = *self.leases.wait_for(Option::is_some).await.ok()?;
        if self.lease != lease {
            self.work.session = None;
            self.lease = lease;
        }
        lease
    }
}

/// Makes the sources of a lane, by priority. Events are replayed to the broker alone.
pub(super) fn sources(deps: &FollowDeps, state: &LaneState) -> Vec<Box<dyn PageSource>> {
    let relay = Relay::new(deps.clone(), state);
    let mut sources: Vec<Box<dyn PageSource>> =
        vec![Box::new(relay), Box::new(Release::new(deps.clone()))];
    if state.logs.follower == Follower::relay() {
        sources.push(Box::new(Replays::new(deps.clone())));
    }
    sources
}

/// Returns once the lease is lost. At a stop, when the holder is gone, it counts as kept.
async fn lost(mut leases: Leases, lease: Lease) -> End {
    if leases.wait_for(|now| *now != Some(lease)).await.is_err() {
        std::future::pending::<()>().await;
    }
    End::LeaseLost
}

impl From<End> for Failure {
    fn from(end: End) -> Self {
        let remedy = match &end {
            End::Sink(sink::Error::Retry(RetryCause::TooFewBrokers(_))) => Remedy::RetryCluster,
            end if end.is_for_an_operator() => Remedy::Operator,
            _ => Remedy::Retry,
        };
        Self { cause: end.to_string(), remedy }
    }
}

#[async_trait]
impl<S: Fn(Want) + Send + Sync + 'static> Task for LaneTask<S> {
    fn name(&self) -> String {
        self.work.lane.component().to_string()
    }

    fn kind(&self) -> &'static str {
        "lane"
    }

    fn component(&self) -> Option<Component> {
        Some(self.work.lane.component())
    }

    fn schedule(&self) -> Schedule {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let SinkLane { deps, lane, .. } = &self.work.lane;
        Schedule { wakeup: deps.wakeups.lane(*lane), period: LOOK_AGAIN, backoff }
    }

    /// Takes the lane over, or publishes one page.
    async fn tick(&mut self) -> Result<Progress, Failure> {
        (self.says)(Want::Work);
        let Some(lease) = self.lease().await else { return Ok(Progress::Done) };
        let stepped = tokio::select! {
            stepped = self.work.step(&lease) => stepped,
            lost = lost(self.leases.clone(), lease) => Err(lost),
        };
        match stepped {
            Ok(Step::More) => Ok(Progress::More),
            Ok(Step::TakeOver) => Ok(Progress::Again),
            Ok(Step::Idle) => Ok(Progress::Idle),
            Err(end) => {
                self.work.session = None;
                if matches!(end, End::Sink(sink::Error::Fenced(_))) {
                    let SinkLane { deps, sink, follower, .. } = &self.work.lane;
                    deps.metrics.fenced(follower);
                    self.work.rivals.fenced(deps, &**sink, &lease).await;
                }
                (self.says)(Want::Pause);
                Err(end.into())
            }
        }
    }

    /// Checkpoints the last page, and leaves the lane to another replica.
    async fn stop(&mut self) {
        if let Some(lease) = self.lease
            && let Err(end) = self.work.finish(&lease).await
        {
            let lane = self.work.lane.lane;
            tracing::debug!(%lane, "failed to checkpoint the last page: {end}; the next takeover \
                                    reads it from the sink");
        }
        self.work.leave();
        let SinkLane { deps, lane, follower, .. } = &self.work.lane;
        deps.health.left(*lane, follower);
    }
}
