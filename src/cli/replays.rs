//! `replays`: starts, lists, watches, pauses, resumes and cancels replays, which a running gateway
//! carries out.

mod start;
mod watch;

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::deps::{self, Deps};
use super::list::StoreListOptions;
use super::output::{Column, Output, OutputOptions, Rows, say};
use crate::clock::Clock;
use crate::config::StoreOptions;
use crate::domain::replay::{Replay, ReplayId, Wish};
use crate::domain::tenant::TenantId;
use crate::store::Store;

pub(super) use start::print_count;
pub(super) use watch::{Watched, watch_it};

const COLUMNS: [Column; 7] = [
    ("TENANT", "tenant", -31, "-"),
    ("REPLAY", "id", -36, "-"),
    ("STATUS", "status", -20, "-"),
    ("PUBLISHED", "messagesPublished", 10, "-"),
    ("TOTAL", "total", 10, "?"),
    ("SUBMITTED", "submittedDate", -24, "-"),
    ("TO", "target", -1, "its own topics"),
];

/// The subcommands of `replays`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Starts a replay, which a running gateway carries out, and shows its progress.
    ///
    /// Without a target, events are sent to the topics that they were published to; the replay then
    /// goes on until it has sent the newest event of every key that it touches.
    Start(Box<start::Options>),
    /// Prints a line for each replay, newest first.
    List(Box<ListOptions>),
    /// Shows the progress of a replay until it ends.
    Watch(Box<ReplayOptions>),
    /// Pauses a replay.
    Pause(Box<ReplayOptions>),
    /// Resumes a replay that is paused.
    Resume(Box<ReplayOptions>),
    /// Cancels a replay. One to the tenant's own topics first sends the newest event of every key
    /// that it has sent.
    Cancel(Box<ReplayOptions>),
}

/// Options of `replays list`.
#[derive(Debug, Clone, Args)]
pub struct ListOptions {
    /// The tenant; without one, the replays of all tenants are listed.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The output, and the log.
    #[command(flatten)]
    list: StoreListOptions,
}

/// Options of the subcommands for one replay.
#[derive(Debug, Clone, Args)]
pub struct ReplayOptions {
    /// The tenant.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The replay's id.
    #[arg(value_parser = ReplayId::parse)]
    pub id: ReplayId,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        match self {
            Self::Start(options) => start::run(&options, clock).await,
            Self::List(options) => {
                let StoreListOptions { output, store } = &options.list;
                let store = deps::attached(store, clock).await?;
                list(&*store, options.tenant.as_ref(), output.form).await
            }
            Self::Watch(options) => watch(&options, clock).await,
            Self::Pause(options) => wish(&options, Wish::Pause, clock).await,
            Self::Resume(options) => wish(&options, Wish::Run, clock).await,
            Self::Cancel(options) => wish(&options, Wish::Cancel, clock).await,
        }
    }
}

/// Prints a line for each replay of a tenant, or of all, newest first.
async fn list(store: &dyn Store, tenant: Option<&TenantId>, form: Output) -> anyhow::Result<()> {
    let enabled = super::logs(store, tenant).await?;
    let mut rows = Rows::begin(form, &COLUMNS)?;
    for enabled in enabled {
        for replay in store.replays(&enabled.tenant).await? {
            rows.row(&as_json(&replay))?;
        }
    }
    Ok(())
}

/// Prints the id of a replay that has begun.
pub(super) fn print_begun(replay: &Replay, form: Output) -> std::io::Result<()> {
    say(form, format_args!("{}: replay {}", replay.tenant, replay.id), &as_json(replay))
}

/// Shows a replay's progress until it ends.
async fn watch(options: &ReplayOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let ReplayOptions { tenant, id, output, store } = options;
    let deps = Deps::of_store(store, clock.clone()).await?.replays(clock);
    super::log_of(&*deps.store, tenant).await?;
    let replay = watch::find(&*deps.store, tenant, *id).await?;
    watch_it(&deps, replay, output.form).await.map(drop)
}

/// Stores an operator's request to pause, resume or cancel.
async fn wish(options: &ReplayOptions, wish: Wish, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let ReplayOptions { tenant, id, output, store } = options;
    let deps = Deps::of_store(store, clock.clone()).await?.replays(clock);
    super::log_of(&*deps.store, tenant).await?;
    let replay = watch::ask(&deps, tenant, *id, wish).await?;
    let sentence = format!("{id}: {}", replay.status());
    Ok(say(output.form, sentence, &as_json(&replay))?)
}

/// Returns a replay with the names that the HTTP API has for its members.
fn as_json(replay: &Replay) -> Value {
    let Replay { id, tenant, total, plan, progress, submitted, .. } = replay;
    json!({
        "tenant": tenant.as_str(),
        "id": id.to_string(),
        "status": replay.status(),
        "messagesPublished": progress.sent.events,
        "skipped": progress.sent.skipped,
        "total": total,
        "submittedDate": submitted.to_string(),
        "target": plan.target.as_ref().map(|target| target.topic.as_str()),
        "cause": progress.cause,
    })
}
