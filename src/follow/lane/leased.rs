//! A lane under its lease: taken, renewed however long a page or a takeover lasts, and given back.
//!
//! Fed by the lane manager; feeds `SinkLane`. A page that is under way when the lease is lost is
//! left to the sink, which knows whose lane it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::end::End;
use super::sink_lane::SinkLane;
use super::{LaneWork, Step};
use crate::domain::lane::Lane;
use crate::follow::lane_state::LaneState;
use crate::follow::lease::{LEASE, RENEW_AFTER};
use crate::follow::parking::release::Release;
use crate::follow::relay::Relay;
use crate::follow::source::PageSource;
use crate::follow::wakeups::Wakeup;
use crate::follow::worker::Backoff;
use crate::follow::{FollowDeps, LOOK_AGAIN};
use crate::health::{self, Occurrence};
use crate::sink::{self, Sink};
use crate::store::{Lease, LeaseCheck, Store};

/// How long a lane stands that only an operator can set right.
const STAND: Duration = Duration::from_secs(30);

/// Works on one lane until `stop`, or until another replica holds it.
pub(in crate::follow) async fn run(
    deps: FollowDeps,
    sink: Arc<dyn Sink>,
    lane: Lane,
    stop: CancellationToken,
) {
    let (store, replica) = (deps.store.clone(), deps.replica.clone());
    let mut wakeup = deps.wakeups.lane(lane);
    let (follower, make_sources) = (sink.follower().clone(), Box::new(sources));
    let mut work = LaneWork::new(SinkLane { deps, sink, follower, lane, make_sources });
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    while !stop.is_cancelled() {
        let end = match store.acquire(lane, &replica, LEASE).await {
            Ok(Some(lease)) => {
                run_leased(&mut work, &lease, (&mut backoff, &mut wakeup), &stop).await
            }
            Ok(None) => break,
            Err(error) => Err(error.into()),
        };
        if let Err(end) = end {
            report(&work, &end);
            if end.is_for_an_operator() {
                let _ = tokio::time::timeout(STAND, stop.cancelled()).await;
            }
        }
        backoff.sleep(&stop).await;
    }
    work.leave();
}

/// The sources of a lane, by priority.
fn sources(deps: &FollowDeps, state: &LaneState) -> Vec<Box<dyn PageSource>> {
    vec![Box::new(Relay::new(deps.clone(), state)), Box::new(Release::new(deps.clone()))]
}

/// Holds the lane under one lease, and gives it back in the end.
async fn run_leased(
    work: &mut LaneWork,
    lease: &Lease,
    (backoff, wakeup): (&mut Backoff, &mut Wakeup),
    stop: &CancellationToken,
) -> Result<(), End> {
    let store = work.lane.deps.store.clone();
    work.lane.deps.metrics.lane_taken();
    let end = tokio::select! {
        end = follow(work, lease, (backoff, wakeup), stop) => end,
        lost = keep_renewing(&*store, lease) => Err(lost),
    };
    work.lane.deps.metrics.lane_left();
    work.session = None;
    if matches!(end, Err(End::Sink(sink::Error::Fenced(_)))) {
        work.rivals.fenced(&work.lane.deps, work.lane.lane, lease).await;
    }
    if let Err(error) = store.release(lease).await {
        tracing::debug!(lane = %lease.lane, %error, "failed to release the lease; it will run out");
    }
    end
}

/// Step after step, until `stop` or an error.
async fn follow(
    work: &mut LaneWork,
    lease: &Lease,
    (backoff, wakeup): (&mut Backoff, &mut Wakeup),
    stop: &CancellationToken,
) -> Result<(), End> {
    while !stop.is_cancelled() {
        match work.step(lease).await? {
            Step::TakeOver => {}
            Step::More => backoff.reset(),
            Step::Idle => {
                backoff.reset();
                wait_for_work(wakeup, stop).await;
            }
        }
    }
    work.finish(lease).await
}

/// Renews the lease; returns when it is lost.
async fn keep_renewing(store: &dyn Store, lease: &Lease) -> End {
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(RENEW_AFTER).await;
        let asked = Instant::now();
        match store.renew(lease, LEASE).await {
            Ok(LeaseCheck::Held) => renewed = asked,
            Ok(LeaseCheck::Lost) => return End::LeaseLost,
            Err(error) if renewed.elapsed() > LEASE => return error.into(),
            Err(error) => {
                tracing::debug!(lane = %lease.lane, %error, "failed to renew the lease");
            }
        }
    }
}

async fn wait_for_work(wakeup: &mut Wakeup, stop: &CancellationToken) {
    tokio::select! {
        () = wakeup.woken() => {}
        () = stop.cancelled() => {}
        () = tokio::time::sleep(LOOK_AGAIN) => {}
    }
}

fn report(work: &LaneWork, end: &End) {
    let (lane, all) =
        (work.lane.lane, matches!(end, End::Sink(error) if error.concerns_all_lanes()));
    match (work.lane.deps.health.degraded(work.lane.component(), end), end.is_for_an_operator()) {
        (Occurrence::Repeated, _) => tracing::debug!("{lane}: {end}, trying again"),
        // It is told once for all lanes.
        (Occurrence::First, false) if all => health::report_cluster(end),
        (Occurrence::First, false) => tracing::warn!("{lane}: {end}, trying again"),
        (Occurrence::First, true) => {
            tracing::error!("{lane} stands, and is tried again every 30 s: {end}");
        }
    }
}
