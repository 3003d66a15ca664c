//! `topics`: the topics of the tenants, compared with those of Kafka and changed there; one file
//! for each of its subcommands.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::OutputOptions;
use crate::clock::Clock;
use crate::config::TopicsOptions;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::store::{Store, TenantLog};

pub mod acl;
pub mod apply;
pub mod diff;
pub mod grow;
pub mod list;
pub mod obsolete;

/// The subcommands of `topics`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prints a line for each topic: the settings with which it is created, and the partitions that
    /// it has in Kafka.
    List(Box<list::Options>),
    /// Compares the topics that the files want with those that Kafka has, and prints the
    /// differences.
    ///
    /// The exit status is 0 if there is none, 1 if there are any, and 2 if it could not compare.
    Diff(Box<diff::Options>),
    /// Creates the topics that are missing, and gives the others the settings of the files, where
    /// that is safe.
    ///
    /// It changes neither partitions nor replicas. The exit status is 1 if anything was refused.
    Apply(Box<apply::Options>),
    /// Gives a topic the partitions that the files say, once nothing of its tenants is pending.
    ///
    /// A key may go to another partition than before; Kafka orders no records of two partitions. It
    /// may run while replicas run.
    Grow(Box<grow::Options>),
    /// Lists the topics that the gateway had, and that no file names any more.
    Obsolete(Box<obsolete::Options>),
    /// Prints the rights that the gateway's user needs in Kafka, or a consumer group: the commands
    /// that grant them.
    Acl(Box<acl::Options>),
}

/// Options about the topics of some tenants.
#[derive(Debug, Clone, Args)]
pub struct SomeTopicsOptions {
    /// The tenant; without one, the topics of all tenants.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputOptions,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        match self {
            Self::List(options) => list::run(&options, clock).await,
            Self::Diff(options) => {
                match diff::run(&options, clock).await.context(diff::NotCompared)? {
                    0 => Ok(()),
                    different => Err(diff::Differ(different).into()),
                }
            }
            Self::Apply(options) => apply::run(&options, clock).await,
            Self::Grow(options) => grow::run(&options, clock).await,
            Self::Obsolete(options) => obsolete::run(&options, clock).await,
            Self::Acl(options) => acl::run(&options, clock).await,
        }
    }
}

/// Returns the tenants that the store has, and those that have a file and will be enabled by it.
/// The store must be under these settings.
async fn tenants(store: &dyn Store, settings: &Settings) -> anyhow::Result<Vec<TenantId>> {
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
