//! The progress of a replay, shown until it ends; Ctrl-C asks whether to pause or cancel it.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::sleep;

use crate::cli::interrupt::{self, Choice};
use crate::domain::replay::{Outcome, Replay, ReplayId, Wish};
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::follow::replay::submit::{NotHeeded, SubmitDeps};
use crate::store::Store;

/// The interval at which a replay's progress is read.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Stores an operator's wish, and an act of the trail.
pub async fn ask(
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
    deps.wish(tenant, id, wish, None, &super::super::act(act, tenant)).await
}

/// Returns a replay; an error if there is none.
pub async fn find(store: &dyn Store, tenant: &TenantId, id: ReplayId) -> anyhow::Result<Replay> {
    let found = store.find_replay(tenant, id).await?;
    found.with_context(|| format!("tenant {tenant} has no replay {id}"))
}

/// Shows a bar until the replay ends. If the operator interrupts it, asks whether to pause or
/// cancel the replay, or to leave it.
pub async fn watch_it(deps: &SubmitDeps, mut replay: Replay) -> anyhow::Result<()> {
    let bar = super::super::bar("{per_sec}, {eta} left")?;
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
                        super::super::stdout(),
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
                super::super::stdout(),
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
    let events = super::super::counted(events, "event");
    writeln!(super::super::stdout(), "{tenant}: {status}: {events} published, {skipped} skipped")?;
    match progress.ended {
        Some((Outcome::Completed, _)) => Ok(()),
        _ => match &progress.cause {
            Some(cause) => bail!("replay {id} has failed: {cause}"),
            None => bail!("replay {id} was cancelled"),
        },
    }
}
