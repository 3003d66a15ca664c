//! The retention check: warns of pending events that are older than their topic keeps records,
//! since the sink would delete them minutes after they are published.
//!
//! It reads the heads, the cursors and the first pending events of each log from the store, and
//! reports the topic, the age and the setting to `health`, at the start and each minute, whether
//! the sink is up or not. A log is never scanned: the page after its cursor tells the age of each
//! topic there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::wakeups::Wakeup;
use super::worker::{Backoff, Failure, Progress, Schedule, Task};
use super::{Error, FollowDeps, PAGE_EVENTS_MAX, page_scan};
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::health::{Component, Occurrence, SinkPart};
use crate::sink::{Sink, TopicDescription};

const CHECK_EVERY: Duration = Duration::from_secs(60);
/// The most logs that one read looks at.
const LOGS_MAX: usize = 50;

/// The oldest pending event of a topic.
struct Oldest {
    tenant: TenantId,
    position: Position,
    time: Time,
}

/// The task that compares the age of pending events with what the sink keeps.
pub(super) struct RetentionCheck {
    deps: FollowDeps,
    sink: Arc<dyn Sink>,
    /// Topics that were reported as degraded.
    reported: BTreeSet<Topic>,
    /// The channel that is told once the first check is over, whatever its result.
    checked: Option<oneshot::Sender<()>>,
}

impl RetentionCheck {
    /// Makes the task, which tells `checked` once the first check is over.
    pub(super) fn new(deps: FollowDeps, sink: Arc<dyn Sink>, checked: oneshot::Sender<()>) -> Self {
        Self { deps, sink, reported: BTreeSet::new(), checked: Some(checked) }
    }

    async fn check(&mut self) -> Result<(), Error> {
        let found = look(&self.deps, &*self.sink).await?;
        for topic in self.reported.iter().filter(|topic| !found.contains_key(*topic)) {
            self.deps.health.healthy(&self.component_of(topic));
        }
        found.iter().for_each(|(topic, why)| self.report(topic, why));
        self.reported = found.into_keys().collect();
        Ok(())
    }

    fn component_of(&self, topic: &Topic) -> Component {
        SinkPart::Retention(topic.clone()).of(self.sink.follower())
    }

    fn report(&self, topic: &Topic, why: &str) {
        if self.deps.health.degraded(self.component_of(topic), why) == Occurrence::First {
            tracing::warn!(%topic, "{why}");
        }
    }
}

#[async_trait]
impl Task for RetentionCheck {
    fn name(&self) -> String {
        let (name, follower) = ("retention check", self.sink.follower());
        if *follower == Follower::relay() { name.to_owned() } else { format!("{follower}: {name}") }
    }

    fn kind(&self) -> &'static str {
        "retention_check"
    }

    fn component(&self) -> Option<Component> {
        None
    }

    fn schedule(&self) -> Schedule {
        let backoff = Backoff::constant(CHECK_EVERY);
        Schedule { wakeup: Wakeup::never(), period: CHECK_EVERY, backoff }
    }

    async fn tick(&mut self) -> Result<Progress, Failure> {
        let checked = self.check().await;
        self.checked.take().map(|told| told.send(()));
        checked.map_err(Failure::passing)?;
        Ok(Progress::Idle)
    }
}

/// Returns the topics with pending events that Kafka will delete once they are published, and the
/// reasons.
async fn look(deps: &FollowDeps, sink: &dyn Sink) -> Result<BTreeMap<Topic, String>, Error> {
    let (oldest, kind) = (oldest(deps, sink.follower()).await?, sink.names().sink);
    let now = deps.clock.now();
    let limit = |oldest: &Oldest, retention: Option<i64>| {
        let age = now.as_ms().saturating_sub(oldest.time.as_ms());
        retention.filter(|retention| age >= *retention).map(|retention| (age, retention))
    };
    let by_file = |topic: &Topic, oldest: &Oldest| {
        let spec = deps.settings.spec(&oldest.tenant, topic);
        Some(spec.retention_ms).filter(|retention| *retention >= 0 && !spec.compacted)
    };
    // If the topic exists, its own setting counts, not the file's.
    let topics: Vec<Topic> = oldest.keys().cloned().collect();
    let there = match topics.as_slice() {
        [] => Default::default(),
        topics => sink.describe(topics).await.unwrap_or_default(),
    };
    let mut found = BTreeMap::new();
    for (topic, oldest) in &oldest {
        let (retention, setting) = match there.get(topic) {
            Some(TopicDescription { retention_ms, .. }) => {
                (*retention_ms, format!("retention.ms of the topic in {kind}"))
            }
            None => {
                (by_file(topic, oldest), "retention_ms of its entity in TENANTS_DIR".to_owned())
            }
        };
        if let Some((age, retention)) = limit(oldest, retention) {
            let Oldest { tenant, position, time } = oldest;
            let why = format!(
                "tenant {tenant}'s event at position {position}, of {time}, has been pending for \
                 {}, and the topic keeps a record for {}: {kind} will delete it, and all that is \
                 as old, minutes after it is published; raise {setting}, or stop the gateway until \
                 that is decided",
                spell(age),
                spell(retention)
            );
            found.insert(topic.clone(), why);
        }
    }
    Ok(found)
}

/// Returns the oldest pending event of each topic in the first page after each cursor.
async fn oldest(deps: &FollowDeps, follower: &Follower) -> Result<BTreeMap<Topic, Oldest>, Error> {
    let mut pending = Vec::new();
    let mut cursors = BTreeMap::new();
    for lane in (0..deps.wakeups.count()).map(Lane::new) {
        cursors.extend(deps.store.load_lane(lane, follower).await?);
    }
    for enabled in deps.store.list().await? {
        let at = enabled.passed_by(cursors.get(&enabled.tenant).copied());
        if at < enabled.head {
            pending.push((enabled.tenant, at.into()));
        }
    }
    let mut oldest: BTreeMap<Topic, Oldest> = BTreeMap::new();
    for some in pending.chunks(LOGS_MAX) {
        let each = (PAGE_EVENTS_MAX / some.len()).max(1);
        for event in
            deps.store.read(some, &page_scan(each)).await?.into_iter().flat_map(|s| s.events)
        {
            let (tenant, position, time) = (event.tenant, event.position, event.time);
            let known = oldest.entry(event.topic).or_insert_with(|| Oldest {
                tenant: tenant.clone(),
                position,
                time,
            });
            if time < known.time {
                *known = Oldest { tenant, position, time };
            }
        }
    }
    Ok(oldest)
}

/// Writes a span of time in its largest unit, rounded down, so that a cause that lasts keeps its
/// text.
fn spell(ms: i64) -> String {
    let units =
        [(86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"), (1_000, "seconds")];
    let unit = units.iter().find(|(unit, _)| ms >= 2 * unit);
    unit.map_or_else(|| format!("{ms} ms"), |(unit, name)| format!("{} {name}", ms / unit))
}
