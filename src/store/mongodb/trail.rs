//! The port's `Trail` on MongoDB.
//!
//! The adapter's files that write an act write its entry with it, in one transaction. Ids are those
//! of MongoDB's objects, which rise in a process.

use ::mongodb::bson::oid::ObjectId;
use ::mongodb::bson::{Document, doc};
use ::mongodb::error::Error as Cause;
use async_trait::async_trait;
use futures_util::TryStreamExt;

use super::Mongodb;
use super::collections::Collections;
use super::error::{is_known, reading, text, writing};
use super::rows::Rows;
use super::transaction::{self, Transaction, TransactionBody};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::{TrailEntry, TrailRow};
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::trail::trail_row;
use crate::store::{Error, Trail, TrailScan};

#[async_trait]
impl Trail for Mongodb {
    async fn add_trail(&self, entry: &TrailEntry) -> Result<(), Error> {
        let insert = self.collections.trail.update_one(new_id(), row(entry));
        writing(insert.upsert(true)).await.map(drop)
    }

    async fn trail(&self, scan: &TrailScan) -> Result<Vec<TrailRow>, Error> {
        let (from, to, after, word) = scan.bounds();
        let mut wanted = doc! {
            "time_ms": { "$gte": from.max(after), "$lt": to },
            "$or": [{ "time_ms": { "$gt": after } }, { "time_ms": after, "_id.word": { "$gt": word } }],
        };
        wanted.extend(
            scan.tenant.as_ref().map(|tenant| ("tenant".to_owned(), tenant.as_str().into())),
        );
        wanted.extend(scan.act.map(|act| ("act".to_owned(), act.as_str().into())));
        let found = async {
            let rows = self.collections.trail.find(wanted);
            let rows = rows.sort(doc! { "time_ms": 1, "_id.word": 1 });
            rows.limit(column_of(scan.rows_max)).await?.try_collect::<Vec<_>>().await
        };
        reading(found).await?.iter().map(|row| trail_row(&**row)).collect()
    }

    async fn drop_trail(&self, before: Time, max: usize) -> Result<u64, Error> {
        let trail = &self.collections.trail;
        let old = async {
            let old = trail.find(doc! { "time_ms": { "$lt": before.as_ms() } });
            let old = old.sort(doc! { "time_ms": 1, "_id.word": 1 }).limit(column_of(max));
            old.projection(doc! { "_id": 1 }).await?.try_collect::<Vec<_>>().await
        };
        let old = reading(old).await?;
        let words = old.iter().map(|row| row.text("word")).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<_> = words.iter().map(|word| doc! { "word": *word }).collect();
        let dropped = trail.delete_many(doc! { "_id": { "$in": ids } });
        Ok(writing(dropped).await?.deleted_count)
    }
}

/// The change of one row that is an act.
pub(super) enum Change<'a> {
    /// Updates the row, if it is as it must be.
    Update(Document),
    /// Inserts the row of a tenant that has a log, unless it is there.
    Insert(&'a TenantId, Document),
    /// Removes the row, if it is as it must be.
    Delete,
}

/// An act that changes one row, and its entry.
pub(super) struct ActOnRow<'a> {
    pub(super) collections: &'a Collections,
    pub(super) rows: &'a Rows,
    /// The filter that finds the row.
    pub(super) its: Document,
    pub(super) change: Change<'a>,
    /// The filter of another row of the same collection, which must not be there.
    pub(super) unless: Option<Document>,
    pub(super) by: Option<&'a TrailEntry>,
}

impl ActOnRow<'_> {
    /// Writes the row and the entry, or neither. Returns whether they were written.
    pub(super) async fn commit(self) -> Result<bool, Error> {
        transaction::commit(&self.collections.open_transactions, &self).await
    }
}

#[async_trait]
impl TransactionBody for ActOnRow<'_> {
    type Done = bool;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, TransactionError> {
        let Self { collections, rows, its, change, unless, by } = self;
        if let Some(other) = unless
            && rows.find_one(other.clone()).session(&mut *transaction).await?.is_some()
        {
            return Ok(false);
        }
        let changed = match change {
            Change::Delete => {
                let delete = rows.delete_one(its.clone()).session(&mut *transaction);
                delete.await.map(|done| done.deleted_count == 1)
            }
            Change::Update(update) => {
                let update = rows.update_one(its.clone(), update.clone());
                update.session(&mut *transaction).await.map(|done| done.matched_count == 1)
            }
            Change::Insert(tenant, row) => {
                let log = collections.tenants.find_one(doc! { "_id": tenant.as_str() });
                if log.session(&mut *transaction).await?.is_none() {
                    return Ok(false);
                }
                let insert = doc! { "$setOnInsert": row.clone() };
                let insert = rows.update_one(its.clone(), insert).upsert(true);
                insert.session(&mut *transaction).await.map(|done| done.upserted_id.is_some())
            }
        };
        let changed = changed.map_err(retried)?;
        if changed {
            note(collections, *by, transaction).await?;
        }
        Ok(changed)
    }
}

/// Returns the error of a write; another one has inserted the same row meanwhile, which is seen
/// when the transaction is run again.
fn retried(cause: Cause) -> TransactionError {
    if is_known(&cause) {
        return TransactionError::Retry(Error::Unavailable(text(&cause)));
    }
    cause.into()
}

/// Writes the entry of an act, if it has one.
pub(super) async fn note(
    collections: &Collections,
    entry: Option<&TrailEntry>,
    transaction: &mut Transaction<'_>,
) -> Result<(), TransactionError> {
    if let Some(entry) = entry {
        let insert = collections.trail.update_one(new_id(), row(entry)).upsert(true);
        insert.session(transaction).await?;
    }
    Ok(())
}

fn new_id() -> Document {
    doc! { "_id": { "word": ObjectId::new().to_hex() } }
}

/// Returns the update that makes the row of an entry, with the server's time.
fn row(entry: &TrailEntry) -> Vec<Document> {
    let TrailEntry { actor, act, tenant, object, reason } = entry;
    let literal = |text: &str| doc! { "$literal": text };
    let mut row = doc! {
        "time_ms": { "$toLong": "$$NOW" },
        "who": literal(&actor.who),
        "act": act.as_str(),
        "object": literal(object),
    };
    for (name, text) in [
        ("issuer", actor.issuer.as_deref()),
        ("tenant", tenant.as_ref().map(TenantId::as_str)),
        ("reason", reason.as_deref()),
        ("request_id", actor.request_id.as_deref()),
    ] {
        row.extend(text.map(|text| (name.to_owned(), literal(text).into())));
    }
    vec![doc! { "$set": row }]
}

/// Returns a limit as the server takes it, to which 0 is none.
pub(super) fn column_of(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX).max(1)
}
