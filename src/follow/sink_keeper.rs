//! The keeper of a sink: probes whether the sink answers, and creates the topics that enabled
//! tenants lack there, whenever it does.
//!
//! It reads the store's tenants and the settings, creates topics in the sink, and tells `health`
//! and the lane manager whether the sink answers. Every step may be repeated at any time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::watch;

use super::wakeups::Wakeup;
use super::worker::{Backoff, Failure, Progress, Schedule, Task};
use super::{Error, FollowDeps};
use crate::domain::tenant::TenantId;
use crate::domain::topic::{Topic, TopicSpec};
use crate::health::{self, Component, Occurrence, SinkPart};
use crate::sink::{self, PartitionsGrown, Repair, Sink};

const PROBE_EVERY: Duration = Duration::from_secs(2);
/// The most topics of one request to the broker: more might not be created in time.
const ENSURE_MAX: usize = 200;

/// Whether a sink answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reachability {
    /// It answers, or was not asked yet.
    Up,
    /// It does not answer.
    Down,
}

/// The task that probes a sink. Each time that the sink comes up, and when tenants were added, it
/// creates the missing topics.
pub(super) struct SinkKeeper {
    deps: FollowDeps,
    sink: Arc<dyn Sink>,
    repair: Option<Arc<dyn Repair>>,
    reachability: watch::Sender<Reachability>,
    /// The number of tenants whose topics were ensured.
    tenants_ensured: usize,
    /// Topics whose difference from the files was reported.
    reported: BTreeSet<Topic>,
}

impl SinkKeeper {
    /// Makes the task, which tells through `reachability` whether the sink answers.
    pub(super) fn new(
        deps: FollowDeps,
        sink: Arc<dyn Sink>,
        repair: Option<Arc<dyn Repair>>,
        reachability: watch::Sender<Reachability>,
    ) -> Self {
        Self { deps, sink, repair, reachability, tenants_ensured: 0, reported: BTreeSet::new() }
    }

    /// Creates every tenant's topics. A topic that can't be created, or takes no records just now,
    /// keeps no lane from its work, since a lane needs only the topics that it writes to.
    async fn keep(&mut self) {
        let (health, topics) =
            (self.deps.health.clone(), SinkPart::Topics.of(self.sink.follower()));
        match self.ensure().await {
            Ok(()) => health.healthy(&topics),
            // Other tasks report that the store fails.
            Err(Error::Store(error)) => tracing::debug!(%error, "failed to list the tenants"),
            Err(Error::Sink(error)) => {
                self.tenants_ensured = 0;
                match (health.degraded(topics, &error), &error) {
                    (Occurrence::Repeated, _) => {}
                    (Occurrence::First, error) if error.concerns_all_lanes() => {
                        health::report_cluster(error);
                    }
                    (Occurrence::First, _) => {
                        tracing::warn!(%error, "failed to create the tenants' topics");
                    }
                }
            }
        }
    }

    async fn ensure(&mut self) -> Result<(), Error> {
        let mut failed = Ok(());
        // An idle gateway asks each time: counting the tenants costs less than listing them.
        if self.deps.store.count().await? != self.tenants_ensured {
            // A tenant that another process has enabled may have a file that is not read yet.
            self.deps.tenants.take_up_files().await?;
            let tenants = self.deps.store.list().await?;
            let settings = &self.deps.settings;
            let owned = tenants.iter().flat_map(|log| {
                settings.specs(&log.tenant).into_iter().map(|spec| (&log.tenant, spec))
            });
            let (owners, specs): (Vec<_>, Vec<_>) = owned.unzip();
            for (owners, some) in owners.chunks(ENSURE_MAX).zip(specs.chunks(ENSURE_MAX)) {
                // A tenant may have been purged meanwhile.
                let there = self.deps.store.list().await?;
                let is_there = |tenant: &TenantId| there.iter().any(|log| log.tenant == *tenant);
                let some = some.iter().zip(owners).filter(|(_, owner)| is_there(owner));
                let some: Vec<_> = some.map(|(spec, _)| spec.clone()).collect();
                match self.sink.ensure(&some).await {
                    // The topics exist; the lanes that write to them report it.
                    Err(sink::Error::Unavailable(_)) => {}
                    // The other topics are created all the same.
                    Err(error) => failed = Err(error.into()),
                    Ok(()) => {}
                }
            }
            self.report_differences(&specs).await;
            self.tenants_ensured = tenants.len();
        }
        failed
    }

    /// Warns once of each topic whose settings in the sink are not those of the files. The topic is
    /// left as it is.
    async fn report_differences(&mut self, specs: &[TopicSpec]) {
        for some in specs.chunks(ENSURE_MAX) {
            let topics: Vec<Topic> = some.iter().map(|spec| spec.topic.clone()).collect();
            let Ok(described) = self.sink.describe(&topics).await else { return };
            for spec in some {
                let described = described.get(&spec.topic);
                let difference = described.and_then(|it| it.differs(spec, self.sink.names()));
                if let Some(why) = difference.filter(|_| self.reported.insert(spec.topic.clone())) {
                    tracing::warn!(topic = %spec.topic, "{why}");
                }
            }
        }
    }

    /// Reports topics that were given more partitions: a key's newer events may be in another
    /// partition than its older ones, and be read before them. The gateway can't undo that, so it
    /// reports it until it is restarted.
    fn report_grown(&self) {
        let grown = self.repair.iter().flat_map(|repair| repair.partitions_grown());
        for PartitionsGrown { topic, before, now } in grown {
            let why = format!(
                "it has {now} partitions, and had {before}: keys may have moved, so let consumers \
                 read what was there before, then restart the gateway"
            );
            let component = SinkPart::Partitions(topic.clone()).of(self.sink.follower());
            if self.deps.health.degraded(component, &why) == Occurrence::First {
                tracing::error!(%topic, before, now, "partitions were added to the topic: {why}");
            }
        }
    }
}

#[async_trait]
impl Task for SinkKeeper {
    fn name(&self) -> String {
        SinkPart::Topics.of(self.sink.follower()).to_string()
    }

    fn kind(&self) -> &'static str {
        "topics"
    }

    fn component(&self) -> Option<Component> {
        Some(SinkPart::Connection.of(self.sink.follower()))
    }

    fn schedule(&self) -> Schedule {
        let backoff = Backoff::constant(PROBE_EVERY);
        Schedule { wakeup: Wakeup::never(), period: PROBE_EVERY, backoff }
    }

    async fn tick(&mut self) -> Result<Progress, Failure> {
        let begun = Instant::now();
        let checked = self.sink.check().await;
        let (follower, error) = (self.sink.follower(), checked.as_ref().err().map(|it| it.label()));
        self.deps.metrics.sink_called(follower, "check", begun.elapsed(), error);
        if let Err(error) = checked {
            self.tenants_ensured = 0;
            self.reachability.send_replace(Reachability::Down);
            return Err(Failure::passing(format_args!("{error}")));
        }
        self.reachability.send_replace(Reachability::Up);
        // Tenants whose topics take long to create must not make a sink that answers look down.
        self.deps.health.healthy(&SinkPart::Connection.of(self.sink.follower()));
        if self.sink.has_topics() {
            self.keep().await;
        }
        self.report_grown();
        Ok(Progress::Idle)
    }
}
