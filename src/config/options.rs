//! The command line: the subcommands, and the options that each of them reads.
//!
//! `main` reads it, and `config` uses it. Every option is a flag and a variable of the same name,
//! `--kafka-host` and `KAFKA_HOST`, and belongs to a group, which has a heading of its own in
//! `--help`. `--help` never shows the values of variables.

mod audit;
mod auth;
mod erasures;
mod hexkit;
mod kafka;
mod replays;
mod serve;
mod store;
mod subscriptions;
mod topics;
mod trail;
mod usage;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::environment::Unset;
use crate::domain::follower::Follower;
use crate::domain::tenant::TenantId;

pub use audit::AuditOptions;
pub use auth::{AuthMode, AuthOptions, MetricsAccess};
pub use erasures::ErasuresCommand;
pub use hexkit::HexkitOptions;
pub use kafka::{BrokerChoice, KafkaOptions};
pub use replays::{PublishPendingOptions, ReplaysCommand, RepublishOptions, StartReplayOptions};
pub use serve::{BODY_BYTES, LimitsOptions, ListenerOptions, ServeOptions};
pub use store::{PostgresOptions, StoreOptions, TenantsOptions};
pub use subscriptions::SubscriptionsCommand;
pub use topics::{
    AclOptions, ApplyTopicsOptions, GrowTopicOptions, ObsoleteTopicsOptions, SomeTopicsOptions,
    TopicsCommand,
};
pub use trail::{ListTrailOptions, TrailCommand};
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
    /// The subcommand, with its options.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every subcommand.
    #[command(flatten)]
    pub logs: LogsOptions,
    /// The options that were given.
    #[arg(skip)]
    pub given: Given,
}

/// The options that were given by a flag or a variable, by the variable's name.
#[derive(Debug, Clone, Default)]
pub struct Given {
    names: BTreeSet<String>,
    /// Variables that count as unset, since Kubernetes set them.
    pub(super) links: Vec<String>,
}

impl Given {
    /// Returns those of `names` that were given.
    pub(super) fn of<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        names.iter().copied().filter(|name| self.names.contains(*name)).collect()
    }

    /// Returns the given variables whose names begin with `start`.
    pub(super) fn beginning_with(&self, start: &str) -> Vec<&str> {
        self.names.iter().map(String::as_str).filter(|name| name.starts_with(start)).collect()
    }
}

/// A subcommand of the command line.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Runs the gateway.
    ///
    /// The first line of stdout is the gateway's address, the second the embedded broker's. Logs go
    /// to stderr.
    Serve(Box<ServeOptions>),
    /// Shows the tenants, and enables, disables or purges them.
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Shows the topics of the tenants, compares them with Kafka's, and changes those.
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Shows or changes the groups that follow the logs over HTTP.
    #[command(subcommand)]
    Subscriptions(SubscriptionsCommand),
    /// Shows or changes the lanes.
    #[command(subcommand)]
    Lanes(LanesCommand),
    /// Starts replays, shows them, and pauses, resumes or cancels them.
    #[command(subcommand)]
    Replays(ReplaysCommand),
    /// Takes the content of records out of the logs, and shows how far that is.
    #[command(subcommand)]
    Erasures(ErasuresCommand),
    /// Publishes everything that the logs have once more, to the topics that it was published to.
    ///
    /// A running gateway does it, one tenant after the other.
    Republish(Box<RepublishOptions>),
    /// Waits until a running gateway has published everything that is pending.
    ///
    /// The exit status is 1 if that took longer than `--wait`.
    PublishPending(Box<PublishPendingOptions>),
    /// Shows how far each sink has come, and forgets one that is gone.
    #[command(subcommand)]
    Sinks(SinksCommand),
    /// Shows the trail: who did what to what, when and why.
    #[command(subcommand)]
    Trail(TrailCommand),
    /// Compares the logs with their topics: nothing may be missing, duplicated, reordered or
    /// altered.
    ///
    /// It may run while replicas run, and changes nothing unless `--repair` is given. The exit
    /// status is 0 if there is no defect, 3 if there is one, 1 if it could not compare, and 2 if
    /// the arguments are illegal.
    Audit(Box<AuditOptions>),
    /// Shows where the logs and their sinks diverge, and goes on from there.
    ///
    /// It is for a store that went back in time, or a cursors topic that was lost. It may run while
    /// replicas run.
    Restore(Box<RestoreOptions>),
    /// Prints the ModuleDescriptor, by which Okapi knows the gateway.
    Descriptor(Box<DescriptorOptions>),
    /// Writes a copy of SQLite's database, whether or not a gateway runs on it.
    ///
    /// The copy is one complete file, checked and synced to disk. PostgreSQL and MongoDB have tools
    /// of their own.
    Backup(Box<BackupOptions>),
    /// Puts a copy in the place of SQLite's database, while no gateway runs on it.
    ///
    /// The copy is checked first. The former database is moved aside and kept.
    RestoreBackup(Box<RestoreBackupOptions>),
}

