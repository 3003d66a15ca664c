//! Out: the followers of the logs.
//!
//! Followers read the store's logs, woken by wake-ups that carry no data, and publish to the sinks.
//! Every follower has a name, a filter and a cursor, and goes on from its cursor whatever happened
//! before.

pub mod audit;
mod audit_task;
pub mod erasure;
mod expansion;
pub mod export;
pub mod gaps;
mod held;
mod interruptible;
mod lane;
mod lane_assignment;
mod lane_holder;
mod lane_manager;
mod lane_state;
mod lease;
mod lifetimes;
mod newest;
mod own;
pub mod parking;
pub mod published;
pub mod purge;
mod relay;
mod removal;
pub mod replay;
pub mod resize;
pub mod restore;
mod retention_check;
mod rivals;
mod sink_keeper;
mod source;
pub mod tenant_jobs;
pub mod topics;
mod unnamed;
mod verify;
mod wakeups;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::filter::Filter;
use crate::domain::position::Position;
use crate::domain::retention::{Lifetimes, Retention};
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::sink::{self, Sinks};
use crate::store::{self, Scan, Slice, Store};
use crate::tasks::{Ended, Tasks};
use crate::traces::Traces;

use audit_task::AuditTask;
use erasure::ErasureTask;
use expansion::ExpansionTask;
use interruptible::UntilStop;
use lane_manager::LaneManager;
use lifetimes::LifetimesTask;
use removal::RemovalTask;
use retention_check::RetentionCheck;
use sink_keeper::{Reachability, SinkKeeper};
use tenant_jobs::TenantDeps;
use tenant_jobs::task::TenantJobsTask;
pub use wakeups::Wakeups;
use worker::{Task, Worker};

const PAGE_EVENTS_MAX: usize = 500;
const PAGE_BYTES_MAX: usize = 4 << 20;
/// The longest time that a follower waits before it looks for events: other replicas send no
/// wake-ups here.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The parts that the followers need.
#[derive(Clone)]
pub struct FollowDeps {
    /// The logs.
    pub store: Arc<dyn Store>,
    /// The tenants' settings, with which topics are created.
    pub settings: Arc<Settings>,
    /// The wake-ups of the lanes.
    pub wakeups: Wakeups,
    /// The degraded components, which the followers report.
    pub health: Arc<Health>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The spans.
    pub traces: Arc<Traces>,
    /// Ticks once the store has the checkpoint of a page that the broker committed on a lane of
    /// this replica. Pages of other sinks don't count as published.
    pub pages: watch::Sender<()>,
    /// This host's time.
    pub clock: Arc<dyn Clock>,
    /// This replica's name, for the leases.
    pub replica: String,
    /// The id of this run of the replica.
    pub instance: String,
    /// The interval of the audits; `None` for none.
    pub audit_every: Option<Duration>,
    /// The longest time for which a replay to its own topics may be paused.
    pub replay_pause_max: Duration,
    /// How long the store keeps what has ended.
    pub lifetimes: Lifetimes,
    /// How long the logs keep events.
    pub removal: Retention,
    /// The look-out for tenants' files that were added, before topics are created.
    pub tenants: TenantDeps,
}

/// The running followers.
pub struct Followers {
    tasks: Tasks,
    stop: CancellationToken,
}

impl Followers {
    /// Starts the tasks that these sinks need: the lane manager if there is any sink, a keeper for
    /// each sink, a retention check for each sink with topics, an audit, the erasure, the tenant
    /// jobs, the removal, the lifetimes of what has ended, and the expansion of DELETE_ALLs.
    pub fn start(deps: &FollowDeps, sinks: &Sinks) -> Self {
        let (mut tasks, stop) = (Tasks::default(), CancellationToken::new());
        let worker = Worker::new(deps.health.clone(), deps.metrics.clone(), stop.clone());
        if let (Some(kafka), Some(every)) = (&sinks.repair, deps.audit_every) {
            let audit = AuditTask::new(deps.clone(), kafka.clone(), every);
            worker.spawn(&mut tasks, UntilStop::new(audit, stop.clone()));
        }
        let followers = sinks.followers();
        let erasure = ErasureTask::new(deps.clone(), followers.clone());
        worker.spawn(&mut tasks, UntilStop::new(erasure, stop.clone()));
        let jobs = TenantJobsTask::new(deps.clone(), sinks);
        worker.spawn(&mut tasks, UntilStop::new(jobs, stop.clone()));
        let removal = RemovalTask::new(deps.clone(), followers);
        worker.spawn(&mut tasks, UntilStop::new(removal, stop.clone()));
        let lifetimes = LifetimesTask::new(deps.clone());
        worker.spawn(&mut tasks, UntilStop::new(lifetimes, stop.clone()));
        let expansion = ExpansionTask::new(deps.clone());
        worker.spawn(&mut tasks, UntilStop::new(expansion, stop.clone()));
        let (mut reachable, mut checks) = (Vec::new(), Vec::new());
        for sink in &sinks.sinks {
            deps.metrics.follows(sink.follower());
            let (reachability, is_reachable) = watch::channel(Reachability::Up);
            reachable.push(is_reachable);
            let repair = sinks.repair.clone().filter(|it| it.follower() == sink.follower());
            let keeper = SinkKeeper::new(deps.clone(), sink.clone(), repair, reachability);
            worker.spawn(&mut tasks, keeper);
            if sink.has_topics() {
                let (checked, has_checked) = oneshot::channel();
                checks.push(has_checked);
                let retention = RetentionCheck::new(deps.clone(), sink.clone(), checked);
                worker.spawn(&mut tasks, retention);
            }
        }
        if !sinks.sinks.is_empty() {
            let lanes = LaneManager::new(deps.clone(), sinks.sinks.clone(), reachable);
            let (name, stop) = (lanes.name(), stop.clone());
            tasks.spawn(name, async move {
                // Events that a sink will delete at once are reported before they are published.
                for has_checked in checks {
                    stop.run_until_cancelled(has_checked).await;
                }
                worker.run(lanes).await;
            });
        }
        Self { tasks, stop }
    }

    /// Waits for a task to end, which none does without being asked to; for ever, if there is none.
    pub async fn ended(&mut self) -> Ended {
        self.tasks.ended().await
    }

    /// Stops all followers, once each has finished its page. Returns a task that panicked, if one
    /// did.
    pub async fn stop(self) -> Option<Ended> {
        self.stop.cancel();
        self.tasks.finish().await
    }
}

/// The reason why a follower can't go on just now.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Sink(#[from] sink::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Returns the limits of a page of any follower: all topics, and at most `events_each_max` events
/// of one tenant.
fn page_scan(events_each_max: usize) -> Scan {
    Scan {
        filter: Filter::default(),
        from: None,
        to: None,
        events_each_max,
        events_max: PAGE_EVENTS_MAX,
        bytes_max: PAGE_BYTES_MAX,
        rows_max: events_each_max,
        enabled_only: false,
    }
}

/// Reads the events after a position of the log of one tenant, which is enabled.
async fn read_log(
    store: &dyn Store,
    tenant: &TenantId,
    after: Position,
    scan: &Scan,
) -> Result<Slice, store::Error> {
    let slices = store.read(&[(tenant.clone(), after.into())], scan).await?;
    let slice = slices.into_iter().next();
    slice.ok_or_else(|| store::Error::Corrupt(format!("tenant `{tenant}` has no log")))
}
