//! The command line: the verbs, and the options that each of them reads.
//!
//! Read by `main`; feeds `config`. Every option is a flag and a variable of the same name,
//! `--kafka-host` and `KAFKA_HOST`, and belongs to a group, which stands under its heading in
//! `--help`. Values of variables are never shown by `--help`.

mod kafka;
mod serve;
mod store;
mod usage;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::environment::Unset;

pub use kafka::{BrokerChoice, KafkaOptions};
pub use serve::{BODY_BYTES, LimitsOptions, ListenerOptions, ServeOptions};
pub use store::{PostgresOptions, StoreOptions, TenantsOptions};
pub use usage::Usage;

/// The prefix of the variables that are librdkafka's settings.
const SETTINGS: &str = "KAFKA_CONFIG_";
/// The most lanes that there may be.
const LANES_MAX: u64 = 64;

/// A multi-tenant, FOLIO-style domain-event gateway.
///
/// Every option is a flag and a variable of the environment of the same name: `--kafka-host` and
/// KAFKA_HOST. A variable that is empty counts as unset.
#[derive(Debug, Parser)]
#[command(name = "event-gateway", version)]
pub struct Cli {
    /// The verb, with its options.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every verb.
    #[command(flatten)]
    pub logs: LogsOptions,
    /// Which options were given.
    #[arg(skip)]
    pub given: Given,
}

/// The options that a flag or a variable gives, by the variable's name.
#[derive(Debug, Clone, Default)]
pub struct Given {
    names: BTreeSet<String>,
    /// Variables that count as unset, since Kubernetes has set them.
    pub(super) links: Vec<String>,
}

impl Given {
    /// Those of these that were given.
    pub(super) fn of<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        names.iter().copied().filter(|name| self.names.contains(*name)).collect()
    }

    /// Those that begin so.
    pub(super) fn beginning_with(&self, start: &str) -> Vec<&str> {
        self.names.iter().map(String::as_str).filter(|name| name.starts_with(start)).collect()
    }
}

/// A verb of the command line.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Runs the gateway.
    ///
    /// The first line of stdout is the gateway's address, the second the embedded broker's. Logs go
    /// to stderr.
    Serve(Box<ServeOptions>),
    /// Shows the tenants that are enabled.
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Shows the topics of the enabled tenants.
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Shows or changes the lanes.
    #[command(subcommand)]
    Lanes(LanesCommand),
    /// Shows where the logs and Kafka part, and goes on from there.
    ///
    /// For a store that went back in time, or a cursors topic that was lost. It may run while
    /// replicas do.
    Restore(Box<RestoreOptions>),
    /// Writes a copy of SQLite's database, beside a running gateway or without one.
    ///
    /// The copy is one file that is whole, checked and synced. PostgreSQL and MongoDB have tools of
    /// their own.
    Backup(Box<BackupOptions>),
    /// Puts a copy in the place of SQLite's database, while no gateway runs on it.
    ///
    /// The copy is checked first. What was there is moved aside, and kept.
    RestoreBackup(Box<RestoreBackupOptions>),
}

/// A verb of `tenants`.
#[derive(Debug, Clone, Subcommand)]
pub enum TenantsCommand {
    /// Prints a line for each tenant: its log, its lane, the log's head, and what is published.
    List(Box<StoreOptions>),
}

/// The verbs of topics.
#[derive(Debug, Clone, Subcommand)]
pub enum TopicsCommand {
    /// Prints a line for each topic: the settings that it is created with, and Kafka's partitions
    /// of it.
    List(Box<TopicsOptions>),
}

/// Options of `topics list`.
#[derive(Debug, Clone, Args)]
pub struct TopicsOptions {
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
    /// The tenants' files.
    #[command(flatten)]
    pub tenants: TenantsOptions,
    /// The broker.
    #[command(flatten)]
    pub kafka: KafkaOptions,
}

/// The verbs of lanes.
#[derive(Debug, Clone, Subcommand)]
pub enum LanesCommand {
    /// Prints a line for each lane, with the replica that works on it.
    List(Box<StoreOptions>),
    /// Changes the number of lanes, while no replica runs.
    ///
    /// Start the replicas with LANES set to the new number then.
    Resize(Box<ResizeOptions>),
}

/// Options of `lanes resize`.
#[derive(Debug, Clone, Args)]
pub struct ResizeOptions {
    /// How many lanes there are to be.
    #[arg(value_parser = whole::<u16, 1, LANES_MAX>)]
    pub count: u16,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
    /// The broker.
    #[command(flatten)]
    pub kafka: KafkaOptions,
}

/// Options of `restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreOptions {
    /// The tenant; without one, all tenants are looked at.
    pub tenant: Option<String>,
    /// Goes on after the last event that both have: the log gets a new id, and nothing of it is
    /// skipped.
    #[arg(long, requires = "tenant")]
    pub accept: bool,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
    /// The tenants' files.
    #[command(flatten)]
    pub tenants: TenantsOptions,
    /// The broker.
    #[command(flatten)]
    pub kafka: KafkaOptions,
}

/// Options of `backup`.
#[derive(Debug, Clone, Args)]
pub struct BackupOptions {
    /// The file to write; it must not exist yet.
    pub file: PathBuf,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Options of `restore-backup`.
#[derive(Debug, Clone, Args)]
pub struct RestoreBackupOptions {
    /// The copy to put in place.
    pub file: PathBuf,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Options of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogsOptions {
    /// The log's level: off, error, warn, info, debug or trace, or directives such as
    /// info,event_gateway=debug.
    #[arg(long, env, default_value = "info", global = true)]
    pub log_level: String,
}

/// Reads the command line and the environment. Whoever asks for help or for the version gets it,
/// and the process ends.
pub fn parse() -> Result<Cli, Usage> {
    let unset = Unset::of_environment();
    let mut links = Vec::new();
    let matches =
        without(Cli::command(), &unset, &mut links).try_get_matches().map_err(usage::refused)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(usage::refused)?;
    links.sort();
    links.dedup();
    let mut names = given(&matches);
    names.extend(unset.others().filter(|name| name.starts_with(SETTINGS)).map(str::to_owned));
    cli.given = Given { names, links };
    Ok(cli)
}

/// Parses a number of that range, for every option that is one.
fn whole<T: TryFrom<u64>, const MIN: u64, const MAX: u64>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("it must be a whole number from {MIN} to {MAX}"))
}

/// The command, and all below it, without the variables that count as unset; notes the links among
/// them.
fn without(command: clap::Command, unset: &Unset, links: &mut Vec<String>) -> clap::Command {
    let command = command.mut_args(|arg| {
        let arg = arg.hide_env_values(true);
        match arg.get_env().and_then(|name| name.to_str()).map(str::to_owned) {
            Some(name) if unset.contains(&name) => {
                links.extend(unset.is_link(&name).then_some(name));
                arg.env(None::<&'static str>)
            }
            _ => arg,
        }
    });
    command.mut_subcommands(|verb| without(verb, unset, links))
}

/// Returns the options that a flag or a variable gives, and not a default, to a verb and to those
/// that it stands below.
fn given(matches: &ArgMatches) -> BTreeSet<String> {
    let said = |id: &&clap::Id| {
        !matches!(matches.value_source(id.as_str()), None | Some(ValueSource::DefaultValue))
    };
    let mut names: BTreeSet<_> =
        matches.ids().filter(said).map(|id| id.as_str().to_uppercase()).collect();
    if let Some((_, below)) = matches.subcommand() {
        names.extend(given(below));
    }
    names
}

#[cfg(test)]
mod tests;
