//! The end of the trail: removes the rows that are older than the trail is kept.
//!
//! Any replica does it, in small steps that may be repeated.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::FollowDeps;
use super::interruptible::Interruptible;
use super::worker::{Backoff, Progress};
use crate::store;

/// The most rows that a step removes.
const ROWS_MAX: usize = 500;
/// The rest after a step that has left old rows.
const REST: Duration = Duration::from_millis(50);
/// The interval at which old rows are looked for.
const PERIOD: Duration = Duration::from_secs(600);

/// The task that removes old rows.
pub(super) struct TrailTask {
    deps: FollowDeps,
    /// The time for which rows are kept, in milliseconds.
    keep_ms: i64,
}

impl TrailTask {
    /// Makes the task; `None` if the trail is kept for ever.
    pub(super) fn new(deps: FollowDeps) -> Option<Self> {
        let keep = deps.removal.trail?;
        Some(Self { deps, keep_ms: i64::try_from(keep.as_millis()).unwrap_or(i64::MAX) })
    }
}

#[async_trait]
impl Interruptible for TrailTask {
    const NAME: &'static str = "trail";
    type Error = store::Error;

    fn pauses(&self) -> (Duration, Backoff) {
        (PERIOD, Backoff::new(Duration::from_secs(1), PERIOD))
    }

    async fn round(&mut self) -> Result<Progress, store::Error> {
        let before = self.deps.clock.now().before(self.keep_ms);
        let dropped = self.deps.store.drop_trail(before, ROWS_MAX).await?;
        Ok(match dropped < ROWS_MAX as u64 {
            true => Progress::Idle,
            false => Progress::Until(Instant::now() + REST),
        })
    }
}
