//! The lifetimes of what has ended: removes old rows of the trail, of erasures, replays and
//! tenants' jobs, of parked scopes that are resolved, and claims that are over.
//!
//! Any replica does it, in small steps that may be repeated.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::FollowDeps;
use super::interruptible::Interruptible;
use super::worker::{Backoff, Progress};
use crate::domain::time::Time;
use crate::store;

/// The most rows of a kind that a step removes.
const ROWS_MAX: usize = 500;
/// The rest after a step that has left old rows.
const REST: Duration = Duration::from_millis(50);
/// The interval at which old rows are looked for.
const PERIOD: Duration = Duration::from_secs(600);
/// The time for which a tenant's job is kept after its end, unless whoever asked removes it before.
const JOBS: Duration = Duration::from_secs(7 * 86_400);

/// The task that removes old rows.
pub(super) struct LifetimesTask {
    deps: FollowDeps,
}

impl LifetimesTask {
    /// Makes the task.
    pub(super) fn new(deps: FollowDeps) -> Self {
        Self { deps }
    }

    /// Returns the time before which something with a lifetime is old; `None` if it never is.
    fn before(&self, lifetime: Option<Duration>) -> Option<Time> {
        let kept_ms = i64::try_from(lifetime?.as_millis()).unwrap_or(i64::MAX);
        Some(self.deps.clock.now().before(kept_ms))
    }
}

#[async_trait]
impl Interruptible for LifetimesTask {
    const NAME: &'static str = "lifetimes";
    type Error = store::Error;

    fn pauses(&self) -> (Duration, Backoff) {
        (PERIOD, Backoff::new(Duration::from_secs(1), PERIOD))
    }

    async fn round(&mut self) -> Result<Progress, store::Error> {
        let FollowDeps { store, lifetimes, .. } = &self.deps;
        let mut most = 0;
        if let Some(before) = self.before(lifetimes.trail) {
            most = most.max(store.drop_trail(before, ROWS_MAX).await?);
        }
        if let Some(before) = self.before(lifetimes.erasures) {
            most = most.max(store.drop_erasures(before, ROWS_MAX).await?);
        }
        if let Some(before) = self.before(lifetimes.parked) {
            most = most.max(store.drop_resolved(before, ROWS_MAX).await?);
        }
        most = most.max(store.drop_claims(ROWS_MAX).await?);
        if let Some(before) = self.before(lifetimes.replays) {
            store.drop_replays(before).await?;
        }
        if let Some(before) = self.before(Some(JOBS)) {
            store.drop_tenant_jobs(before).await?;
        }
        Ok(match most < ROWS_MAX as u64 {
            true => Progress::Idle,
            false => Progress::Until(Instant::now() + REST),
        })
    }
}
