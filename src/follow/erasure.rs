//! Erasure: takes the content of records out of the logs, as operators have asked.
//!
//! It empties the events of each record in steps, oldest first; the last step appends an ERASED
//! event for each of the record's topics, in the same transaction. The lanes pass over events that
//! are empty, and publish the ERASED event like any other. An erasure is complete once every sink
//! has passed that: whatever a sink read before, it has sent by then, and nothing older is sent
//! after it. A step is one transaction of the store, so a replica that is killed, or two that do
//! the same, change nothing.

pub mod submit;

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::interruptible::Interruptible;
use super::removal::holds;
use super::removal::pace::Pace;
use super::worker::{Backoff, Progress};
use super::{FollowDeps, own, store};
use crate::domain::draft::Draft;
use crate::domain::erasure::Erasure;
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::domain::settings::Settings;
use crate::domain::topic::Topic;
use crate::store::{ErasureStep, Store, TenantLog, TopicRange};

/// The longest time until an erasure is begun, or is complete once every sink has passed it.
const PERIOD: Duration = Duration::from_secs(1);
/// Half of the first pause while sinks have not passed an erasure; it doubles up to the period.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The most events of one step.
const EVENTS_MAX: usize = 200;

/// The task that carries out the erasures of this replica's lanes.
pub(super) struct ErasureTask {
    deps: FollowDeps,
    /// The followers of the configured sinks.
    sinks: Vec<Follower>,
    pace: Pace,
    /// The last pause while sinks had not passed an erasure.
    pause: Duration,
}

impl ErasureTask {
    /// Makes the task for these sinks.
    pub(super) fn new(deps: FollowDeps, sinks: Vec<Follower>) -> Self {
        Self { deps, sinks, pace: Pace::default(), pause: LOOK_AGAIN }
    }

    /// Goes over all erasures in progress once. One that fails keeps no other from being carried
    /// out; the first error is returned.
    async fn erase_all(&mut self) -> Result<Progress, store::Error> {
        let open = self.deps.store.open_erasures().await?;
        self.deps.metrics.erasures_open(Some(open.len()));
        if open.is_empty() {
            return Ok(Progress::Idle);
        }
        let own = own::logs(&self.deps).await?;
        let (mut has_more, mut waits, mut failed) = (false, false, None);
        for erasure in &open {
            let Some(enabled) = own.iter().find(|it| it.tenant == erasure.tenant) else { continue };
            waits = true;
            match self.carry_out(enabled, erasure).await {
                Ok(more) => has_more |= more,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        self.pause = if has_more { LOOK_AGAIN } else { PERIOD.min(self.pause * 2) };
        match failed {
            Some(error) => Err(error),
            None if has_more => Ok(Progress::More),
            None if waits => Ok(Progress::Until(Instant::now() + self.pause)),
            None => Ok(Progress::Idle),
        }
    }

    /// Does a step of an erasure, or completes it. Returns whether there is more to do now.
    async fn carry_out(
        &mut self,
        enabled: &TenantLog,
        erasure: &Erasure,
    ) -> Result<bool, store::Error> {
        let Self { deps, sinks, pace, .. } = self;
        let FollowDeps { store, settings, metrics, clock, .. } = &*deps;
        if erasure.progress.last.is_none() {
            let step = async |rows: usize| step(&**store, settings, erasure, rows).await;
            metrics.erased(pace.step(step).await?);
            deps.wakeups.wake(enabled.lane);
            return Ok(true);
        }
        if !waits_for(&**store, sinks, enabled, erasure).await?.is_empty() || !store.scrub().await?
        {
            return Ok(false);
        }
        let Erasure { tenant, id, .. } = erasure;
        if store.complete_erasure(tenant, *id, clock.now()).await? {
            tracing::info!(%tenant, %id, "an erasure is complete: every sink has passed it");
        }
        Ok(true)
    }
}

/// Does one step of an erasure. Returns how many events were emptied.
async fn step(
    store: &dyn Store,
    settings: &Settings,
    erasure: &Erasure,
    rows: usize,
) -> Result<u64, store::Error> {
    let erased = drafts(store, settings, erasure).await?;
    let erasure = erasure.clone();
    store.erase(&ErasureStep { erasure, events_max: rows.clamp(1, EVENTS_MAX), erased }).await
}

/// Empties all events of a record at once, and appends its ERASED events.
pub(super) async fn empty(
    store: &dyn Store,
    settings: &Settings,
    erasure: &Erasure,
) -> Result<(), store::Error> {
    while step(store, settings, erasure, EVENTS_MAX).await? == EVENTS_MAX as u64 {}
    Ok(())
}

/// Makes the ERASED events: one for each topic that the record has events on, or that the files
/// name.
async fn drafts(
    store: &dyn Store,
    settings: &Settings,
    erasure: &Erasure,
) -> Result<Vec<Draft>, store::Error> {
    let Erasure { tenant, key, topics, .. } = erasure;
    let draft = |topic: &Topic| {
        erasure.draft(&settings.spec(tenant, topic), settings.wire_form(tenant, topic))
    };
    let mut drafts = Vec::new();
    for topic in topics {
        let range = TopicRange::after(tenant.clone(), topic.clone(), Position::START);
        let newest = store.newest_of_keys(&range, std::slice::from_ref(key), 1).await?;
        if !newest.is_empty() || settings.names(tenant, topic) {
            drafts.push(draft(topic));
        }
    }
    if drafts.is_empty() {
        drafts.extend(topics.iter().map(draft));
    }
    Ok(drafts)
}

/// Returns the sinks that have not passed an erasure: those that have not come to its last ERASED
/// event, or have parked it. All have not, as long as there is none.
pub async fn waits_for(
    store: &dyn Store,
    sinks: &[Follower],
    enabled: &TenantLog,
    erasure: &Erasure,
) -> Result<Vec<Follower>, store::Error> {
    let stands = store.stands(&enabled.tenant).await?;
    let mut waits = Vec::new();
    for (sink, position) in holds::positions(sinks, enabled, &stands) {
        let last = erasure.progress.last;
        if last.is_none_or(|last| position < last) || parks(store, &sink, erasure).await? {
            waits.push(sink);
        }
    }
    Ok(waits)
}

/// Returns whether a sink has parked the ERASED event of any topic.
async fn parks(
    store: &dyn Store,
    sink: &Follower,
    erasure: &Erasure,
) -> Result<bool, store::Error> {
    let last = erasure.progress.last.unwrap_or_default();
    let parked = store.parked(&erasure.tenant, sink).await?;
    let is_its = |topic: &Topic| {
        parked.iter().any(|it| it.is_open() && it.concerns(topic, &erasure.key, last))
    };
    Ok(erasure.topics.iter().any(is_its))
}

#[async_trait]
impl Interruptible for ErasureTask {
    const NAME: &'static str = "erasure";
    type Error = store::Error;

    fn pauses(&self) -> (Duration, Backoff) {
        (PERIOD, Backoff::new(PERIOD, PERIOD * 60))
    }

    async fn round(&mut self) -> Result<Progress, store::Error> {
        self.erase_all().await
    }
}
