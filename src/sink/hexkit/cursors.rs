//! The lanes' cursors, in a collection of their own: the same keys and values as the records of
//! Kafka's cursors topic.
//!
//! `page_write` writes those of a page in its transaction; a takeover reads them all.

use ::mongodb::bson::{Document, RawDocumentBuf, doc, rawdoc};
use futures_util::TryStreamExt;

use super::classify::{Failure, sink_error};
use super::collections::Collections;
use super::lane::Lane;
use super::rows;
use crate::domain::follower::Follower;
use crate::domain::lane;
use crate::domain::position::LogId;
use crate::mongodb_client::error::answered;
use crate::mongodb_client::transaction::Transaction;
use crate::sink::record::{self, CursorRecord};
use crate::sink::{Error, KnownCursors, Page};

/// Writes the cursors of a page.
pub(super) async fn commit(
    lane: &Lane,
    page: &Page,
    transaction: &mut Transaction<'_>,
) -> Result<(), Failure> {
    let all = page.slices.iter().map(|slice| {
        let record = CursorRecord::new(&page.follower, slice);
        rawdoc! {
            "_id": { "lane": lane.number(), "cursor": record.key() },
            "value": record.value().unwrap_or_default(),
        }
    });
    rows::replace(&lane.collections()?.cursors, all.collect(), transaction).await
}

/// Reads the cursors of a lane that is taken over.
pub(super) async fn read(
    lane: &Lane,
    transaction: &mut Transaction<'_>,
) -> Result<KnownCursors, Failure> {
    let cursors = &lane.collections()?.cursors;
    let mut found = cursors.find(of_lane(lane.number())).session(&mut *transaction).await?;
    let found: Vec<RawDocumentBuf> = found.stream(transaction.into()).try_collect().await?;
    Ok(known(cursors.name(), &found)?)
}

/// Reads the cursors of a lane as they are now.
pub(super) async fn all(
    collections: &Collections,
    lane: lane::Lane,
) -> Result<KnownCursors, Error> {
    let cursors = &collections.cursors;
    let find = async {
        let found = cursors.find(of_lane(lane.number().into())).await?;
        found.try_collect::<Vec<RawDocumentBuf>>().await
    };
    known(cursors.name(), &answered(find).await.map_err(sink_error)?)
}

/// Returns whether any lane has a follower's cursor of a log.
pub(super) async fn any_lane_has(
    collections: &Collections,
    log_id: LogId,
    follower: &Follower,
) -> Result<bool, Error> {
    let record = CursorRecord::tombstone(log_id, follower);
    let find = collections.cursors.find_one(doc! { "_id.cursor": record.key() });
    Ok(answered(find).await.map_err(sink_error)?.is_some())
}

fn of_lane(number: i32) -> Document {
    doc! { "_id.lane": number }
}

fn known(name: &str, rows: &[RawDocumentBuf]) -> Result<KnownCursors, Error> {
    let mut known = KnownCursors::new();
    for row in rows {
        let key = row.get_document("_id").ok().and_then(|id| id.get_str("cursor").ok());
        let value = row.get_str("value").ok();
        let read = record::cursor(key.map(str::as_bytes), value.map(str::as_bytes));
        let (key, cursor) = read.map_err(|why| {
            Error::cursors(format!("a document of the collection `{name}`: {why}"))
        })?;
        known.extend(cursor.map(|cursor| (key, cursor)));
    }
    Ok(known)
}

/// Removes cursors of a lane.
pub(super) async fn forget(
    lane: &Lane,
    cursors: &[(LogId, Follower)],
    transaction: &mut Transaction<'_>,
) -> Result<(), Failure> {
    let ids: Vec<Document> = cursors
        .iter()
        .map(|(log_id, follower)| {
            let record = CursorRecord::tombstone(*log_id, follower);
            doc! { "lane": lane.number(), "cursor": record.key() }
        })
        .collect();
    let rows = &lane.collections()?.cursors;
    rows.delete_many(doc! { "_id": { "$in": ids } }).session(transaction).await?;
    Ok(())
}
