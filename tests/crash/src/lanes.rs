//! The lanes as the store knows them: who holds which, and how long a dead replica's stand still.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_gateway::store::{Roster, Standing, Store};
use tokio::time::sleep;

use crate::PATIENCE;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Asks the store.
pub struct Lanes {
    store: Arc<dyn Store>,
}

impl Lanes {
    /// Of that store.
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Those that a replica holds.
    pub async fn held_by(&self, replica: &str) -> Vec<Standing> {
        let held = |standing: &Standing| standing.holder.as_deref() == Some(replica);
        self.roster().await.lanes.into_iter().filter(held).collect()
    }

    /// How long after that moment each of these lanes had a new holder, or its old one anew.
    pub async fn taken_over(&self, lost: &[Standing], since: Instant) -> Vec<Duration> {
        let mut waiting = lost.to_vec();
        let mut times = Vec::new();
        while !waiting.is_empty() {
            assert!(since.elapsed() < PATIENCE, "nobody took over {waiting:?}");
            sleep(LOOK_EVERY).await;
            let now = self.roster().await.lanes;
            let taken = |was: &Standing| {
                now.iter()
                    .any(|is| is.lane == was.lane && is.epoch > was.epoch && is.holder.is_some())
            };
            let before = waiting.len();
            waiting.retain(|was| !taken(was));
            times.extend(std::iter::repeat_n(since.elapsed(), before - waiting.len()));
        }
        times
    }

    /// Waits until these replicas attend, and no lane is free.
    pub async fn until_shared(&self, replicas: usize) {
        let since = Instant::now();
        loop {
            let roster = self.roster().await;
            if roster.replicas.len() == replicas
                && roster.lanes.iter().all(|lane| lane.holder.is_some())
            {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "the lanes were never shared: {roster:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    async fn roster(&self) -> Roster {
        let since = Instant::now();
        loop {
            match self.store.roster().await {
                Ok(roster) => return roster,
                // A store that was killed a moment ago.
                Err(error) => assert!(since.elapsed() < PATIENCE, "{error}"),
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
