//! The command line: the subcommands, each of which is a file of this room that has its options and
//! runs them.
//!
//! `main` reads it once and runs it. Every option of the gateway is a flag and a variable of the
//! same name, `--kafka-host` and `KAFKA_HOST`, and belongs to a group of `config`, which has a
//! heading of its own in `--help`. `--help` never shows the values of variables.

use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::usage::{self, Usage};
use super::{
    audit, backup, check, dead_letters, descriptor, erasures, help, lanes, man, openapi, parked,
    post, publish_pending, replays, republish, restore, serve, sinks, subscriptions, tail, tenants,
    topics, trail,
};
use crate::clock::{Clock, System};
use crate::config::{self, Given, Illegal, LogsOptions};
use crate::metrics::Metrics;

/// The longest time that threads that wait for Kafka may hold up the end of the process, at which
/// they may safely be killed.
const THREADS_END: Duration = Duration::from_millis(300);

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
    /// The variables of the environment that no option takes, each with what it must be.
    #[arg(skip)]
    illegal: Vec<String>,
}

/// A subcommand of the command line.
#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Runs the gateway.
    ///
    /// The first line of stdout is the gateway's address, the second the one for Kafka's clients.
    /// Logs go to stderr.
    Serve(Box<config::ServeOptions>),
    /// Reads all settings as `serve` does, and prints what is wrong.
    ///
    /// It starts nothing and writes nothing. The exit status is 1 if anything is wrong.
    Check(Box<check::Options>),
    /// Posts changes to a running gateway, and prints their receipts.
    Post(Box<post::Options>),
    /// Reads a tenant's log at a running gateway, or follows it.
    ///
    /// Each event is printed once and in order, also if the gateway restarts meanwhile. Ctrl-C ends
    /// it.
    Tail(Box<tail::Options>),
    /// Shows the tenants, and enables, disables or purges them.
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Shows the topics of the tenants, compares them with Kafka's, and changes those.
    #[command(subcommand)]
    Topics(topics::Command),
    /// Shows or changes the groups that follow the logs over HTTP.
    #[command(subcommand)]
    Subscriptions(subscriptions::Command),
    /// Shows what handlers failed at, and redrives or discards it.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Shows or changes the lanes.
    #[command(subcommand)]
    Lanes(lanes::Command),
    /// Shows what the sinks refuse, and releases or discards it.
    #[command(subcommand)]
    Parked(parked::Command),
    /// Starts replays, shows them, and pauses, resumes or cancels them.
    #[command(subcommand)]
    Replays(replays::Command),
    /// Takes the content of records out of the logs, and shows how far that is.
    #[command(subcommand)]
    Erasures(erasures::Command),
    /// Publishes everything that the logs have once more.
    ///
    /// It goes to the topics that it was published to. A running gateway does it, one tenant after
    /// the other.
    Republish(Box<republish::Options>),
    /// Waits until a running gateway has published everything that is pending.
    ///
    /// The exit status is 1 if that took longer than `--wait`.
    PublishPending(Box<publish_pending::Options>),
    /// Shows how far each sink has come, lets one begin, and forgets one that is gone.
    #[command(subcommand)]
    Sinks(sinks::Command),
    /// Shows the trail: who did what to what, when and why.
    #[command(subcommand)]
    Trail(trail::Command),
    /// Compares the logs with their topics.
    ///
    /// Nothing may be missing, duplicated, reordered or altered. It may run while replicas run, and
    /// changes nothing unless `--repair` is given. The exit status is 0 if there is no defect, 3 if
    /// there is one, 1 if it could not compare, and 2 if the arguments are illegal.
    Audit(Box<audit::Options>),
    /// Shows where the logs and their sinks diverge, and goes on from there.
    ///
    /// It is for a store that went back in time, or a cursors topic that was lost. It may run while
    /// replicas run.
    Restore(Box<restore::Options>),
    /// Prints the ModuleDescriptor, by which Okapi knows the gateway.
    Descriptor(Box<descriptor::Options>),
    /// Prints the document of the HTTP API: OpenAPI 3.1.
    Openapi,
    /// Writes a copy of SQLite's database, whether or not a gateway runs on it.
    ///
    /// The copy is one complete file, checked and synced to disk. PostgreSQL and MongoDB have tools
    /// of their own.
    Backup(Box<backup::Options>),
    /// Puts a copy in the place of SQLite's database, while no gateway runs on it.
    ///
    /// The copy is checked first. The former database is moved aside and kept.
    RestoreBackup(Box<backup::RestoreOptions>),
    /// Prints the completions of a shell.
    Completions(man::CompletionsOptions),
    /// Prints the man page, or writes one for each subcommand.
    Man(man::Options),
}

