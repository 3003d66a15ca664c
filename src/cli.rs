//! The subcommands of the command line, one file each.
//!
//! Each file has a subcommand's options and what it does; `command` is the list of them, which
//! `main` reads and runs. What they print on stdout is made for pipes.

use anyhow::Context;

use crate::domain::tenant::TenantId;
use crate::domain::trail::{Act, TrailEntry};
use crate::store::{Store, TenantLog};

mod actor;
mod audit;
mod backup;
mod check;
mod client;
mod command;
mod dead_letters;
mod deps;
mod descriptor;
mod erasures;
mod examples;
pub mod exit;
mod foreign_settings;
mod group;
mod help;
mod interrupt;
mod lanes;
mod list;
mod man;
mod openapi;
mod output;
mod parked;
mod post;
mod progress;
mod publish_pending;
mod replays;
mod republish;
mod restore;
mod serve;
mod sinks;
mod subscriptions;
mod tail;
mod tenants;
mod topics;
mod trail;
mod usage;

#[cfg(test)]
mod tests;

pub use command::{Cli, parse};
pub use usage::Usage;

/// Returns the log of this tenant, or all logs. Every subcommand of a tenant asks first.
async fn logs(store: &dyn Store, tenant: Option<&TenantId>) -> anyhow::Result<Vec<TenantLog>> {
    match tenant {
        Some(tenant) => Ok(vec![log_of(store, tenant).await?]),
        None => Ok(store.list().await?),
    }
}

/// Returns the log of this tenant, enabled or not.
async fn log_of(store: &dyn Store, tenant: &TenantId) -> anyhow::Result<TenantLog> {
    let found = store.find_tenant(tenant).await?;
    found.with_context(|| {
        format!("tenant `{tenant}` has no log; `tenants list` shows the tenants that have one")
    })
}

/// Begins the entry of an act of whoever runs this process, on a tenant.
fn act(act: Act, tenant: &TenantId) -> TrailEntry {
    actor::actor().does(act).of(tenant)
}

/// Returns a number with its noun, such as `1 event` and `2 events`.
fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
