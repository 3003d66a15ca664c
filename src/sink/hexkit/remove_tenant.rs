//! Removal of a purged tenant: its documents in every service's collection, and their entries.
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
use crate::sink::Error;

/// The most documents that one command removes.
const STEP: usize = 1_000;

/// Removes the tenant's documents and entries, some at a time.
pub(super) async fn all(inner: &Inner, tenant: &TenantId) -> Result<(), Error> {
    let collections = inner.collections().await?;
    let documents = doc! {
        "headers.x-okapi-tenant": tenant.as_str(),
        "headers.log_id": { "$exists": true },
    };
    for service in inner.config.settings.hexkit_services() {
        let rows = collections.named(&service.collection());
        remove(&rows, documents.clone()).await.map_err(sink_error)?;
    }
    let entries = doc! { "tenant": tenant.as_str() };
    remove(&collections.positions, entries).await.map_err(sink_error)
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
