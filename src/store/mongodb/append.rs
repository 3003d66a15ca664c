//! Append: the only way into the logs.
//!
//! The port passes in batches of drafts; `append::attempt` makes the plan, which is written in a
//! transaction. The heads are raised before anything else is written, if they have the versions of
//! the plan's snapshot: of two appends that raise the same head, one loses. So the snapshot still
//! holds when the plan is written. Known event ids are not predicted: if one is known, inserting
//! its row fails, and the transaction is run again on what is read.
//!
//! An append of known event ids alone is committed too, though it writes nothing but the end of its
//! transaction: the events may have been read before a majority had them, and must not be answered
//! before a majority does.

use std::collections::HashMap;
use std::mem;

use ::mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc, rawdoc};
use ::mongodb::error::Error as Cause;
use async_trait::async_trait;

use super::collections::Collections;
use super::error::{is_known, text};
use super::rows::Rows;
use super::transaction::{Transaction, TransactionBody};
use super::{bulk, rows, trail};
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::append::batch::{self, FingerprintedBatch};
use crate::store::append::head_cache::HeadCache;
use crate::store::append::plan::{AppendPlan, NewEvent};
use crate::store::append::snapshot::{LogState, Snapshot};
use crate::store::append::{self, AppendStore, Appended, HeadChanged, Versions};
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::{Batch, Error, Receipt};

/// The largest document that MongoDB takes.
pub(super) const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The version of a head: its log, its last position, and whether the tenant is enabled.
pub(super) type HeadVersion = (LogId, Position, bool);

/// One append, which is run in a transaction.
pub(super) struct Append<'a> {
    collections: &'a Collections,
    head_cache: &'a HeadCache<HeadVersion>,
    batches: Vec<FingerprintedBatch<'a>>,
}

impl<'a> Append<'a> {
    /// Makes an append of these batches.
    pub(super) fn new(
        collections: &'a Collections,
        head_cache: &'a HeadCache<HeadVersion>,
        batches: &'a [Batch],
    ) -> Self {
        let batches = batches.iter().map(FingerprintedBatch::new).collect();
        Self { collections, head_cache, batches }
    }

    /// Makes an append of a batch of the gateway's own.
    pub(super) fn own(
        collections: &'a Collections,
        head_cache: &'a HeadCache<HeadVersion>,
        batch: &'a Batch,
    ) -> Self {
        Self { collections, head_cache, batches: vec![FingerprintedBatch::own(batch)] }
    }
}

#[async_trait]
impl TransactionBody for Append<'_> {
    type Done = Appended<HeadVersion>;

    async fn run(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Appended<HeadVersion>, TransactionError> {
        let mut open = Open { collections: self.collections, transaction, changed: String::new() };
        match append::attempt(&mut open, self.head_cache, &self.batches).await? {
            Ok(appended) => Ok(appended),
            // Nothing can change what the transaction itself has read.
            Err(HeadChanged) => Err(Error::Corrupt(open.changed).into()),
        }
    }
}

/// An append in an open transaction.
struct Open<'a, 's> {
    collections: &'a Collections,
    transaction: &'a mut Transaction<'s>,
    /// The observation that shows that a head has changed.
    changed: String,
}

#[async_trait]
impl AppendStore for Open<'_, '_> {
    type HeadVersion = HeadVersion;
    type Error = TransactionError;

