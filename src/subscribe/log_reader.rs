//! A reader of a whole log that keeps its own places: the listener has one of each log that Kafka
//! clients read.
//!
//! The newest events come from the page that all readers of the log share, and older ones from the
//! store, in turn with other readers.

use std::sync::Arc;

use super::tail::{self, Part};
use super::waiters::Waiter;
use super::{Error, Subscribe, floors};
use crate::domain::envelope::Envelope;
use crate::domain::filter::Filter;
use crate::domain::floors::Floors;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::Scan;

/// A reader of one log.
pub struct LogReader {
    subscribe: Arc<Subscribe>,
    tenant: TenantId,
    waiter: Waiter,
}

impl Subscribe {
    /// Returns a reader of a log, which is woken as the log grows.
    pub fn reader(self: &Arc<Self>, tenant: &TenantId) -> LogReader {
        let waiter = self.waiters.join(tenant);
        LogReader { subscribe: self.clone(), tenant: tenant.clone(), waiter }
    }

    /// Reads a part of a log, when it is this read's turn.
    pub async fn read(
        &self,
        tenant: &TenantId,
        after: Position,
        scan: Scan,
    ) -> Result<Part, Error> {
        tail::read(&*self.deps.store, &self.reads, tenant, after, scan).await
    }

    /// Returns the floors of a log, by which whoever has its events already knows whether they are
    /// still there.
    pub async fn floors(&self, tenant: &TenantId) -> Result<Floors, Error> {
        floors(&*self.deps.store, tenant).await
    }

    /// Reads the event of a position as the log has it now, when it is this handler's turn.
    pub(super) async fn read_for_handler(
        &self,
        tenant: &TenantId,
        position: Position,
    ) -> Result<Option<Arc<Envelope>>, Error> {
        let _turn = self.handler_reads.take(tenant, 1).await;
        let scan = Scan::page_of_enabled(Filter::default(), 1);
        let part = self.read(tenant, position.before(), scan).await?;
        Ok(part.events.into_iter().next().filter(|event| event.position == position))
    }
}

impl LogReader {
    /// Reads the newest events after a position. What is appended after this call has begun ends
    /// the next wait.
    pub async fn newest(&mut self, after: Position) -> Result<Part, Error> {
        let wakes = self.waiter.look();
        let (store, turns) = (&*self.subscribe.deps.store, &self.subscribe.reads);
        self.waiter.log().tail.read(store, turns, &self.tenant, after, wakes).await
    }

    /// Waits until the log may have grown since the last read.
    pub async fn woken(&mut self) {
        self.waiter.woken().await;
    }
}