/// The subcommands of `tenants`.
#[derive(Debug, Clone, Subcommand)]
pub enum TenantsCommand {
    /// Prints a line for each tenant: its log, its lane, the log's head, how far it is published,
    /// and whether it is enabled.
    List(Box<StoreOptions>),
    /// Enables a tenant: it may post and read. A new one gets a log.
    Enable(Box<TenantOptions>),
    /// Disables a tenant: it may not post and read any more. Its log stays, and what is pending is
    /// published.
    Disable(Box<TenantOptions>),
    /// Removes everything of a tenant: its topics, its log, its subscriptions, for ever.
    ///
    /// A running gateway carries it out. What it waits for is shown until it is complete.
    Purge(Box<PurgeOptions>),
}

/// Options of `tenants purge`.
#[derive(Debug, Clone, Args)]
pub struct PurgeOptions {
    /// The tenant.
    #[arg(value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// Purges it although events are pending or parked: they are lost.
    #[arg(long)]
    pub force: bool,
    /// Returns at once, while the purge is under way.
    #[arg(long)]
    pub detach: bool,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

/// Options of `tenants enable` and `tenants disable`.
#[derive(Debug, Clone, Args)]
pub struct TenantOptions {
    /// The tenant.
    #[arg(value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
    /// The tenants' files.
    #[command(flatten)]
    pub tenants: TenantsOptions,
}

/// Options of the log and the topics.
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

/// Options of the log, the topics and the sinks.
#[derive(Debug, Clone, Args)]
pub struct PartsOptions {
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
    /// The sink `hexkit`.
    #[command(flatten)]
    pub hexkit: HexkitOptions,
}

/// The subcommands of `lanes`.
#[derive(Debug, Clone, Subcommand)]
pub enum LanesCommand {
    /// Prints a line for each lane, with the replica that works on it.
    List(Box<StoreOptions>),
    /// Changes the number of lanes, while no replica runs.
    ///
    /// Afterwards, start the replicas with LANES set to the new number.
    Resize(Box<ResizeOptions>),
}

/// Options of `lanes resize`.
#[derive(Debug, Clone, Args)]
pub struct ResizeOptions {
    /// The new number of lanes.
    #[arg(value_parser = whole::<u16, 1, LANES_MAX>)]
    pub count: u16,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

/// The subcommands of `sinks`.
#[derive(Debug, Clone, Subcommand)]
pub enum SinksCommand {
    /// Prints a line for each sink that the store knows, with the events that it has not passed.
    List(Box<StoreOptions>),
    /// Forgets a sink that is no longer configured anywhere, so that it no longer keeps events from
    /// being removed from the logs.
    ///
    /// The sink's checkpoints and parked scopes are removed. A sink that is configured again goes
    /// on from its own cursor if it has one, or else from the beginning; if it had parked anything,
    /// `restore` lets it get the whole log again.
    Forget(Box<ForgetOptions>),
}

/// Options of `sinks forget`.
#[derive(Debug, Clone, Args)]
pub struct ForgetOptions {
    /// The sink's name, as `sinks list` shows it.
    #[arg(value_parser = Follower::parse)]
    pub sink: Follower,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

/// Options of `restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreOptions {
    /// The tenant to compare; without one, all tenants are compared.
    #[arg(value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// Lets the relay go on after the last event that both have; the log gets a new id, and none of
    /// its events is skipped. Any other sink that differs gets the whole log again.
    #[arg(long, requires = "tenant")]
    pub accept: bool,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

/// Options of `descriptor`.
#[derive(Debug, Clone, Args)]
pub struct DescriptorOptions {
    /// The first part of topic names.
    #[arg(long, env, default_value = "folio")]
    pub env: String,
    /// The tenants' files.
    #[command(flatten)]
    pub tenants: TenantsOptions,
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

/// Options of every subcommand.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogsOptions {
    /// The log's level: off, error, warn, info, debug or trace, or directives such as
    /// info,event_gateway=debug.
    #[arg(long, env, default_value = "info", global = true)]
    pub log_level: String,
}

/// Returns the variables that `serve` reads, in the order of its help, and those of all subcommands
/// last: each one's name, default and help.
pub fn variables() -> Vec<(String, Option<String>, String)> {
    let cli = Cli::command();
    let serve = cli.find_subcommand("serve").cloned().unwrap_or_default();
    let variable = |arg: &clap::Arg| {
        let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
        let default = arg.get_default_values().first().map(|value| text(value));
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some((text(arg.get_env()?), default, help))
    };
    serve.get_arguments().chain(cli.get_arguments()).filter_map(variable).collect()
}

/// Reads the command line and the environment. If help or the version is asked for, prints it and
/// ends the process.
pub fn parse() -> Result<Cli, Usage> {
    let unset = Unset::of_environment();
    let mut links = Vec::new();
    let refused = |error| usage::refused(error, Cli::command());
    let matches = without(Cli::command(), &unset, &mut links).try_get_matches().map_err(refused)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(refused)?;
    links.sort();
    links.dedup();
    let mut names = given(&matches);
    names.extend(unset.others().filter(|name| name.starts_with(SETTINGS)).map(str::to_owned));
    cli.given = Given { names, links };
    Ok(cli)
}

/// Parses a whole number from `MIN` to `MAX`, for every option that is a number.
fn whole<T: TryFrom<u64>, const MIN: u64, const MAX: u64>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("it must be a whole number from {MIN} to {MAX}"))
}

/// Removes the variables that count as unset from a command and all below it; adds those that
/// Kubernetes set to `links`.
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

/// Returns the options that a flag or a variable gives, and not a default, to a subcommand and to
/// the commands above it.
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
