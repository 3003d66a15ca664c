//! The options of the subcommands that list what the log has.

use clap::Args;

use super::output::OutputOptions;
use crate::config::StoreOptions;

/// Options of a list that reads the log alone.
#[derive(Debug, Clone, Args)]
pub struct StoreListOptions {
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputOptions,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}
