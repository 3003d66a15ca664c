//! `topics`: the topics of the tenants, compared with those of Kafka and changed there; one file
//! for each of its subcommands.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::store::{Store, TenantLog};

pub mod acl;
pub mod apply;
pub mod diff;
pub mod grow;
pub mod list;
pub mod obsolete;

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines for people.
    Text,
    /// A JSON object for each topic, on a line of its own.
    Json,
}

/// Returns the tenants that the store has, and those that have a file and will be enabled by it.
/// The store must be under these settings.
pub async fn tenants(store: &dyn Store, settings: &Settings) -> anyhow::Result<Vec<TenantId>> {
    super::foreign_settings::refuse(store, settings).await?;
    let enabled = store.list().await?.into_iter().map(|log| log.tenant);
    let all: BTreeSet<_> = settings.tenants().cloned().chain(enabled).collect();
    Ok(all.into_iter().collect())
}

/// Refuses a tenant that the store does not have.
async fn refuse_unknown(store: &dyn Store, tenant: Option<&TenantId>) -> anyhow::Result<()> {
    if let Some(tenant) = tenant {
        super::log_of(store, tenant).await?;
    }
    Ok(())
}

fn names(tenants: &[TenantLog]) -> Value {
    json!(tenants.iter().map(|log| log.tenant.as_str()).collect::<Vec<_>>())
}
