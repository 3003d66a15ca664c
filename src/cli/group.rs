//! The group that a subcommand is about, and the store that has it.

use std::sync::Arc;

use clap::Args;

use super::deps;
use super::output::OutputOptions;
use crate::clock::Clock;
use crate::config::StoreOptions;
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::store::Store;

/// Options of a subcommand about one group.
#[derive(Debug, Clone, Args)]
pub struct GroupOptions {
    /// The group, such as cg.search.
    #[arg(value_parser = Group::parse)]
    pub group: Group,
    /// The tenant of the group.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The form of the output.
    #[command(flatten)]
    pub(super) output: OutputOptions,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Opens the store, which must have the tenant of the group.
pub(super) async fn open(
    options: &GroupOptions,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn Store>> {
    let store = deps::attached(&options.store, clock).await?;
    super::log_of(&*store, &options.tenant).await?;
    Ok(store)
}
