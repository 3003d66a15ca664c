//! `replays`: starts, lists, watches, pauses, resumes and cancels replays, which a running gateway
//! carries out.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::sleep;

use super::interrupt::{self, Choice};
use crate::domain::replay::{Outcome, Replay, ReplayId, ReplayRequest, Wish};
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::follow::replay::submit::{NotHeeded, SubmitDeps, Submitted};
use crate::follow::replay::{Count, TopicCount};
use crate::store::Store;

/// The interval at which a replay's progress is read.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The part of a replay that is shown once it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// The progress, until it ends.
    Progress,
    /// The id alone.
    Id,
}

/// Starts a replay and shows it, or counts for a dry run. A replay that was watched and did not
/// complete is an error.
pub async fn start(
    deps: &SubmitDeps,
    tenant: &TenantId,
    request: &ReplayRequest,
    show: Show,
) -> anyhow::Result<()> {
    super::log_of(&*deps.store, tenant).await?;
    let submitted = deps.submit(tenant, request, &super::act(Act::StartReplay, tenant)).await;
    match submitted.with_context(|| format!("tenant {tenant}"))? {
        Submitted::Count(count) => Ok(print_count(tenant, &count)?),
        Submitted::Replay(replay) => {
            writeln!(super::stdout(), "{tenant}: replay {}", replay.id)?;
            if show == Show::Progress {
                watch_it(deps, *replay).await?;
            }
            Ok(())
        }
    }
}

/// Prints a line for each replay of a tenant, or of all, newest first.
pub async fn list(store: &dyn Store, tenant: Option<&TenantId>) -> anyhow::Result<()> {
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
pub async fn watch(deps: &SubmitDeps, tenant: &TenantId, id: ReplayId) -> anyhow::Result<()> {
    super::log_of(&*deps.store, tenant).await?;
    let replay = find(&*deps.store, tenant, id).await?;
    watch_it(deps, replay).await
}

/// Stores an operator's request to pause, resume or cancel.
pub async fn wish(
    deps: &SubmitDeps,
    tenant: &TenantId,
    id: ReplayId,
    wish: Wish,
) -> anyhow::Result<()> {
    super::log_of(&*deps.store, tenant).await?;
    let replay = ask(deps, tenant, id, wish).await?;
    writeln!(super::stdout(), "{id}: {}", replay.status())?;
    Ok(())
}

async fn ask(
    deps: &SubmitDeps,
    tenant: &TenantId,
    id: ReplayId,
    wish: Wish,
) -> Result<Replay, NotHeeded> {
    let act = match wish {
        Wish::Pause => Act::PauseReplay,
        Wish::Run => Act::ResumeReplay,
        Wish::Cancel => Act::CancelReplay,
    };
    deps.wish(tenant, id, wish, None, &super::act(act, tenant)).await
}

async fn find(store: &dyn Store, tenant: &TenantId, id: ReplayId) -> anyhow::Result<Replay> {
    let found = store.find_replay(tenant, id).await?;
    found.with_context(|| format!("tenant {tenant} has no replay {id}"))
}

/// Shows a bar until the replay ends. If the operator interrupts it, asks whether to pause or
/// cancel the replay, or to leave it.
pub(super) async fn watch_it(deps: &SubmitDeps, mut replay: Replay) -> anyhow::Result<()> {
    let bar = super::bar("{per_sec}, {eta} left")?;
    let (tenant, id) = (replay.tenant.clone(), replay.id);
    loop {
        let sent = replay.progress.sent;
        bar.set_message(format!("{tenant}: {}", replay.status()));
        bar.set_length(replay.total.unwrap_or_default().max(sent.events));
        bar.set_position(sent.events);
        if !replay.is_open() {
            bar.finish_and_clear();
            return end(&replay);
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            asked = interrupt::asked(&bar, "replay") => match asked? {
                Choice::Leave => {
                    bar.finish_and_clear();
                    writeln!(
                        super::stdout(),
                        "{id} goes on; `event-gateway replays watch --tenant {tenant} {id}` shows it"
                    )?;
                    return Ok(());
                }
                Choice::Pause => drop(ask(deps, &tenant, id, Wish::Pause).await?),
                Choice::Cancel => drop(ask(deps, &tenant, id, Wish::Cancel).await?),
            },
        }
        replay = find(&*deps.store, &tenant, id).await?;
        if replay.status() == "Paused" {
            bar.finish_and_clear();
            writeln!(
                super::stdout(),
                "{id} is paused; `event-gateway replays resume --tenant {tenant} {id}` resumes it"
            )?;
            return Ok(());
        }
    }
}

/// Prints how a replay ended; one that did not complete is an error.
fn end(replay: &Replay) -> anyhow::Result<()> {
    let Replay { tenant, id, progress, .. } = replay;
    let status = replay.status();
    let (events, skipped) = (progress.sent.events, progress.sent.skipped);
    let events = super::counted(events, "event");
    writeln!(super::stdout(), "{tenant}: {status}: {events} published, {skipped} skipped")?;
    match progress.ended {
        Some((Outcome::Completed, _)) => Ok(()),
        _ => match &progress.cause {
            Some(cause) => bail!("replay {id} has failed: {cause}"),
            None => bail!("replay {id} was cancelled"),
        },
    }
}

/// Prints the count of a dry run.
pub(super) fn print_count(tenant: &TenantId, count: &Count) -> std::io::Result<()> {
    let mut out = super::stdout();
    let line = |TopicCount { events, bytes, vanishing }: TopicCount| {
        let vanish = match vanishing {
            0 => String::new(),
            some => format!(", {some} of them older than the topic keeps records"),
        };
        let (events, bytes) = (super::counted(events, "event"), super::counted(bytes, "byte"));
        format!("{events}, {bytes}{vanish}")
    };
    writeln!(out, "{tenant}: {}", line(count.total()))?;
    for (topic, one) in &count.topics {
        writeln!(out, "  {topic}: {}", line(*one))?;
    }
    Ok(())
}
