//! `topics`: the topics of the tenants, compared with those of Kafka and changed there; one file
//! for each of its subcommands.

use serde_json::{Value, json};

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
