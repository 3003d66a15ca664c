//! The lanes in the store: their holders, and how long the lanes of a dead replica stand still.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_gateway::store::{LaneLease, Members, Store};
use tokio::time::sleep;

use crate::PATIENCE;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Asks the store.
pub struct Lanes {
    store: Arc<dyn Store>,
}

impl Lanes {
    /// Watches the lanes of that store.
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Returns the lanes that a replica holds.
    pub async fn held_by(&self, replica: &str) -> Vec<LaneLease> {
        let held = |lease: &LaneLease| lease.holder.as_deref() == Some(replica);
        self.members().await.lanes.into_iter().filter(held).collect()
    }

    /// Returns the time after a moment until each of these lanes had a new holder, or its old one
    /// again.
    pub async fn taken_over(&self, lost: &[LaneLease], since: Instant) -> Vec<Duration> {
        let mut waiting = lost.to_vec();
        let mut times = Vec::new();
        while !waiting.is_empty() {
            assert!(since.elapsed() < PATIENCE, "nobody took over {waiting:?}");
            sleep(LOOK_EVERY).await;
            let now = self.members().await.lanes;
            let taken = |was: &LaneLease| {
                now.iter()
                    .any(|is| is.lane == was.lane && is.term > was.term && is.holder.is_some())
            };
            let before = waiting.len();
            waiting.retain(|was| !taken(was));
            times.extend(std::iter::repeat_n(since.elapsed(), before - waiting.len()));
        }
        times
    }

    /// Waits until these replicas run, and no lane is free.
    pub async fn until_shared(&self, replicas: usize) {
        let since = Instant::now();
        loop {
            let members = self.members().await;
            if members.replicas.len() == replicas
                && members.lanes.iter().all(|lane| lane.holder.is_some())
            {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "the lanes were never shared: {members:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    async fn members(&self) -> Members {
        let since = Instant::now();
        loop {
            match self.store.members().await {
                Ok(members) => return members,
                // The store may have been killed a moment ago.
                Err(error) => assert!(since.elapsed() < PATIENCE, "{error}"),
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
