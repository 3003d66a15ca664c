//! The lane holder: holds a lane's lease, and runs every sink of the lane under it.
//!
//! The lane manager starts it; it provides each sink's `lane::LaneTask` with the lease. The lease
//! is renewed however long a page or a takeover lasts, and is given back once no sink works, so
//! that another replica may try. A slow sink holds up no other one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::FollowDeps;
use super::lane::LaneTask;
use super::lease::{Demand, LEASE, RENEW_AFTER, keep_renewing};
use super::worker::{Backoff, Failure, Progress, Schedule, Task, Worker};
use crate::domain::lane::Lane;
use crate::health::Component;
use crate::sink::Sink;
use crate::store::{self, Lease, LeaseCheck};
use crate::tasks::{Ended, Tasks};

/// A lease that this replica holds.
struct HeldLease {
    lease: Lease,
    renewed: Instant,
}

/// The task that holds one lane.
pub(super) struct LaneHolder {
    deps: FollowDeps,
    lane: Lane,
    demand: Demand,
    held: Option<HeldLease>,
    leases: Option<watch::Sender<Option<Lease>>>,
    sinks: Tasks,
    stop_sinks: CancellationToken,
}

impl LaneHolder {
    /// Starts the tasks of these sinks, which then wait for the lease.
    pub(super) fn new(deps: FollowDeps, sinks: &[Arc<dyn Sink>], lane: Lane) -> Self {
        let (leases, lease) = watch::channel(None);
        let (demand, stop_sinks) = (Demand::new(sinks.len()), CancellationToken::new());
        let worker = Worker::new(deps.health.clone(), deps.metrics.clone(), stop_sinks.clone());
        let mut tasks = Tasks::default();
        for (index, sink) in sinks.iter().enumerate() {
            let (demand, lease) = (demand.clone(), lease.clone());
            let says = move |want| demand.set(index, want);
            let task = LaneTask::new(deps.clone(), sink.clone(), lane, lease, says);
            worker.spawn(&mut tasks, task);
        }
        Self { deps, lane, demand, held: None, leases: Some(leases), sinks: tasks, stop_sinks }
    }

    /// Acquires the lease; `None` if another replica has it.
    async fn acquire(&mut self) -> Result<Option<HeldLease>, store::Error> {
        let asked = Instant::now();
        let FollowDeps { store, replica, metrics, .. } = &self.deps;
        let Some(lease) = store.acquire(self.lane, replica, LEASE).await? else { return Ok(None) };
        metrics.lane_taken();
        self.tell(Some(lease));
        Ok(Some(HeldLease { lease, renewed: asked }))
    }

    /// Renews the lease. `None` if it is lost, or may be lost: the store did not answer for as long
    /// as the lease holds.
    async fn renew(&self, held: HeldLease) -> Option<HeldLease> {
        let asked = Instant::now();
        match self.deps.store.renew(&held.lease, LEASE).await {
            Ok(LeaseCheck::Held) => Some(HeldLease { renewed: asked, ..held }),
            Ok(LeaseCheck::Lost) => None,
            Err(_) if held.renewed.elapsed() > LEASE => None,
            Err(error) => {
                tracing::debug!(lane = %self.lane, %error, "failed to renew the lease");
                Some(held)
            }
        }
    }

    /// Gives the lease back. The sinks drop the pages that are under way.
    async fn let_go(&self, lease: &Lease) {
        self.tell(None);
        self.deps.metrics.lane_left();
        if let Err(error) = self.deps.store.release(lease).await {
            tracing::debug!(lane = %self.lane, %error, "failed to release the lease; it will \
                                                        expire");
        }
    }

    fn tell(&self, lease: Option<Lease>) {
        self.leases.iter().for_each(|leases| {
            leases.send_replace(lease);
        });
    }
}

#[async_trait]
impl Task for LaneHolder {
    fn name(&self) -> String {
        self.lane.to_string()
    }

    fn kind(&self) -> &'static str {
        "lease"
    }

    fn component(&self) -> Option<Component> {
        Some(Component::Lease(self.lane))
    }

    fn schedule(&self) -> Schedule {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let wakeup = self.demand.wakeup();
        Schedule { wakeup, period: RENEW_AFTER, backoff }
    }

    /// Acquires, renews or releases the lease, as the sinks want. The task is done once another
    /// replica has the lane.
    async fn tick(&mut self) -> Result<Progress, Failure> {
        self.sinks.try_ended().iter().for_each(Ended::pass_on_panic);
        match self.held.take() {
            None if !self.demand.is_there() => return Ok(Progress::Idle),
            None => match self.acquire().await.map_err(Failure::passing)? {
                Some(held) => self.held = Some(held),
                None => return Ok(Progress::Done),
            },
            Some(held) if !self.demand.is_there() => {
                self.let_go(&held.lease).await;
                return Ok(Progress::Idle);
            }
            Some(held) if held.renewed.elapsed() >= RENEW_AFTER => {
                let lease = held.lease;
                self.held = self.renew(held).await;
                if self.held.is_none() {
                    self.deps.metrics.lease_lost();
                    self.let_go(&lease).await;
                    return Ok(Progress::Idle);
                }
            }
            held => self.held = held,
        }
        Ok(Progress::Until(Instant::now() + RENEW_AFTER))
    }

    /// Waits until every sink has finished its page, then gives the lease back.
    async fn stop(&mut self) {
        self.stop_sinks.cancel();
        // Sinks that wait for a lease stop waiting.
        self.leases = None;
        let finish = std::mem::take(&mut self.sinks).finish();
        let Some(HeldLease { lease, .. }) = self.held.take() else {
            return finish.await.iter().for_each(Ended::pass_on_panic);
        };
        let leases = [lease];
        tokio::select! {
            panicked = finish => panicked.iter().for_each(Ended::pass_on_panic),
            _ = keep_renewing(&*self.deps.store, &leases) => {}
        }
        self.let_go(&lease).await;
    }
}
