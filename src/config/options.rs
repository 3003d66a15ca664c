//! The options that several subcommands read, in groups: each is a flag and a variable of the same
//! name, `--kafka-host` and `KAFKA_HOST`, and each group has a heading of its own in `--help`.
//!
//! `config` uses them. A subcommand of `cli` adds its own options to those groups that it reads.

mod auth;
mod hexkit;
mod kafka;
mod listen;
mod secrets;
mod serve;
mod store;

use std::collections::BTreeSet;
use std::net::IpAddr;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};

use super::environment::{self, Unset};

pub use auth::{AuthMode, AuthOptions, MetricsAccess};
pub use hexkit::HexkitOptions;
pub use kafka::{BrokerChoice, KafkaOptions};
pub use listen::ListenOptions;
pub use serve::{
    BODY_BYTES, LANES_MAX, LimitsOptions, ListenerOptions, ServeOptions, SubscriptionsOptions,
};
pub use store::{PostgresOptions, StoreOptions, TenantsOptions};

/// The prefix of the variables that are librdkafka's settings.
const SETTINGS: &str = "KAFKA_CONFIG_";

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

/// Options of every subcommand.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogsOptions {
    /// The log's level: off, error, warn, info, debug or trace, or directives such as
    /// info,event_gateway=debug.
    #[arg(long, env, default_value = "info", global = true)]
    pub log_level: String,
}

/// Parses an address to listen on: an IP address, in brackets or not, or `localhost`.
fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match bare {
        "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
        address => address.parse().map_err(|_| "it must be an IP address, or localhost".to_owned()),
    }
}

/// Returns the variables that `serve` reads, in the order of its help, and those of all subcommands
/// last: each one's name, default and help.
pub fn variables() -> Vec<(String, Option<String>, String)> {
    let all = LogsOptions::augment_args(ServeOptions::augment_args(Command::new("serve")));
    let variable = |arg: &clap::Arg| {
        let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
        let default = arg.get_default_values().first().map(|value| text(value));
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some((text(arg.get_env()?), default, help))
    };
    all.get_arguments().filter_map(variable).collect()
}

/// Returns the variables that are set and are settings of the gateway, which may have secrets.
pub fn own_variables() -> Vec<String> {
    let options: BTreeSet<_> = variables().into_iter().map(|(name, ..)| name).collect();
    let is_own = |name: &String| {
        options.contains(name) || name.starts_with(SETTINGS) || name == secrets::TOKEN
    };
    environment::names().filter(is_own).collect()
}

/// The command line and the environment, as they were read.
pub struct Read {
    /// The values.
    pub matches: ArgMatches,
    /// The options that were given.
    pub given: Given,
    /// The errors of variables that no option takes; the options have their defaults instead.
    pub illegal: Vec<clap::Error>,
}

/// Reads the command line and the environment for a command, which is made anew for each attempt; a
/// variable that counts as unset is not read.
pub fn matches(command: impl Fn() -> Command) -> Result<Read, clap::Error> {
    let mut unset = Unset::of_environment();
    let mut illegal = Vec::new();
    let (matches, links) = loop {
        let mut links = Vec::new();
        match without(command(), &unset, &mut links).try_get_matches() {
            Ok(matches) => break (matches, links),
            Err(error) => match variable(&error, &command()) {
                // What still is there without the variable is the flag's fault.
                Some(name) if unset.ignore(&name) => illegal.push(error),
                _ => return Err(illegal.into_iter().next().unwrap_or(error)),
            },
        }
    };
    secrets::refuse_flags(&matches, command())?;
    let links: BTreeSet<_> = links.into_iter().collect();
    let mut names = given(&matches);
    names.extend(unset.others().filter(|name| name.starts_with(SETTINGS)).map(str::to_owned));
    let given = Given { names, links: links.into_iter().collect() };
    Ok(Read { matches, given, illegal })
}

/// Returns the variable of the option whose value is the error.
fn variable(error: &clap::Error, command: &Command) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let flag = argument.split([' ', '=']).next()?.strip_prefix("--")?;
    variable_of(command, flag)
}

fn variable_of(command: &Command, flag: &str) -> Option<String> {
    let found = command.get_arguments().find(|arg| arg.get_long() == Some(flag));
    let own = found.and_then(|arg| Some(arg.get_env()?.to_str()?.to_owned()));
    own.or_else(|| command.get_subcommands().find_map(|below| variable_of(below, flag)))
}

/// Parses a whole number from `MIN` to `MAX`, for every option that is a number.
pub fn whole<T: TryFrom<u64>, const MIN: u64, const MAX: u64>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("it must be a whole number from {MIN} to {MAX}"))
}

/// Removes the variables that count as unset from a command and all below it; adds those that
/// Kubernetes set to `links`.
fn without(command: Command, unset: &Unset, links: &mut Vec<String>) -> Command {
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