    async fn read(
        &mut self,
        batches: &[FingerprintedBatch<'_>],
    ) -> Result<Snapshot<HeadVersion>, TransactionError> {
        let Collections { heads, delete_alls, idempotency, .. } = self.collections;
        let tenants: Vec<_> = batch::tenants(batches).into_iter().map(TenantId::as_str).collect();
        // Everything is read in one row, since a transaction allows no union of collections.
        let find = vec![
            of(&tenants),
            doc! { "$group": { "_id": null, "heads": { "$push": "$$ROOT" } } },
            doc! { "$set": { "now": "$$NOW" } },
            with(delete_alls, "delete_alls", &topics(batches)),
            with(idempotency, "known", &event_ids(batches)),
        ];
        match bulk::join(heads.aggregate(find), self.transaction).await?.pop() {
            Some(found) => Ok(snapshot(&found)?),
            None => {
                let (logs, versions) = (HashMap::new(), HashMap::new());
                Ok(Snapshot { logs, versions, now: Time::ZERO })
            }
        }
    }

    async fn write(
        &mut self,
        plan: &AppendPlan,
        versions: &mut Versions<HeadVersion>,
    ) -> Result<Result<(), HeadChanged>, TransactionError> {
        let Collections { heads, events, idempotency: known, delete_alls, .. } = self.collections;
        let rows = plan.new_events.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let raised = plan.heads.iter().map(|(tenant, end)| raise(tenant, versions[tenant], *end));
        let found = bulk::update(heads, raised.collect(), self.transaction).await?;
        if found < plan.heads.len() {
            let all = plan.heads.len();
            self.changed = format!("collection heads: {found} of {all} rows could be updated");
            return Ok(Err(HeadChanged));
        }
        let inserted = events.insert_many(rows).session(&mut *self.transaction).await;
        if self.is_known(inserted)? {
            return Ok(Err(HeadChanged));
        }
        let rows = plan.new_events.iter().map(idempotency);
        let inserted = known.insert_many(rows).session(&mut *self.transaction).await;
        if self.is_known(inserted)? {
            return Ok(Err(HeadChanged));
        }
        for ((tenant, topic), position) in &plan.delete_alls {
            let row = doc! { "_id": on(tenant, topic) };
            let raise = doc! { "$set": { "position": position.as_column() } };
            let raise = delete_alls.update_one(row, raise).upsert(true);
            raise.session(&mut *self.transaction).await?;
        }
        for act in plan.acts() {
            trail::note(self.collections, Some(act), self.transaction).await?;
        }
        for (tenant, (_, position, _)) in versions {
            *position = plan.heads.get(tenant).map_or(*position, |end| end.position);
        }
        Ok(Ok(()))
    }

    /// The transaction's snapshot may lie before the change.
    fn mispredicted(&mut self) -> Result<(), TransactionError> {
        Err(TransactionError::Retry(Error::Unavailable(mem::take(&mut self.changed))))
    }
}

impl Open<'_, '_> {
    /// Returns whether rows were not inserted because one of them exists.
    fn is_known<T>(&mut self, inserted: Result<T, Cause>) -> Result<bool, TransactionError> {
        match inserted {
            Err(cause) if is_known(&cause) => {
                self.changed = text(&cause);
                Ok(true)
            }
            inserted => Ok(inserted.map(|_| false)?),
        }
    }
}

/// Reads the snapshot from the row that was found.
fn snapshot(found: &RawDocument) -> Result<Snapshot<HeadVersion>, Error> {
    let (mut logs, mut versions) = (HashMap::new(), HashMap::new());
    for row in rows::documents(found, "heads")? {
        let head = row.head()?;
        versions.insert(head.tenant.clone(), (head.log_id, head.position, head.is_enabled));
        logs.insert(head.tenant.clone(), LogState::from(head));
    }
    for row in rows::documents(found, "delete_alls")? {
        if let Some(log) = logs.get_mut(&row.tenant()?) {
            log.delete_alls.insert(row.topic()?, row.position()?);
        }
    }
    for row in rows::documents(found, "known")? {
        if let Some(log) = logs.get_mut(&row.tenant()?) {
            log.known.extend([row.idempotency_record()?]);
        }
    }
    Ok(Snapshot { logs, versions, now: rows::date(found, "now")? })
}

/// Returns the ids of the rows of the batches' topics.
fn topics(batches: &[FingerprintedBatch]) -> Vec<Document> {
    let topics = batch::topics(batches).into_iter();
    topics
        .flat_map(|(tenant, topics)| topics.into_iter().map(move |topic| on(tenant, topic)))
        .collect()
}

/// Returns the ids of the rows of the batches' event ids.
fn event_ids(batches: &[FingerprintedBatch]) -> Vec<Document> {
    let ids = batches.iter().map(FingerprintedBatch::batch).flat_map(|batch| {
        let tenant = batch.tenant.as_str();
        batch
            .drafts
            .iter()
            .map(move |d| doc! { "tenant": tenant, "event_id": rows::uuid(d.event_id) })
    });
    ids.collect()
}

/// Returns the filter for the rows with these ids.
fn of<T: Clone + Into<Bson>>(ids: &[T]) -> Document {
    doc! { "$match": { "_id": { "$in": ids } } }
}

/// Returns the pipeline stage that adds the rows of another collection as a field.
fn with(rows: &Rows, field: &str, ids: &[Document]) -> Document {
    doc! { "$lookup": { "from": rows.name(), "pipeline": [of(ids)], "as": field } }
}

/// Returns the id of the row of a topic's last DELETE_ALL.
fn on(tenant: &TenantId, topic: &Topic) -> Document {
    doc! { "tenant": tenant.as_str(), "topic": topic.as_str() }
}

fn event(new_event: &NewEvent) -> Result<RawDocumentBuf, Error> {
    let row = rows::event(&new_event.envelope);
    let bytes = row.as_bytes().len();
    if bytes > DOCUMENT_BYTES_MAX {
        let id = new_event.envelope.event_id;
        return Err(Error::Refused(format!(
            "event {id} has {bytes} bytes, but MongoDB takes 16 MiB"
        )));
    }
    Ok(row)
}

fn idempotency(new_event: &NewEvent) -> RawDocumentBuf {
    let event = &new_event.envelope;
    rawdoc! {
        "_id": { "tenant": event.tenant.as_str(), "event_id": rows::uuid(event.event_id) },
        "position": event.position.as_column(),
        "time_ms": event.time.as_ms(),
        "fingerprint": rows::binary(&new_event.fingerprint),
    }
}

/// Returns the update that raises a head, if it still has this version. The head's new change
/// version lies above the time at which the append was registered.
fn raise(tenant: &TenantId, version: HeadVersion, end: Receipt) -> Document {
    let (log_id, before, is_enabled) = version;
    let head = doc! {
        "_id": tenant.as_str(),
        "log_id": log_id.to_string(),
        "position": before.as_column(),
        "disabled_ms": { "$exists": !is_enabled },
    };
    let Receipt { position, time } = end;
    let end = doc! {
        "position": position.as_column(),
        "time_ms": time.as_ms(),
        "version": "$$CLUSTER_TIME",
    };
    doc! { "q": head, "u": [{ "$set": end }] }
}
