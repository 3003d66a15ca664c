//! The embedded preview: a follower that shows the newest events on the embedded broker.
//!
//! It reads the store's logs, and sends to the embedded broker, which is memory only. Its cursors
//! are in memory too: each start begins at the newest 10,000 positions of each tenant. It never
//! makes an event count as published.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::worker::{Backoff, Failure, Progress, Schedule, Task};
use super::{Error, FollowDeps, LOOK_AGAIN, PAGE_EVENTS_MAX, page_scan};
use crate::domain::envelope::Envelope;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::health::Component;
use crate::sink::Preview as Broker;
use crate::store::{ChangeToken, Head};

/// The number of positions before a log's head at which it begins.
const REFILL_POSITIONS: u64 = 10_000;

/// The follower of all tenants.
pub(super) struct Preview {
    deps: FollowDeps,
    broker: Arc<dyn Broker>,
    lanes: Vec<(Lane, ChangeToken)>,
    cursors: HashMap<TenantId, Position>,
    /// The heads of the logs that may have events after their cursors.
    heads: BTreeMap<TenantId, Position>,
}

impl Preview {
    pub(super) fn new(deps: FollowDeps, broker: Arc<dyn Broker>) -> Self {
        let lanes =
            Lane::all(deps.wakeups.count()).map(|lane| (lane, ChangeToken::START)).collect();
        Self { deps, broker, lanes, cursors: HashMap::new(), heads: BTreeMap::new() }
    }

    /// Asks the store which logs have grown.
    async fn look(&mut self) -> Result<(), Error> {
        for (lane, token) in &mut self.lanes {
            let changed = self.deps.store.changed_since(*lane, *token).await?;
            *token = changed.token;
            for Head { tenant, position, .. } in changed.heads {
                self.heads.insert(tenant, position);
            }
        }
        Ok(())
    }

    /// Sends the next page of one tenant. A tenant at its head is left until its log grows.
    #[tracing::instrument(level = "debug", skip_all, fields(%tenant, %head))]
    async fn send_page(&mut self, tenant: &TenantId, head: Position) -> Result<(), Error> {
        let refill = || head.back(REFILL_POSITIONS);
        let cursor = *self.cursors.entry(tenant.clone()).or_insert_with(refill);
        let mut scanned = head;
        if cursor < head {
            let from = [(tenant.clone(), cursor.into())];
            let slices = self.deps.store.read(&from, &page_scan(PAGE_EVENTS_MAX)).await?;
            if let Some(mut slice) = slices.into_iter().next() {
                slice.events.retain(Envelope::has_content);
                let topics: BTreeSet<_> = slice.events.iter().map(|event| &event.topic).collect();
                let specs: Vec<_> =
                    topics.into_iter().map(|t| self.deps.settings.spec(tenant, t)).collect();
                self.broker.ensure(&specs).await?;
                self.broker.send(slice.events).await?;
                scanned = slice.scanned;
                self.cursors.insert(tenant.clone(), scanned);
            }
        }
        if scanned >= head {
            self.heads.remove(tenant);
        }
        Ok(())
    }
}

#[async_trait]
impl Task for Preview {
    fn name(&self) -> String {
        "embedded preview".to_owned()
    }

    fn kind(&self) -> &'static str {
        "preview"
    }

    fn component(&self) -> Option<Component> {
        Some(Component::EmbeddedBroker)
    }

    fn schedule(&self) -> Schedule {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        Schedule { wakeup: self.deps.wakeups.any(), period: LOOK_AGAIN, backoff }
    }

    /// Sends a page of every tenant that has new events. A tenant that fails holds up no other, and
    /// is tried again.
    async fn tick(&mut self) -> Result<Progress, Failure> {
        self.look().await.map_err(Failure::passing)?;
        let (mut failed, mut is_more) = (None, false);
        for (tenant, head) in self.heads.clone() {
            match self.send_page(&tenant, head).await {
                Ok(()) => is_more |= self.heads.contains_key(&tenant),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            _ if is_more => Ok(Progress::More),
            Some(error) => Err(Failure::passing(error)),
            None => Ok(Progress::Idle),
        }
    }
}
