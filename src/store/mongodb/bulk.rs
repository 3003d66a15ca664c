//! Bulk calls: many rows in one call.
//!
//! The files of this adapter use them to read or write many rows in as few calls as possible.

use ::mongodb::action::Aggregate;
use ::mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use ::mongodb::error::Error as Cause;
use ::mongodb::options::ReadConcern;
use ::mongodb::{ClientSession, Database};
use futures_util::TryStreamExt;

use super::error::{ANSWERS_WITHIN, reading, writing};
use super::rows;
use super::rows::Rows;
use super::transaction::Transaction;
use crate::store::Error;
use crate::store::error::TransactionError;

/// The most statements in one command, which stay far below 16 MiB.
const STATEMENTS_MAX: usize = 1_000;

/// Returns the rows that a filter finds.
pub(super) async fn find(
    rows: &Rows,
    filter: Document,
    session: &mut ClientSession,
) -> Result<Vec<RawDocumentBuf>, Cause> {
    let mut found = rows.find(filter).session(&mut *session).await?;
    found.stream(session).try_collect().await
}

/// Returns the rows that a pipeline makes, in a transaction.
pub(super) async fn join(
    pipeline: Aggregate<'_>,
    transaction: &mut Transaction<'_>,
) -> Result<Vec<RawDocumentBuf>, Cause> {
    collect(pipeline, transaction.into()).await
}

/// Returns the rows that a pipeline makes, in a session that reads one snapshot.
pub(super) async fn aggregate(
    pipeline: Aggregate<'_>,
    session: &mut ClientSession,
) -> Result<Vec<RawDocumentBuf>, Error> {
    // The read concern is set here too, since the client's default for all reads would be stronger.
    reading(collect(pipeline.read_concern(ReadConcern::snapshot()), session)).await
}

async fn collect(
    pipeline: Aggregate<'_>,
    session: &mut ClientSession,
) -> Result<Vec<RawDocumentBuf>, Cause> {
    let mut found = pipeline.with_type::<RawDocumentBuf>().session(&mut *session).await?;
    found.stream(session).try_collect().await
}

/// Updates rows, each by a statement `{q, u}`, in a transaction. Returns the number of statements
/// that found their rows.
pub(super) async fn update(
    rows: &Rows,
    statements: Vec<Document>,
    transaction: &mut Transaction<'_>,
) -> Result<usize, TransactionError> {
    let mut updated = 0;
    for statements in statements.chunks(STATEMENTS_MAX) {
        let database = database(rows);
        let update = database.run_command(command(rows, statements));
        updated += done(rows, &update.session(&mut *transaction).await?)?;
    }
    Ok(updated)
}

/// Passes documents through stages, the last of which merges them into rows. Returns once a
/// majority has these in its journals. `any` has a row, since a pipeline must begin with one.
pub(super) async fn merge(
    any: &Rows,
    documents: &[Document],
    stages: &[Document],
) -> Result<(), Error> {
    for documents in documents.chunks(STATEMENTS_MAX) {
        // MongoDB 5.0 has no `$documents`.
        let mut pipeline = vec![
            doc! { "$limit": 1 },
            doc! { "$project": { "document": { "$literal": documents } } },
            doc! { "$unwind": "$document" },
            doc! { "$replaceWith": "$document" },
        ];
        pipeline.extend_from_slice(stages);
        let command = doc! {
            "aggregate": any.name(),
            "pipeline": pipeline,
            "cursor": {},
            // The client's default write concern does not apply to commands.
            "writeConcern": { "w": "majority", "j": true, "wtimeout": rows::ms(ANSWERS_WITHIN) },
        };
        let answer = writing(database(any).run_command(command)).await?;
        if let Some(failed) = answer.get("writeConcernError") {
            return Err(Error::Unknown(failed.to_string()));
        }
    }
    Ok(())
}

/// Returns the bytes on disk of the database that has these rows, with its indexes.
pub(super) async fn disk_bytes(any: &Rows) -> Result<u64, Error> {
    let answer = reading(database(any).run_command(doc! { "dbStats": 1 })).await?;
    let bytes = answer.get("totalSize").and_then(|bytes| match bytes {
        Bson::Double(bytes) => Some(*bytes as u64),
        Bson::Int64(bytes) => u64::try_from(*bytes).ok(),
        Bson::Int32(bytes) => u64::try_from(*bytes).ok(),
        _ => None,
    });
    bytes.ok_or_else(|| Error::Corrupt("the answer of dbStats has no size".to_owned()))
}

fn database(rows: &Rows) -> Database {
    rows.client().database(&rows.namespace().db)
}

fn command(rows: &Rows, statements: &[Document]) -> Document {
    doc! { "update": rows.name(), "updates": statements }
}

/// Returns the number of statements that found or inserted their rows.
fn done(rows: &Rows, answer: &Document) -> Result<usize, Error> {
    let name = rows.name();
    if let Some(failed) = answer.get_array("writeErrors").ok().and_then(|errors| errors.first()) {
        return Err(Error::Unavailable(format!(
            "collection {name}: a row can't be updated: {failed}"
        )));
    }
    let done = answer.get_i32("n").ok().and_then(|n| usize::try_from(n).ok());
    done.ok_or_else(|| {
        Error::Corrupt(format!(
            "collection {name}: the answer of an update has no \
                                               number"
        ))
    })
}