/// Reads the command line and the environment. If help or the version is asked for, prints it and
/// ends the process.
pub fn parse() -> Result<Cli, Usage> {
    let refused = |error| usage::refused(error, command_line());
    let config::Read { matches, given, mut illegal } =
        config::matches(command_line).map_err(refused)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(refused)?;
    // `check` alone goes on, and prints all of them.
    if !matches!(cli.command, Command::Check(_)) && !illegal.is_empty() {
        return Err(refused(illegal.swap_remove(0)));
    }
    let line = |error| refused(error).line().to_string();
    (cli.given, cli.illegal) = (given, illegal.into_iter().map(line).collect());
    Ok(cli)
}

/// Returns the command line, with its help.
pub(super) fn command_line() -> clap::Command {
    help::with_help(Cli::command())
}

impl Cli {
    /// Takes note of whether the log's level was understood; `check` alone goes on if it was not,
    /// and prints that, too.
    pub fn with_log_level(mut self, understood: anyhow::Result<()>) -> anyhow::Result<Self> {
        match understood {
            Err(error) if matches!(self.command, Command::Check(_)) => {
                self.illegal.push(format!("{error:#}"));
                Ok(self)
            }
            understood => understood.map(|()| self).map_err(|error| Illegal::new(error).into()),
        }
    }

    /// Runs the subcommand to its end, on a runtime of its own.
    pub fn run(self, metrics: Arc<Metrics>) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        let ended = runtime.block_on(self.done(metrics));
        runtime.shutdown_timeout(THREADS_END);
        ended
    }

    async fn done(self, metrics: Arc<Metrics>) -> anyhow::Result<()> {
        let clock: Arc<dyn Clock> = Arc::new(System);
        match self.command {
            Command::Serve(options) => serve::run(&options, &self.given, clock, metrics).await,
            Command::Check(options) => check::run(&options, &self.given, self.illegal, clock).await,
            Command::Post(options) => post::run(&options).await,
            Command::Tail(options) => tail::run(&options).await,
            Command::Tenants(command) => command.run(clock).await,
            Command::Topics(command) => command.run(clock).await,
            Command::Subscriptions(command) => command.run(clock).await,
            Command::DeadLetters(command) => command.run(clock).await,
            Command::Lanes(command) => command.run(clock).await,
            Command::Parked(command) => command.run(clock).await,
            Command::Replays(command) => command.run(clock).await,
            Command::Erasures(command) => command.run(clock).await,
            Command::Republish(options) => republish::run(&options, clock).await,
            Command::PublishPending(options) => publish_pending::run(&options, clock).await,
            Command::Sinks(command) => command.run(clock).await,
            Command::Trail(command) => command.run(clock).await,
            Command::Audit(options) => audit::run(&options, clock).await,
            Command::Restore(options) => restore::run(&options, clock).await,
            Command::Descriptor(options) => descriptor::run(&options),
            Command::Openapi => openapi::print(),
            Command::Backup(options) => backup::run(&options).await,
            Command::RestoreBackup(options) => backup::restore(&options, &*clock).await,
            Command::Completions(options) => man::complete(&options, command_line()),
            Command::Man(options) => man::run(&options, command_line()),
        }
    }
}
