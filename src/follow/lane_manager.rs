//! The lane manager: starts workers for the lanes that are assigned to this replica, and stops
//! those of lanes that are assigned to another.
//!
//! It reads the store's list of replicas and leases, and starts a `lane_holder` for each lane. A
//! replica sends heartbeats while it reaches any of its sinks; the replicas share the lanes by the
//! `lane_assignment` that each of them computes alone. They are safe even while they disagree: a
//! lane has one lease, and in each sink one publisher that isn't fenced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::FollowDeps;
use super::lane_assignment::{Assignment, assign};
use super::lane_holder::LaneHolder;
use super::lease::LEASE;
use super::sink_keeper::Reachability;
use super::wakeups::Wakeup;
use super::worker::{Backoff, Failure, Progress, Schedule, Task, Worker};
use crate::domain::lane::Lane;
use crate::health::{Component, Occurrence};
use crate::sink::Sink;
use crate::store;
use crate::tasks::{Ended, Tasks};

/// The interval at which the leases are read: a lane that is released is acquired so soon.
const LOOK_EVERY: Duration = Duration::from_millis(300);
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// The time for which a replica without a heartbeat counts as running: as long as its leases hold.
const HEARTBEAT_HOLDS: Duration = LEASE;

/// The reason why no lane is assigned.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The lanes were resized while this replica stood still.
    #[error("the store has {0} lanes now: stop, and start with LANES={0}")]
    Resized(usize),
}

/// A lane that this replica works on.
struct Running {
    stop: CancellationToken,
    tasks: Tasks,
}

/// The manager of this replica's lanes.
pub(super) struct LaneManager {
    deps: FollowDeps,
    sinks: Vec<Arc<dyn Sink>>,
    /// Whether each sink answers.
    reachable: Vec<watch::Receiver<Reachability>>,
    running: BTreeMap<Lane, Running>,
    last_heartbeat: Option<Instant>,
}

impl LaneManager {
    /// Makes the manager, which has lanes while any of the sinks is `reachable`.
    pub(super) fn new(
        deps: FollowDeps,
        sinks: Vec<Arc<dyn Sink>>,
        reachable: Vec<watch::Receiver<Reachability>>,
    ) -> Self {
        Self { deps, sinks, reachable, running: BTreeMap::new(), last_heartbeat: None }
    }

    /// Sends a heartbeat, reads which replicas run, and acquires and releases lanes as assigned.
    async fn look(&mut self) -> Result<(), Error> {
        if self.reachable.iter().all(|sink| *sink.borrow() == Reachability::Down) {
            // Other replicas may reach them. A lane that this replica holds is given up by itself
            // when it fails.
            self.deregister().await;
            return Ok(());
        }
        let mut members = self.deps.store.members().await?;
        if members.lanes.len() != usize::from(self.deps.wakeups.count()) {
            // The other replicas leave lanes to a replica that has a heartbeat.
            self.give_up(&self.running.keys().copied().collect());
            self.deregister().await;
            return Err(Error::Resized(members.lanes.len()));
        }
        if self.last_heartbeat.is_none_or(|at| at.elapsed() >= HEARTBEAT_EVERY) {
            self.send_heartbeat().await?;
            members = self.deps.store.members().await?;
        }
        let Assignment { acquire, release } = assign(&members, &self.deps.replica);
        self.give_up(&release);
        // A lane that the last run of this replica held still belongs to it.
        let mine =
            members.lanes.into_iter().filter(|s| s.holder.as_ref() == Some(&self.deps.replica));
        let kept: BTreeSet<_> =
            mine.map(|lease| lease.lane).filter(|l| !release.contains(l)).collect();
        acquire.union(&kept).for_each(|lane| self.start(*lane));
        Ok(())
    }

    /// Writes that this replica runs. A second replica of the same name would take this one's lanes
    /// for its own, and each would fence the other for ever. It shows by a heartbeat of another run
    /// after this run's first.
    async fn send_heartbeat(&mut self) -> Result<(), store::Error> {
        let FollowDeps { store, replica, instance, health, .. } = &self.deps;
        let last = store.heartbeat(replica, instance, HEARTBEAT_HOLDS).await?;
        match last.filter(|last| last != instance && self.last_heartbeat.is_some()) {
            None => health.healthy(&Component::Replica),
            Some(other) => {
                let why = format!(
                    "another replica runs under the name `{replica}` (run {other}, this is \
                     {instance}), so the two fence each other; set REPLICA to a different name on \
                     each"
                );
                if health.degraded(Component::Replica, &why) == Occurrence::First {
                    tracing::error!(replica, other, instance, "{why}");
                }
            }
        }
        self.last_heartbeat = Some(Instant::now());
        Ok(())
    }

    async fn deregister(&mut self) {
        if self.last_heartbeat.take().is_some()
            && let Err(error) = self.deps.store.deregister(&self.deps.replica).await
        {
            tracing::debug!(%error, "failed to deregister the replica; the others will notice that \
                                     its heartbeat ended");
        }
    }

    fn start(&mut self, lane: Lane) {
        if self.running.contains_key(&lane) {
            return;
        }
        let (stop, mut tasks) = (CancellationToken::new(), Tasks::default());
        let (health, metrics) = (self.deps.health.clone(), self.deps.metrics.clone());
        let holder = LaneHolder::new(self.deps.clone(), &self.sinks, lane);
        Worker::new(health, metrics, stop.clone()).spawn(&mut tasks, holder);
        self.running.insert(lane, Running { stop, tasks });
    }

    fn give_up(&self, lanes: &BTreeSet<Lane>) {
        let running = lanes.iter().filter_map(|lane| self.running.get(lane));
        running.for_each(|running| running.stop.cancel());
    }

    /// Removes the lanes that were given back.
    fn reap(&mut self) {
        self.running.retain(|_, running| match running.tasks.try_ended() {
            Some(ended) => {
                ended.pass_on_panic();
                false
            }
            None => true,
        });
    }
}

#[async_trait]
impl Task for LaneManager {
    fn name(&self) -> String {
        "lanes".to_owned()
    }

    fn kind(&self) -> &'static str {
        "lanes"
    }

    fn component(&self) -> Option<Component> {
        Some(Component::Lanes)
    }

    fn schedule(&self) -> Schedule {
        let backoff = Backoff::constant(LOOK_EVERY);
        Schedule { wakeup: Wakeup::never(), period: LOOK_EVERY, backoff }
    }

    async fn tick(&mut self) -> Result<Progress, Failure> {
        self.reap();
        self.look().await.map_err(Failure::passing)?;
        Ok(Progress::Idle)
    }

    /// Waits until every worker has finished its page and given its lane back.
    async fn stop(&mut self) {
        self.give_up(&self.running.keys().copied().collect());
        let mut panicked = None;
        for Running { tasks, .. } in std::mem::take(&mut self.running).into_values() {
            panicked = panicked.or(tasks.finish().await);
        }
        self.deregister().await;
        panicked.iter().for_each(Ended::pass_on_panic);
    }
}
