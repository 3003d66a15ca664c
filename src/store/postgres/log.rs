//! The port's `Log` on PostgreSQL: one method, one transaction.
//!
//! `intake`, `follow` and `http` call it; `append` and `read` do the work.

use std::ops::Range;

use async_trait::async_trait;

use super::{Postgres, append, read};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{Batch, ChangeToken, Changed, Error, Log, Outcome, Scan, Slice, Start};

#[async_trait]
impl Log for Postgres {
    async fn append(&self, batches: &[Batch]) -> Result<Vec<Outcome>, Error> {
        append::append(&self.sessions, &self.head_cache, batches).await
    }

    async fn read(&self, from: &[(TenantId, Start)], scan: &Scan) -> Result<Vec<Slice>, Error> {
        read::read(&self.sessions, from, scan).await
    }

    async fn topics(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        read::topics(&self.sessions, tenant).await
    }

    async fn count_events(
        &self,
        tenant: &TenantId,
        topic: &Topic,
        key: Option<&Key>,
        range: Range<Position>,
    ) -> Result<u64, Error> {
        read::count(&self.sessions, tenant, topic, key, range).await
    }

    async fn find(&self, tenant: &TenantId, event_id: EventId) -> Result<Option<Envelope>, Error> {
        read::find(&self.sessions, tenant, event_id).await
    }

    async fn changed_since(&self, lane: Lane, since: ChangeToken) -> Result<Changed, Error> {
        read::changed_since(&self.sessions, lane, since).await
    }
}
