//! The options of `trail`.

use clap::{Args, Subcommand};

use super::StoreOptions;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::Act;

/// The subcommands of `trail`.
#[derive(Debug, Clone, Subcommand)]
pub enum TrailCommand {
    /// Prints a line for each act, oldest first: when, in which tenant, what, who, and on what.
    List(Box<ListTrailOptions>),
}

/// Options of `trail list`.
#[derive(Debug, Clone, Args)]
pub struct ListTrailOptions {
    /// The tenant, which may have no log any more; without one, all are listed.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The act, such as replay-start.
    #[arg(long, value_parser = Act::parse)]
    pub act: Option<Act>,
    /// The earliest time, such as 2026-11-26T08:00:00Z.
    #[arg(long, value_parser = Time::parse)]
    pub from: Option<Time>,
    /// The time before which the rows are.
    #[arg(long, value_parser = Time::parse)]
    pub to: Option<Time>,
    /// Prints a JSON object for each act.
    #[arg(long)]
    pub json: bool,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}
