//! Many rows in one call.
//!
//! Fed by every file of this adapter that reads or writes more than one; feeds the server with as
//! few calls as may be.

use ::mongodb::ClientSession;
use ::mongodb::bson::{Document, RawDocumentBuf, doc};
use ::mongodb::error::Error as Cause;
use futures_util::TryStreamExt;

use super::collections::Rows;
use super::transaction::Failed;
use crate::store::Error;

/// What one command may hold stays far below 16 MiB.
const STATEMENTS_MAX: usize = 1_000;

/// The rows that a filter finds.
pub(super) async fn find(
    rows: &Rows,
    filter: Document,
    session: &mut ClientSession,
) -> Result<Vec<RawDocumentBuf>, Cause> {
    let mut found = rows.find(filter).session(&mut *session).await?;
    found.stream(session).try_collect().await
}

/// Updates rows, each by a statement `{q, u}`, in a transaction; each statement finds its row.
pub(super) async fn update(
    rows: &Rows,
    statements: Vec<Document>,
    session: &mut ClientSession,
) -> Result<(), Failed> {
    let database = rows.client().database(&rows.namespace().db);
    for statements in statements.chunks(STATEMENTS_MAX) {
        let update = doc! { "update": rows.name(), "updates": statements };
        let answer = database.run_command(update).session(&mut *session).await?;
        let errors = answer.get_array("writeErrors").ok().and_then(|errors| errors.first());
        let updated = answer.get_i32("n").ok().and_then(|n| usize::try_from(n).ok());
        if errors.is_some() || updated != Some(statements.len()) {
            let (name, all) = (rows.name(), statements.len());
            let why = format!("collection {name}: {updated:?} of {all} rows could be updated, {errors:?}");
            return Err(Error::Corrupt(why).into());
        }
    }
    Ok(())
}
