//! The command line: the subcommands, each of which is a file of this room that has its options and
//! runs them.
//!
//! `main` reads it once and runs it. Every option of the gateway is a flag and a variable of the
//! same name, `--kafka-host` and `KAFKA_HOST`, and belongs to a group of `config`, which has a
//! heading of its own in `--help`. `--help` never shows the values of variables.

use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::usage::{self, Usage};
use super::{
    audit, backup, descriptor, erasures, lanes, publish_pending, replays, republish, restore,
    serve, sinks, subscriptions, tenants, topics, trail,
};
use crate::clock::{Clock, System};
use crate::config::{self, Given, LogsOptions};
use crate::metrics::Metrics;

/// A multi-tenant, FOLIO-style domain-event gateway.
///
/// Every option is a flag and a variable of the environment of the same name: `--kafka-host` and
/// KAFKA_HOST. A variable that is empty counts as unset.
#[derive(Debug, Parser)]
#[command(name = "event-gateway", version)]
pub struct Cli {
    /// The subcommand, with its options.
    #[command(subcommand)]
    command: Command,
    /// Options of every subcommand.
    #[command(flatten)]
    pub logs: LogsOptions,
    /// The options that were given.
    #[arg(skip)]
    given: Given,
}

/// A subcommand of the command line.
#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Runs the gateway.
    ///
    /// The first line of stdout is the gateway's address, the second the embedded broker's. Logs go
    /// to stderr.
    Serve(Box<config::ServeOptions>),
    /// Shows the tenants, and enables, disables or purges them.
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Shows the topics of the tenants, compares them with Kafka's, and changes those.
    #[command(subcommand)]
    Topics(topics::Command),
    /// Shows or changes the groups that follow the logs over HTTP.
    #[command(subcommand)]
    Subscriptions(subscriptions::Command),
    /// Shows or changes the lanes.
    #[command(subcommand)]
    Lanes(lanes::Command),
    /// Starts replays, shows them, and pauses, resumes or cancels them.
    #[command(subcommand)]
    Replays(replays::Command),
    /// Takes the content of records out of the logs, and shows how far that is.
    #[command(subcommand)]
    Erasures(erasures::Command),
    /// Publishes everything that the logs have once more, to the topics that it was published to.
    ///
    /// A running gateway does it, one tenant after the other.
    Republish(Box<republish::Options>),
    /// Waits until a running gateway has published everything that is pending.
    ///
    /// The exit status is 1 if that took longer than `--wait`.
    PublishPending(Box<publish_pending::Options>),
    /// Shows how far each sink has come, and forgets one that is gone.
    #[command(subcommand)]
    Sinks(sinks::Command),
    /// Shows the trail: who did what to what, when and why.
    #[command(subcommand)]
    Trail(trail::Command),
    /// Compares the logs with their topics: nothing may be missing, duplicated, reordered or
    /// altered.
    ///
    /// It may run while replicas run, and changes nothing unless `--repair` is given. The exit
    /// status is 0 if there is no defect, 3 if there is one, 1 if it could not compare, and 2 if
    /// the arguments are illegal.
    Audit(Box<audit::Options>),
    /// Shows where the logs and their sinks diverge, and goes on from there.
    ///
    /// It is for a store that went back in time, or a cursors topic that was lost. It may run while
    /// replicas run.
    Restore(Box<restore::Options>),
    /// Prints the ModuleDescriptor, by which Okapi knows the gateway.
    Descriptor(Box<descriptor::Options>),
    /// Writes a copy of SQLite's database, whether or not a gateway runs on it.
    ///
    /// The copy is one complete file, checked and synced to disk. PostgreSQL and MongoDB have tools
    /// of their own.
    Backup(Box<backup::Options>),
    /// Puts a copy in the place of SQLite's database, while no gateway runs on it.
    ///
    /// The copy is checked first. The former database is moved aside and kept.
    RestoreBackup(Box<backup::RestoreOptions>),
}

/// Reads the command line and the environment. If help or the version is asked for, prints it and
/// ends the process.
pub fn parse() -> Result<Cli, Usage> {
    let refused = |error| usage::refused(error, Cli::command());
    let (matches, given) = config::matches(Cli::command()).map_err(refused)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(refused)?;
    cli.given = given;
    Ok(cli)
}

impl Cli {
    /// Runs the subcommand.
    pub async fn run(self, metrics: Arc<Metrics>) -> anyhow::Result<()> {
        let clock: Arc<dyn Clock> = Arc::new(System);
        match self.command {
            Command::Serve(options) => serve::run(&options, &self.given, clock, metrics).await,
            Command::Tenants(command) => command.run(clock).await,
            Command::Topics(command) => command.run(clock).await,
            Command::Subscriptions(command) => command.run(clock).await,
            Command::Lanes(command) => command.run(clock).await,
            Command::Replays(command) => command.run(clock).await,
            Command::Erasures(command) => command.run(clock).await,
            Command::Republish(options) => republish::run(&options, clock).await,
            Command::PublishPending(options) => publish_pending::run(&options, clock).await,
            Command::Sinks(command) => command.run(clock).await,
            Command::Trail(command) => command.run(clock).await,
            Command::Audit(options) => audit::run(&options, clock).await,
            Command::Restore(options) => restore::run(&options, clock).await,
            Command::Descriptor(options) => descriptor::run(&options),
            Command::Backup(options) => backup::run(&options).await,
            Command::RestoreBackup(options) => backup::restore(&options, &*clock).await,
        }
    }
}
