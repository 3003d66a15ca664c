//! Removal of the documents that a DELETE_ALL of a compacted topic has made void, and of those of a
//! record that was erased.
//!
//! `publisher` calls it before it writes a page with a DELETE_ALL, since a transaction must be
//! short: each step removes so many documents at most, under the lease's term. The last ones are
//! removed in the page's own transaction. A document without an entry is hexkit's own, and stays.

use std::collections::BTreeSet;

use ::mongodb::bson::{DateTime, Document, RawDocumentBuf, doc};
use async_trait::async_trait;
use futures_util::TryStreamExt;

use super::classify::{Failure, sink_error};
use super::entries;
use super::lane::Lane;
use super::plan::{Item, Keeps};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventType;
use crate::domain::position::LogId;
use crate::mongodb_client::error::answered;
use crate::mongodb_client::transaction::{self, Transaction, TransactionBody};
use crate::sink::Error;

/// The most documents that one transaction removes.
const STEP: i64 = 1_000;

/// Returns the items that are a DELETE_ALL of a compacted topic.
pub(super) fn delete_alls<'i>(items: &'i [Item<'i>]) -> impl Iterator<Item = &'i Item<'i>> {
    items.iter().filter(|item| {
        let is_delete_all = item.content.event.event_type == EventType::DeleteAll;
        is_delete_all && item.keeps == Keeps::LastOfKey
    })
}

/// Removes the entries of a log whose cursor is forgotten, so that its events may come again from
/// the start. The documents stay.
pub(super) async fn entries_of(lane: &Lane, log_id: LogId) -> Result<(), Error> {
    let client = lane.collections()?.client();
    let entries = Entries { lane, log_id };
    while transaction::commit(client, &entries).await? == STEP.unsigned_abs() {}
    Ok(())
}

/// One step of the removal of a log's entries.
struct Entries<'a> {
    lane: &'a Lane,
    log_id: LogId,
}

#[async_trait]
impl TransactionBody for Entries<'_> {
    type Done = u64;
    type Failure = Failure;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<u64, Failure> {
        self.lane.fence(transaction).await?;
        let positions = &self.lane.collections()?.positions;
        let find = positions.find(doc! { "log_id": self.log_id.to_string() }).limit(STEP);
        let mut found = find.projection(doc! { "_id": 1 }).session(&mut *transaction).await?;
        let rows: Vec<RawDocumentBuf> =
            found.stream((&mut *transaction).into()).try_collect().await?;
        let ids: Vec<_> = rows.iter().filter_map(|row| row.get_document("_id").ok()).collect();
        let ids: Result<Vec<Document>, _> = ids.into_iter().map(Document::try_from).collect();
        let ids = ids.map_err(|e| Error::retry(e.to_string()))?;
        let removed = positions.delete_many(doc! { "_id": { "$in": ids } });
        Ok(removed.session(transaction).await?.deleted_count)
    }
}

/// Removes older documents until each DELETE_ALL has few left.
pub(super) async fn in_steps(lane: &Lane, items: &[Item<'_>]) -> Result<(), Error> {
    let collections = lane.collections()?;
    for item in delete_alls(items) {
        let (collection, event) = (&item.collection, item.content.event);
        let many = |filter: Document| {
            let count = collections.positions.count_documents(filter);
            answered(count.limit(STEP.unsigned_abs() + 1))
        };
        while many(entries::before(collection, event)).await.map_err(sink_error)?
            > STEP.unsigned_abs()
        {
            let step = Step { lane, collection, event };
            transaction::commit(collections.client(), &step).await?;
        }
    }
    Ok(())
}

struct Step<'a> {
    lane: &'a Lane,
    collection: &'a str,
    event: &'a Envelope,
}

#[async_trait]
impl TransactionBody for Step<'_> {
    type Done = ();
    type Failure = Failure;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), Failure> {
        self.lane.fence(transaction).await?;
        remove(self.lane, self.collection, self.event, transaction).await
    }
}

/// Removes documents that a DELETE_ALL has made void, and their entries: one step of them.
pub(super) async fn remove(
    lane: &Lane,
    collection: &str,
    event: &Envelope,
    transaction: &mut Transaction<'_>,
) -> Result<(), Failure> {
    let collections = lane.collections()?;
    let positions = &collections.positions;
    let find = positions.find(entries::before(collection, event)).limit(STEP);
    let mut found = find.projection(doc! { "_id": 1 }).session(&mut *transaction).await?;
    let rows: Vec<RawDocumentBuf> = found.stream((&mut *transaction).into()).try_collect().await?;
    let ids: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row.get_document("_id").ok()?.get_str("document").ok())
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = ids.into_iter().collect();
    let entries: Vec<Document> =
        ids.iter().map(|id| doc! { "collection": collection, "document": *id }).collect();
    let documents = collections.named(collection);
    documents.delete_many(doc! { "_id": { "$in": &ids } }).session(&mut *transaction).await?;
    positions.delete_many(doc! { "_id": { "$in": entries } }).session(&mut *transaction).await?;
    Ok(())
}

/// Removes the documents of a record that was erased, if they were created no later than its ERASED
/// event. Those of events that the log has lost are among them, wherever they stood. hexkit's own
/// have no log id, and stay.
pub(super) async fn of_record(
    lane: &Lane,
    collection: &str,
    erased: &Envelope,
    transaction: &mut Transaction<'_>,
) -> Result<(), Failure> {
    let its = doc! {
        "topic": erased.topic.as_str(),
        "key": erased.key.as_str(),
        "headers.x-okapi-tenant": erased.tenant.as_str(),
        "headers.log_id": { "$exists": true },
        "created": { "$lte": DateTime::from_millis(erased.time.as_ms()) },
    };
    let documents = lane.collections()?.named(collection);
    documents.delete_many(its).session(transaction).await?;
    Ok(())
}
