//! Bulk calls: many rows in one call.
//!
//! The files of this adapter use them to read or write many rows in as few calls as possible.

use ::mongodb::action::Aggregate;
use ::mongodb::bson::{Document, RawDocumentBuf, doc};
use ::mongodb::error::Error as Cause;
use ::mongodb::options::ReadConcern;
use ::mongodb::{ClientSession, Database};
use futures_util::TryStreamExt;

use super::error::{ANSWERS_WITHIN, DUPLICATE_KEY, reading, writing};
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
    rows: &Rows,
    pipeline: Vec<Document>,
    transaction: &mut Transaction<'_>,
) -> Result<Vec<RawDocumentBuf>, Cause> {
    collect(rows.aggregate(pipeline), transaction.into()).await
}

/// Returns the rows that a pipeline makes, in a session that reads one snapshot.
pub(super) async fn aggregate(
    rows: &Rows,
    pipeline: Vec<Document>,
    session: &mut ClientSession,
) -> Result<Vec<RawDocumentBuf>, Error> {
    // The read concern is set here too, since the client's default for all reads would be stronger.
    reading(collect(rows.aggregate(pipeline).read_concern(ReadConcern::snapshot()), session)).await
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

/// The result of an upsert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upserted {
    /// Every statement updated or inserted a row.
    All,
    /// Some statements found rows that exist but don't match.
    NotThoseThatDoNotFit,
}

/// Updates or inserts rows, each by a statement `{q, u, upsert}` and each by itself. Returns once a
/// majority has them in its journals.
pub(super) async fn upsert(rows: &Rows, statements: Vec<Document>) -> Result<Upserted, Error> {
    let mut upserted = Upserted::All;
    for statements in statements.chunks(STATEMENTS_MAX) {
        let mut command = command(rows, statements);
        command.insert("ordered", false);
        // The client's default write concern does not apply to commands.
        command.insert(
            "writeConcern",
            doc! { "w": "majority", "j": true, "wtimeout": rows::ms(ANSWERS_WITHIN) },
        );
        let answer = writing(database(rows).run_command(command)).await?;
        if let Some(failed) = answer.get("writeConcernError") {
            return Err(Error::Unknown(failed.to_string()));
        }
        if is_known_twice(&answer) {
            upserted = Upserted::NotThoseThatDoNotFit;
        } else {
            all_done(rows, statements, &answer)?;
        }
    }
    Ok(upserted)
}

/// Returns whether the only errors are rows that could not be inserted because they exist.
fn is_known_twice(answer: &Document) -> bool {
    let Ok(errors) = answer.get_array("writeErrors") else { return false };
    errors.iter().all(|error| {
        let code = error.as_document().and_then(|error| error.get_i32("code").ok());
        code == Some(DUPLICATE_KEY)
    })
}

fn database(rows: &Rows) -> Database {
    rows.client().database(&rows.namespace().db)
}

fn command(rows: &Rows, statements: &[Document]) -> Document {
    doc! { "update": rows.name(), "updates": statements }
}

fn all_done(rows: &Rows, statements: &[Document], answer: &Document) -> Result<(), Error> {
    let (name, all) = (rows.name(), statements.len());
    match done(rows, answer)? {
        done if done == all => Ok(()),
        done => {
            Err(Error::Corrupt(format!("collection {name}: {done} of {all} rows could be updated")))
        }
    }
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
