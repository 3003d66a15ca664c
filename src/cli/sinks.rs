//! `sinks list` shows how far each sink has come; `sinks begin` lets one begin logs that lack
//! events; `sinks forget` forgets one that is gone, which would keep events from being removed for
//! ever.

mod begin;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;

use super::deps::{self, Deps};
use super::list::StoreListOptions;
use super::output::{Column, Output, OutputOptions, Rows, say};
use crate::clock::Clock;
use crate::config::PartsOptions;
use crate::domain::follower::Follower;
use crate::domain::trail::Act;
use crate::store::{Access, Store};

const COLUMNS: [Column; 3] =
    [("SINK", "sink", -23, "-"), ("LOGS", "logs", 7, "-"), ("NOT PASSED", "notPassed", 13, "-")];

/// The subcommands of `sinks`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prints a line for each sink that the store knows, with the events that it has not passed.
    List(Box<StoreListOptions>),
    /// Shows which events a sink can't get, since they were removed before it was configured.
    ///
    /// The sink gets nothing of such a tenant until `--accept` lets it begin with what the log has.
    /// The exit status is 1 if a tenant waits, and that was not accepted. It may run while replicas
    /// run.
    Begin(Box<begin::Options>),
    /// Forgets a sink that is no longer configured anywhere, so that it no longer keeps events from
    /// being removed from the logs.
    ///
    /// The sink's checkpoints and parked scopes are removed. A sink that is configured again goes
    /// on from its own cursor if it has one, or else from the beginning; if events were removed
    /// meanwhile, it waits for `sinks begin`. If it had parked anything, `restore` lets it get the
    /// whole log again.
    Forget(Box<ForgetOptions>),
}

/// Options of `sinks forget`.
#[derive(Debug, Clone, Args)]
pub struct ForgetOptions {
    /// The sink's name, as `sinks list` shows it.
    #[arg(value_parser = Follower::parse)]
    pub sink: Follower,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        match self {
            Self::List(options) => {
                let store = deps::attached(&options.store, clock).await?;
                list(&*store, options.output.form).await
            }
            Self::Begin(options) => begin::run(&options, clock).await,
            Self::Forget(options) => forget(&options, clock).await,
        }
    }
}

/// Prints a line for each sink that the store knows.
async fn list(store: &dyn Store, form: Output) -> anyhow::Result<()> {
    let mut sinks: BTreeMap<Follower, (u64, u64)> = BTreeMap::new();
    for enabled in store.list().await? {
        for (follower, cursor) in store.stands(&enabled.tenant).await? {
            let passed = enabled.passed_by(cursor);
            let (logs, events) = sinks.entry(follower).or_default();
            *logs += u64::from(cursor.is_some());
            *events += enabled.head.number().saturating_sub(passed.number());
        }
    }
    let mut rows = Rows::begin(form, &COLUMNS)?;
    for (follower, (logs, events)) in sinks {
        rows.row(&json!({ "sink": follower.as_str(), "logs": logs, "notPassed": events }))?;
    }
    Ok(())
}

/// Forgets a sink, unless it is configured.
async fn forget(options: &ForgetOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let deps = Deps::open(&options.parts, Access::Attach, 1, clock).await?;
    let (Deps { store, sinks, .. }, sink) = (&deps, &options.sink);
    if sinks.sinks.iter().any(|configured| configured.follower() == sink) {
        bail!("the sink `{sink}` is configured: it is forgotten only once no replica uses it");
    }
    let by = super::actor::actor().does(Act::ForgetSink).on(sink);
    let Some(logs) = store.forget_follower(sink, None, Some(&by)).await? else {
        bail!("no replica was ever configured with a sink `{sink}`; `sinks list` shows the sinks");
    };
    let done = format!("{sink}: forgotten in {}", super::counted(logs, "log"));
    let object = json!({ "sink": sink.as_str(), "logs": logs });
    Ok(say(options.output.form, done, &object)?)
}
