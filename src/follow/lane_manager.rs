//! The lane manager: starts workers for the lanes that this replica is to have, and stops those of
//! lanes that another replica is to have.
//!
//! Fed by the store's list of replicas and leases; feeds `lane_holder`. A replica has a heartbeat
//! as long as it reaches any of its sinks; replicas share the lanes by the `lane_assignment` that
//! each of them works out alone. Whatever they do meanwhile is safe: a lane has one lease, and in
//! each sink one publisher that isn't fenced.

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

/// How often the leases are looked at: a lane that is given up is acquired so soon.
const LOOK_EVERY: Duration = Duration::from_millis(300);
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// How long a replica without a heartbeat counts as running: as long as its leases hold.
const HEARTBEAT_HOLDS: Duration = LEASE;

/// Why no lane is assigned.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// This replica stood still while somebody resized the lanes.
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
    /// Works on lanes while any of the sinks is `reachable`.
    pub(super) fn new(
        deps: FollowDeps,
        sinks: Vec<Arc<dyn Sink>>,
        reachable: Vec<watch::Receiver<Reachability>>,
    ) -> Self {
        Self { deps, sinks, reachable, running: BTreeMap::new(), last_heartbeat: None }
    }

    /// Sends a heartbeat, looks which replicas run, and acquires and releases lanes as assigned.
    async fn look(&mut self) -> Result<(), Error> {
        if self.reachable.iter().all(|sink| *sink.borrow() == Reachability::Down) {
            // Others may reach them; what this replica holds it gives up by itself when it fails.
            self.deregister().await;
            return Ok(());
        }
        let mut members = self.deps.store.members().await?;
        if members.lanes.len() != usize::from(self.deps.wakeups.count()) {
            // The others leave lanes to a replica that has a heartbeat.
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
        // A lane that the last run of this replica held is its own still.
        let mine =
            members.lanes.into_iter().filter(|s| s.holder.as_ref() == Some(&self.deps.replica));
        let kept: BTreeSet<_> =
            mine.map(|lease| lease.lane).filter(|l| !release.contains(l)).collect();
        acquire.union(&kept).for_each(|lane| self.start(*lane));
        Ok(())
    }

    /// Says that this replica runs. Another one of the same name takes this one's lanes for its
    /// own, and each would fence the other without end; it shows by a heartbeat of another run
    /// after this one's first.
    async fn send_heartbeat(&mut self) -> Result<(), store::Error> {
        let FollowDeps { store, replica, instance, health, .. } = &self.deps;
        let last = store.heartbeat(replica, instance, HEARTBEAT_HOLDS).await?;
        match last.filter(|last| last != instance && self.last_heartbeat.is_some()) {
            None => health.healthy(&Component::Replica),
            Some(other) => {
                let why = format!(
                    "another replica runs by the name `{replica}` (run {other}, this is \
                     {instance}): they fence each other; set REPLICA to a name of its own on each"
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
            tracing::debug!(%error, "failed to deregister the replica; the others will notice");
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

    /// Forgets the lanes that were given back.
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
