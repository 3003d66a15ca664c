//! Rows: reads and replaces many documents in few commands, in a transaction.
//!
//! The files of this adapter use it, for hexkit's documents and for the gateway's own.

use ::mongodb::bson::{Document, RawArrayBuf, RawBson, RawDocumentBuf, doc, rawdoc};
use futures_util::TryStreamExt;

use super::classify::Failure;
use super::collections::Rows;
use crate::mongodb_client::transaction::Transaction;

/// The most statements of one command, and the bytes after which it is sent.
const STATEMENTS_MAX: usize = 1_000;
const COMMAND_BYTES: usize = 8 << 20;

/// Returns the rows whose ids fit, with these fields; with all, if none is named.
pub(super) async fn find(
    rows: &Rows,
    ids: Document,
    fields: Document,
    transaction: &mut Transaction<'_>,
) -> Result<Vec<RawDocumentBuf>, Failure> {
    let find = rows.find(doc! { "_id": ids }).projection(fields);
    let mut found = find.session(&mut *transaction).await?;
    Ok(found.stream(transaction.into()).try_collect().await?)
}

/// Writes rows whole, whether or not the collection has rows with their ids.
pub(super) async fn replace(
    rows: &Rows,
    documents: Vec<RawDocumentBuf>,
    transaction: &mut Transaction<'_>,
) -> Result<(), Failure> {
    let mut command: Vec<RawDocumentBuf> = Vec::new();
    let mut bytes = 0;
    for document in documents {
        let more = document.as_bytes().len();
        if !command.is_empty() && (command.len() == STATEMENTS_MAX || bytes + more > COMMAND_BYTES)
        {
            send(rows, std::mem::take(&mut command), transaction).await?;
            bytes = 0;
        }
        bytes += more;
        command.push(document);
    }
    if command.is_empty() { Ok(()) } else { send(rows, command, transaction).await }
}

async fn send(
    rows: &Rows,
    documents: Vec<RawDocumentBuf>,
    transaction: &mut Transaction<'_>,
) -> Result<(), Failure> {
    let mut updates = RawArrayBuf::new();
    for document in documents {
        let id: RawBson = document.get("_id").ok().flatten().expect("every row has an id").into();
        updates.push(rawdoc! { "q": { "_id": id }, "u": document, "upsert": true });
    }
    let database = rows.client().database(&rows.namespace().db);
    let command = rawdoc! { "update": rows.name(), "updates": updates };
    let answer = database.run_raw_command(command).session(&mut *transaction).await?;
    let failed = answer.get_array("writeErrors").ok().and_then(|errors| errors.first());
    match failed.and_then(|failed| failed.as_document()) {
        None => Ok(()),
        Some(failed) => Err(Failure::of_write(failed)),
    }
}
