//! The port's `Log` on SQLite: one method, one transaction.
//!
//! `intake`, `follow` and `http` call it; `append` and `read` do the work.

use std::ops::Range;
use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::{Sqlite, append, read};
use crate::domain::draft::Draft;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::append::batch::FingerprintedBatch;
use crate::store::{Batch, ChangeToken, Changed, Error, Log, Outcome, Scan, Slice, Start};

#[async_trait]
impl Log for Sqlite {
    async fn append(&self, batches: &[Batch]) -> Result<Vec<Outcome>, Error> {
        let clock = self.clock.clone();
        let batches: Vec<_> =
            batches.iter().map(|batch| FingerprintedBatch::new(batch).into_owned()).collect();
        let bytes: usize =
            batches.iter().flat_map(|b| &b.batch().drafts).map(Draft::memory_bytes).sum();
        let appended =
            self.writer.write(move |writing| append::append(writing, &*clock, &batches)).await;
        match &appended {
            Ok(_) if (bytes as u64) < self.failed_bytes.load(Ordering::Relaxed) => {}
            Ok(_) => self.failed_bytes.store(0, Ordering::Relaxed),
            Err(_) => drop(self.failed_bytes.fetch_max(bytes as u64, Ordering::Relaxed)),
        }
        appended
    }

    async fn read(&self, from: &[(TenantId, Start)], scan: &Scan) -> Result<Vec<Slice>, Error> {
        let (from, scan) = (from.to_vec(), scan.clone());
        self.readers.read(move |reading| read::read(reading, &from, &scan)).await
    }

    async fn topics(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        let tenant = tenant.clone();
        self.readers.read(move |reading| read::topics(reading, &tenant)).await
    }

    async fn count_events(
        &self,
        tenant: &TenantId,
        topic: &Topic,
        key: Option<&Key>,
        range: Range<Position>,
    ) -> Result<u64, Error> {
        let (tenant, topic, key) = (tenant.clone(), topic.clone(), key.cloned());
        self.readers
            .read(move |reading| read::count(reading, &tenant, &topic, key.as_ref(), &range))
            .await
    }

    async fn find(&self, tenant: &TenantId, event_id: EventId) -> Result<Option<Envelope>, Error> {
        let tenant = tenant.clone();
        self.readers.read(move |reading| read::find(reading, &tenant, event_id)).await
    }

    async fn changed_since(&self, lane: Lane, since: ChangeToken) -> Result<Changed, Error> {
        self.readers.read(move |reading| read::changed_since(reading, lane, since)).await
    }
}
