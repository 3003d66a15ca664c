//! Removal of a purged tenant: its documents in the collection of every service that any file
//! names, or has named, and their entries.
//!
//! The port's `remove_tenant` calls it once every lane has passed the purge, so nothing new comes.
//! A document without a log id is hexkit's own, and stays.

use ::mongodb::bson::{Bson, Document, doc};
use ::mongodb::error::Error as Cause;

use super::Inner;
use super::classify::sink_error;
use super::collections::Rows;
use crate::domain::tenant::TenantId;
use crate::mongodb_client::error::{CallError, answered};
use crate::sink::{Error, PurgedLogs, another_log};

/// The most documents that one command removes.
const STEP: usize = 1_000;

/// Removes the tenant's documents and entries, some at a time.
pub(super) async fn all(
    inner: &Inner,
    tenant: &TenantId,
    logs: Option<&PurgedLogs>,
) -> Result<(), Error> {
    let collections = inner.collections().await?;
    let documents = doc! {
        "headers.x-okapi-tenant": tenant.as_str(),
        "headers.log_id": { "$exists": true },
    };
    let names = collections.of_services().await?;
    for (name, logs) in names.iter().filter_map(|name| Some((name, logs?))) {
        refuse_others(&collections.named(name), name, documents.clone(), logs).await?;
    }
    for name in &names {
        let rows = collections.named(name);
        remove(&rows, documents.clone()).await.map_err(sink_error)?;
    }
    let entries = doc! { "tenant": tenant.as_str() };
    remove(&collections.positions, entries).await.map_err(sink_error)
}

/// Returns an error if a collection has a document of another log than those.
async fn refuse_others(
    rows: &Rows,
    name: &str,
    mut documents: Document,
    logs: &PurgedLogs,
) -> Result<(), Error> {
    let ids: Vec<_> = logs.ids.iter().map(|id| Bson::from(id.to_string())).collect();
    documents.insert("headers.log_id", doc! { "$exists": true, "$nin": ids });
    let Some(other) = answered(rows.find_one(documents)).await.map_err(sink_error)? else {
        return Ok(());
    };
    let log_id = other.get_document("headers").ok().and_then(|it| it.get_str("log_id").ok());
    Err(another_log(&format!("the collection {name}"), log_id.unwrap_or_default()))
}

/// Goes through a collection once, and removes what the filter finds.
async fn remove(rows: &Rows, filter: Document) -> Result<(), CallError> {
    let mut found = answered(rows.find(filter).projection(doc! { "_id": 1 })).await?;
    let mut ids: Vec<Bson> = Vec::new();
    loop {
        let more = answered(found.advance()).await?;
        if more {
            let id = found.current().get("_id").map_err(|why| Cause::custom(why.to_string()));
            ids.extend(id.map_err(CallError::Failed)?.and_then(|id| Bson::try_from(id).ok()));
        }
        if ids.len() == STEP || (!more && !ids.is_empty()) {
            let those = doc! { "_id": { "$in": std::mem::take(&mut ids) } };
            answered(rows.delete_many(those)).await?;
        }
        if !more {
            return Ok(());
        }
    }
}
