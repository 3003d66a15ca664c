//! `replays`: starts, lists, watches, pauses, resumes and cancels replays, which a running gateway
//! carries out.

mod start;
mod watch;

use std::io::Write;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::deps::{self, Deps};
use crate::clock::Clock;
use crate::config::StoreOptions;
use crate::domain::replay::{Replay, ReplayId, Wish};
use crate::domain::tenant::TenantId;
use crate::store::Store;

pub(super) use start::print_count;
pub(super) use watch::watch_it;

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
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
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
                let store = deps::attached(&options.store, clock).await?;
                list(&*store, options.tenant.as_ref()).await
            }
            Self::Watch(options) => watch(&options, clock).await,
            Self::Pause(options) => wish(&options, Wish::Pause, clock).await,
            Self::Resume(options) => wish(&options, Wish::Run, clock).await,
            Self::Cancel(options) => wish(&options, Wish::Cancel, clock).await,
        }
    }
}

/// Prints a line for each replay of a tenant, or of all, newest first.
async fn list(store: &dyn Store, tenant: Option<&TenantId>) -> anyhow::Result<()> {
    let enabled = super::logs(store, tenant).await?;
    let mut out = super::stdout();
    writeln!(
        out,
        "{:<31} {:<36} {:<20} {:>10} {:>10} {:<24} TO",
        "TENANT", "REPLAY", "STATUS", "PUBLISHED", "TOTAL", "SUBMITTED"
    )?;
    for enabled in enabled {
        for replay in store.replays(&enabled.tenant).await? {
            let Replay { id, tenant, total, plan, progress, submitted, .. } = &replay;
            let (tenant, id) = (tenant.as_str(), id.to_string());
            let total = total.map_or("?".to_owned(), |total| total.to_string());
            let to = plan.target.as_ref().map_or("its own topics", |it| it.topic.as_str());
            let (status, events) = (replay.status(), progress.sent.events);
            writeln!(
                out,
                "{tenant:<31} {id:<36} {status:<20} {events:>10} {total:>10} {submitted:<24} {to}"
            )?;
        }
    }
    Ok(())
}

/// Shows a replay's progress until it ends.
async fn watch(options: &ReplayOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let ReplayOptions { tenant, id, store } = options;
    let deps = Deps::of_store(store, clock.clone()).await?.replays(clock);
    super::log_of(&*deps.store, tenant).await?;
    let replay = watch::find(&*deps.store, tenant, *id).await?;
    watch_it(&deps, replay).await
}

/// Stores an operator's request to pause, resume or cancel.
async fn wish(options: &ReplayOptions, wish: Wish, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let ReplayOptions { tenant, id, store } = options;
    let deps = Deps::of_store(store, clock.clone()).await?.replays(clock);
    super::log_of(&*deps.store, tenant).await?;
    let replay = watch::ask(&deps, tenant, *id, wish).await?;
    writeln!(super::stdout(), "{id}: {}", replay.status())?;
    Ok(())
}
