//! `lanes list` shows which replica works on which lane, and for how many tenants; `lanes resize`
//! changes the number of lanes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::deps::{self, Deps};
use super::list::StoreListOptions;
use super::output::{Column, Output, OutputOptions, Rows, say, stdout};
use super::progress::Progress;
use crate::clock::Clock;
use crate::config::{LANES_MAX, PartsOptions, whole};
use crate::domain::trail::Act;
use crate::follow::resize;
use crate::store::{Access, Store};

const COLUMNS: [Column; 4] = [
    ("LANE", "lane", 4, "-"),
    ("TERM", "term", 7, "-"),
    ("TENANTS", "tenants", 7, "-"),
    ("REPLICA", "replica", -1, "-"),
];

/// The subcommands of `lanes`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prints a line for each lane, with the replica that works on it.
    List(Box<StoreListOptions>),
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
            Self::Resize(options) => resize(&options, clock).await,
        }
    }
}

/// Prints a line for each lane, then one with the replicas that run.
async fn list(store: &dyn Store, form: Output) -> anyhow::Result<()> {
    let mut tenants = BTreeMap::new();
    for enabled in store.list().await? {
        *tenants.entry(enabled.lane).or_insert(0) += 1;
    }
    let members = store.members().await?;
    let mut rows = Rows::begin(form, &COLUMNS)?;
    for lease in members.lanes {
        rows.row(&json!({
            "lane": lease.lane.number(),
            "term": lease.term,
            "tenants": tenants.get(&lease.lane).unwrap_or(&0),
            "replica": lease.holder,
        }))?;
    }
    let mut out = stdout();
    match form {
        Output::Table => writeln!(out, "replicas: {}", members.replicas.join(" "))?,
        Output::Json => writeln!(out, "{}", json!({ "replicas": members.replicas }))?,
    }
    Ok(())
}

/// Changes the number of lanes, and prints what was done.
async fn resize(options: &ResizeOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (lanes, by) = (options.count, clock.new_id().to_string());
    let deps = Deps::open(&options.parts, Access::Alone, lanes, clock).await?;
    let Deps { store, sinks, .. } = &deps;
    let entry = super::actor::actor().does(Act::ResizeLanes).on(lanes);
    let progress = Progress::begin("{eta} left")?;
    let report = |step| show(&progress, step);
    let resized = resize::resize(&**store, sinks, &by, lanes, &entry, &report).await;
    progress.end();
    let resize::Resized { from, moved } = resized?;
    let (tenants, now) =
        (super::counted(moved as u64, "tenant"), super::counted(lanes.into(), "lane"));
    let done =
        format!("{now} now ({from} before); {tenants} changed lane. Start with LANES={lanes}");
    let object = json!({ "lanes": lanes, "before": from, "moved": moved });
    Ok(say(options.output.form, done, &object)?)
}

fn show(progress: &Progress, step: resize::Progress) {
    let (message, done, all) = match step {
        resize::Progress::Fenced(sink, done, all) => (format!("{sink}: lanes fenced"), done, all),
        resize::Progress::Copied(sink, done, all) => (format!("{sink}: cursors copied"), done, all),
    };
    progress.show(message, done as u64, all as u64);
}
