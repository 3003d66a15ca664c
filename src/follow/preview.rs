//! The preview: a follower that shows the newest events on the embedded broker.
//!
//! Fed by the store's logs; feeds `sink::Mirror`, which is memory only. Its cursors are in memory
//! too: each start begins at the newest 10,000 positions of each tenant. It never says that
//! anything is published.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Backoff, Error, FollowDeps, LOOK_AGAIN, PAGE_EVENTS_MAX, page_scan};
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::health::Occurrence;
use crate::sink::Preview;
use crate::store::{ChangeToken, Head};

const REFILL_POSITIONS: u64 = 10_000;
const WHO: &str = "embedded broker";

/// Follows all tenants until `stop`.
pub(super) async fn run(deps: FollowDeps, preview: Arc<dyn Preview>, stop: CancellationToken) {
    let lanes = Lane::all(deps.wakeups.count()).map(|lane| (lane, ChangeToken::START)).collect();
    let mut worker = Worker { deps, preview, lanes, cursors: HashMap::new() };
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    while !stop.is_cancelled() {
        match worker.catch_up(&stop).await {
            Ok(()) => {
                backoff.reset();
                worker.deps.health.healthy(WHO);
                worker.rest(&stop).await;
            }
            Err(error) => {
                if worker.deps.health.degraded(WHO, &error) == Occurrence::First {
                    tracing::warn!(%error, "failed to show events on the embedded broker");
                }
                backoff.sleep(&stop).await;
            }
        }
    }
}

struct Worker {
    deps: FollowDeps,
    preview: Arc<dyn Preview>,
    lanes: Vec<(Lane, ChangeToken)>,
    cursors: HashMap<TenantId, Position>,
}

impl Worker {
    /// Follows whoever has new events; who fails holds up nobody, and is tried again.
    async fn catch_up(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        let mut outcome = Ok(());
        for index in 0..self.lanes.len() {
            let (lane, token) = self.lanes[index];
            let changed = self.deps.store.changed_since(lane, token).await?;
            let mut followed = Ok(());
            for head in changed.heads {
                followed = followed.and(self.follow(head, stop).await);
            }
            if followed.is_ok() {
                self.lanes[index].1 = changed.token;
            }
            outcome = outcome.and(followed);
        }
        outcome
    }

    /// Sends page after page of one tenant, up to its head.
    async fn follow(&mut self, head: Head, stop: &CancellationToken) -> Result<(), Error> {
        let Head { tenant, position, .. } = head;
        let refill = || position.back(REFILL_POSITIONS);
        let mut cursor = *self.cursors.entry(tenant.clone()).or_insert_with(refill);
        while cursor < position && !stop.is_cancelled() {
            let Some(slice) = self
                .deps
                .store
                .read(&[(tenant.clone(), cursor.into())], &page_scan(PAGE_EVENTS_MAX))
                .await?
                .pop()
            else {
                return Ok(());
            };
            let topics: std::collections::BTreeSet<_> =
                slice.events.iter().map(|e| &e.topic).collect();
            let specs: Vec<_> =
                topics.into_iter().map(|t| self.deps.settings.spec(&tenant, t)).collect();
            self.preview.ensure(&specs).await?;
            self.preview.send(slice.events).await?;
            cursor = slice.scanned;
            self.cursors.insert(tenant.clone(), cursor);
        }
        Ok(())
    }

    async fn rest(&self, stop: &CancellationToken) {
        tokio::select! {
            () = self.deps.wakeups.preview.notified() => {}
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}
