//! The progress of a replay, shown until it ends; Ctrl-C asks whether to pause or cancel it.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::sleep;

use crate::cli::interrupt::{Asker, Choice};
use crate::cli::output::{Output, say};
use crate::cli::progress::Progress;
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

/// How far a replay was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Until it had completed.
    Completed,
    /// The operator left it, or it is paused.
    Left,
}

/// Shows a bar until the replay ends. If the operator interrupts it, asks whether to pause or
/// cancel the replay, or to leave it.
pub async fn watch_it(
    deps: &SubmitDeps,
    mut replay: Replay,
    form: Output,
) -> anyhow::Result<Watched> {
    let progress = Progress::begin("{per_sec}, {eta} left")?;
    let (tenant, id) = (replay.tenant.clone(), replay.id);
    let mut asker = Asker::begin();
    loop {
        let sent = replay.progress.sent;
        let all = replay.total.unwrap_or_default().max(sent.events);
        progress.show(format!("{tenant}: {}", replay.status()), sent.events, all);
        if !replay.is_open() {
            progress.end();
            end(&replay, form)?;
            return Ok(Watched::Completed);
        }
        let look = async {
            sleep(LOOK_EVERY).await;
            find(&*deps.store, &tenant, id).await
        };
        tokio::select! {
            found = look => replay = found?,
            interrupted = asker.interrupted() => {
                interrupted?;
                // Nothing else is looked at until there is an answer.
                match asker.ask(&progress, "replay").await? {
                    Choice::Leave => {
                        progress.end();
                        return leave(&replay, form);
                    }
                    Choice::Pause => replay = ask(deps, &tenant, id, Wish::Pause).await?,
                    Choice::Cancel => replay = ask(deps, &tenant, id, Wish::Cancel).await?,
                }
            }
        }
        if replay.status() == "Paused" {
            progress.end();
            let way = format!("`event-gateway replays resume --tenant {tenant} {id}` resumes it");
            let paused = format!("{id} is paused; {way}");
            say(form, paused, &super::as_json(&replay))?;
            return Ok(Watched::Left);
        }
    }
}

/// Tells that a replay goes on, which the operator has left.
fn leave(replay: &Replay, form: Output) -> anyhow::Result<Watched> {
    let Replay { tenant, id, .. } = replay;
    let way = format!("`event-gateway replays watch --tenant {tenant} {id}` shows it");
    say(form, format!("{id} goes on; {way}"), &super::as_json(replay))?;
    Ok(Watched::Left)
}

/// Prints how a replay ended; one that did not complete is an error.
fn end(replay: &Replay, form: Output) -> anyhow::Result<()> {
    let Replay { tenant, id, progress, .. } = replay;
    let status = replay.status();
    let (events, skipped) = (progress.sent.events, progress.sent.skipped);
    let events = super::super::counted(events, "event");
    let ended = format!("{tenant}: {status}: {events} published, {skipped} skipped");
    say(form, ended, &super::as_json(replay))?;
    match progress.ended {
        Some((Outcome::Completed, _)) => Ok(()),
        _ => match &progress.cause {
            Some(cause) => bail!("replay {id} has failed: {cause}"),
            None => bail!("replay {id} was cancelled"),
        },
    }
}
