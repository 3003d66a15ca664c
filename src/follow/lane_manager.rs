//! The lanes of this replica: starts workers for those that it is to have, and ends those that
//! another is to have.
//!
//! Fed by the store's members; feeds `lane`. A replica attends as long as it reaches Kafka;
//! replicas share the lanes by the `spread` that each of them works out alone. What they do
//! meanwhile is never in doubt: a lane has one lease, and one producer that isn't fenced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lane_assignment::{Assignment, assign};
use super::{FollowDeps, lane, topics};
use crate::domain::lane::Lane;
use crate::health::Occurrence;
use crate::sink::Sink;
use crate::store;
use crate::tasks::{Ended, Tasks};

/// How often the members are looked at: a lane that is given up is taken so soon.
const LOOK_EVERY: Duration = Duration::from_millis(300);
const ATTEND_EVERY: Duration = Duration::from_secs(1);
/// How long a replica that says nothing counts as being there: as long as its leases hold.
const ATTENDS_FOR: Duration = lane::LEASE;
const WHO: &str = "lanes";
const TWIN: &str = "replica";

/// Works on this replica's share of the lanes until `stop`; then finishes, gives them up and
/// leaves.
pub(super) async fn run(deps: FollowDeps, sink: Arc<dyn Sink>, stop: CancellationToken) {
    let mut manager = LaneManager {
        deps,
        sink,
        workers: Tasks::default(),
        running: BTreeMap::new(),
        attended: None,
    };
    while !stop.is_cancelled() {
        match manager.look().await {
            Ok(()) => manager.deps.health.healthy(WHO),
            Err(error) => {
                if manager.deps.health.degraded(WHO, &error) == Occurrence::First {
                    tracing::warn!(%error, "failed to share the lanes");
                }
            }
        }
        manager.rest(&stop).await;
    }
    manager.give_up(&manager.running.keys().copied().collect());
    let panicked = std::mem::take(&mut manager.workers).finish().await;
    manager.leave().await;
    panicked.iter().for_each(fail);
}

/// A worker that gave its lane back has ended as it should; the panic of one is that of all.
fn fail(ended: &Ended) {
    assert!(ended.panic.is_none(), "{ended}");
}

/// Why there is nothing to share.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It stood still while somebody resized the lanes.
    #[error("the store has {0} lanes now: stop, and start with LANES={0}")]
    Resized(usize),
}

struct LaneManager {
    deps: FollowDeps,
    sink: Arc<dyn Sink>,
    /// By the names of their lanes.
    workers: Tasks,
    running: BTreeMap<Lane, CancellationToken>,
    attended: Option<Instant>,
}

impl LaneManager {
    /// Attends, looks who else does, and takes and gives what is to be.
    async fn look(&mut self) -> Result<(), Error> {
        if self.deps.health.is_degraded(topics::WHO) {
            // Others may reach Kafka; what this replica holds it gives up by itself when it fails.
            self.leave().await;
            return Ok(());
        }
        let mut members = self.deps.store.members().await?;
        if members.lanes.len() != usize::from(self.deps.wakeups.count()) {
            // Who attends is left a share by the others.
            self.give_up(&self.running.keys().copied().collect());
            self.leave().await;
            return Err(Error::Resized(members.lanes.len()));
        }
        if self.attended.is_none_or(|at| at.elapsed() >= ATTEND_EVERY) {
            self.attend().await?;
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

    /// Says that it is there. Another that has said so by the same name, since it did, takes its
    /// lanes for its own: each would fence the other without end.
    async fn attend(&mut self) -> Result<(), Error> {
        let FollowDeps { store, replica, instance, health, .. } = &self.deps;
        let last = store.heartbeat(replica, instance, ATTENDS_FOR).await?;
        match last.filter(|last| last != instance && self.attended.is_some()) {
            None => health.healthy(TWIN),
            Some(other) => {
                let why = format!(
                    "another replica runs by the name `{replica}` (run {other}, this is \
                     {instance}): they fence each other; set REPLICA to a name of its own on each"
                );
                if health.degraded(TWIN, &why) == Occurrence::First {
                    tracing::error!(replica, other, instance, "{why}");
                }
            }
        }
        self.attended = Some(Instant::now());
        Ok(())
    }

    fn start(&mut self, lane: Lane) {
        if self.running.contains_key(&lane) {
            return;
        }
        let stop = CancellationToken::new();
        self.running.insert(lane, stop.clone());
        let worker = lane::run(self.deps.clone(), self.sink.clone(), lane, stop);
        self.workers.spawn(lane.to_string(), worker);
    }

    fn give_up(&self, lanes: &BTreeSet<Lane>) {
        lanes.iter().filter_map(|lane| self.running.get(lane)).for_each(CancellationToken::cancel);
    }

    async fn rest(&mut self, stop: &CancellationToken) {
        let look_again = tokio::time::sleep(LOOK_EVERY);
        tokio::pin!(look_again);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = &mut look_again => return,
                ended = self.workers.ended() => {
                    fail(&ended);
                    self.running.retain(|lane, _| lane.to_string() != ended.name);
                }
            }
        }
    }

    async fn leave(&mut self) {
        if self.attended.take().is_some()
            && let Err(error) = self.deps.store.deregister(&self.deps.replica).await
        {
            tracing::debug!(%error, "failed to leave; the others will notice");
        }
    }
}
