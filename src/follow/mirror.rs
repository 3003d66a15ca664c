//! The mirror: a follower that shows the newest events on the embedded broker.
//!
//! Fed by the store's logs; feeds `broker::Mirror`, which is memory only. Its cursors are in memory
//! too: each start begins at the newest 10,000 positions of each tenant. It never says that anything
//! is published.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Backoff, Parts};
use crate::broker::{self, Mirror};
use crate::domain::filter::Filter;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::{self, Head, Mark, Scan};

const REFILL_POSITIONS: u64 = 10_000;
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const WHO: &str = "embedded broker";

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Broker(#[from] broker::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Follows all tenants until `stop`.
pub(super) async fn run(parts: Parts, mirror: Arc<dyn Mirror>, stop: CancellationToken) {
    let lanes = Lane::all(parts.bells.count()).map(|lane| (lane, Mark::START)).collect();
    let mut follower = Follower { parts, mirror, lanes, cursors: HashMap::new() };
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    while !stop.is_cancelled() {
        match follower.catch_up(&stop).await {
            Ok(()) => {
                backoff.reset();
                follower.parts.health.well(WHO);
                follower.rest(&stop).await;
            }
            Err(error) => {
                tracing::warn!(%error, "failed to mirror");
                follower.parts.health.trouble(WHO, error);
                backoff.sleep(&stop).await;
            }
        }
    }
}

struct Follower {
    parts: Parts,
    mirror: Arc<dyn Mirror>,
    lanes: Vec<(Lane, Mark)>,
    cursors: HashMap<TenantId, Position>,
}

impl Follower {
    async fn catch_up(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        for index in 0..self.lanes.len() {
            let (lane, mark) = self.lanes[index];
            let changed = self.parts.store.changed(lane, mark).await?;
            for head in changed.heads {
                self.follow(head, stop).await?;
            }
            self.lanes[index].1 = changed.mark;
        }
        Ok(())
    }

    /// Sends page after page of one tenant, up to its head.
    async fn follow(&mut self, head: Head, stop: &CancellationToken) -> Result<(), Error> {
        let Head { tenant, position, .. } = head;
        let refill = || position.back(REFILL_POSITIONS);
        let mut cursor = *self.cursors.entry(tenant.clone()).or_insert_with(refill);
        while cursor < position && !stop.is_cancelled() {
            let Some(slice) = self.parts.store.read(&[(tenant.clone(), cursor)], &scan()).await?.pop() else {
                return Ok(());
            };
            let topics: std::collections::BTreeSet<_> = slice.events.iter().map(|e| &e.topic).collect();
            let specs: Vec<_> = topics.into_iter().map(|t| self.parts.settings.spec(&tenant, t)).collect();
            self.mirror.ensure(&specs).await?;
            self.mirror.send(slice.events).await?;
            cursor = slice.scanned;
            self.cursors.insert(tenant.clone(), cursor);
        }
        Ok(())
    }

    async fn rest(&self, stop: &CancellationToken) {
        tokio::select! {
            () = self.parts.bells.mirror.notified() => {}
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

fn scan() -> Scan {
    Scan {
        filter: Filter::default(),
        from: None,
        to: None,
        events_each_max: 500,
        events_max: 500,
        bytes_max: 4 << 20,
        rows_max: 500,
    }
}
