//! The port's `Log` on MongoDB.
//!
//! `intake`, `follow` and `http` call it; `append`, `read` and `changed` do the work.

use std::ops::Range;

use async_trait::async_trait;

use super::append::Append;
use super::{Mongodb, read, transaction};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{Batch, ChangeToken, Changed, Error, Log, Outcome, Scan, Slice, Start};

#[async_trait]
impl Log for Mongodb {
    async fn append(&self, batches: &[Batch]) -> Result<Vec<Outcome>, Error> {
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        let append = Append::new(&self.collections, &self.head_cache, batches);
        let appended = transaction::commit(&self.collections.open_transactions, &append).await?;
        Ok(appended.commit(&self.head_cache))
    }

    async fn read(&self, from: &[(TenantId, Start)], scan: &Scan) -> Result<Vec<Slice>, Error> {
        read::read(&self.collections, self.session().await?, from, scan).await
    }

    async fn topics(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        read::topics(&self.collections, &mut self.session().await?, tenant).await
    }

    async fn count_events(
        &self,
        tenant: &TenantId,
        topic: &Topic,
        key: Option<&Key>,
        range: Range<Position>,
    ) -> Result<u64, Error> {
        read::count(&self.collections, tenant, topic, key, range).await
    }

    async fn find(&self, tenant: &TenantId, event_id: EventId) -> Result<Option<Envelope>, Error> {
        read::find(&self.collections, self.session().await?, tenant, event_id).await
    }

    async fn changed_since(&self, lane: Lane, since: ChangeToken) -> Result<Changed, Error> {
        self.read_changed(lane, since).await
    }
}
