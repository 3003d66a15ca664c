//! `erasures`: requests erasures, which a running gateway carries out, and shows how far they are.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use tokio::time::sleep;

use crate::domain::erasure::{Erasure, ErasureId, ErasureRequest};
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::follow::erasure::submit::{ErasureDeps, HeldBy, Outlook, Submitted};
use crate::store::Store;

/// The interval at which the progress is read.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The part of an erasure that is shown once it was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// The progress, until it is complete.
    Progress,
    /// The id alone.
    Id,
}

/// Requests an erasure, and shows it.
pub async fn start(
    deps: &ErasureDeps,
    tenant: &TenantId,
    request: &ErasureRequest,
    show: Show,
) -> anyhow::Result<()> {
    super::log_of(&*deps.store, tenant).await?;
    let submitted = deps.submit(tenant, request, &super::act(Act::Erase, tenant)).await;
    let (Submitted::New(erasure) | Submitted::InProgress(erasure)) =
        submitted.with_context(|| format!("tenant {tenant}"))?;
    writeln!(super::stdout(), "{tenant}: erasure {}", erasure.id)?;
    if let Some(warning) = deps.outlook(erasure.clone()).await?.warning() {
        tracing::warn!("{warning}");
    }
    match show {
        Show::Progress => watch_it(deps, erasure).await,
        Show::Id => Ok(()),
    }
}

/// Prints a line for each erasure of a tenant, or of all, newest first.
pub async fn list(store: &dyn Store, tenant: Option<&TenantId>) -> anyhow::Result<()> {
    let enabled = super::logs(store, tenant).await?;
    let mut out = super::stdout();
    writeln!(
        out,
        "{:<31} {:<36} {:<11} {:>8} {:<24} RECORD",
        "TENANT", "ERASURE", "STATUS", "EVENTS", "SUBMITTED"
    )?;
    for enabled in enabled {
        for erasure in store.erasures(&enabled.tenant).await? {
            let Erasure { id, tenant, subject, key, submitted, progress, .. } = &erasure;
            let (tenant, id, status) = (tenant.as_str(), id.to_string(), erasure.status());
            let (events, subject) = (progress.events, subject.as_str());
            writeln!(
                out,
                "{tenant:<31} {id:<36} {status:<11} {events:>8} {submitted:<24} {subject}/{key}"
            )?;
        }
    }
    Ok(())
}

/// Shows an erasure's progress until it is complete.
pub async fn watch(deps: &ErasureDeps, tenant: &TenantId, id: ErasureId) -> anyhow::Result<()> {
    super::log_of(&*deps.store, tenant).await?;
    watch_it(deps, find(deps, tenant, id).await?).await
}

async fn find(deps: &ErasureDeps, tenant: &TenantId, id: ErasureId) -> anyhow::Result<Erasure> {
    let found = deps.store.find_erasure(tenant, id).await?;
    found.with_context(|| format!("tenant {tenant} has no erasure {id}"))
}

/// Shows what an erasure waits for until it is complete, then the topics that hold the record.
async fn watch_it(deps: &ErasureDeps, mut erasure: Erasure) -> anyhow::Result<()> {
    let bar = super::bar("{elapsed}")?;
    let (tenant, id) = (erasure.tenant.clone(), erasure.id);
    loop {
        let outlook = deps.outlook(erasure).await?;
        let progress = outlook.erasure.progress;
        if progress.completed.is_some() {
            bar.finish_and_clear();
            return end(&outlook);
        }
        let sinks: Vec<_> = outlook.waits_for.iter().map(ToString::to_string).collect();
        let waits = match (progress.last, sinks.is_empty()) {
            (None, _) => "erases events".to_owned(),
            (Some(_), true) => "completes".to_owned(),
            (Some(_), false) => format!("waits for {}", sinks.join(", ")),
        };
        bar.set_message(format!("{tenant}: {waits}"));
        bar.set_length(progress.events);
        bar.set_position(progress.events);
        sleep(LOOK_EVERY).await;
        erasure = find(deps, &tenant, id).await?;
    }
}

fn end(outlook: &Outlook) -> anyhow::Result<()> {
    let Outlook { erasure, held_by, .. } = outlook;
    let mut out = super::stdout();
    let erased = super::counted(erasure.progress.events, "event");
    writeln!(out, "{}: {}: {erased} erased", erasure.tenant, erasure.status())?;
    if let Some(warning) = outlook.warning() {
        writeln!(out, "  {warning}")?;
    }
    for HeldBy { topic, until, compacted } in held_by {
        match (until, compacted) {
            (Some(until), _) => writeln!(out, "  {topic} may hold the record until {until}")?,
            (None, true) => writeln!(out, "  {topic} may hold it until Kafka compacts the topic")?,
            (None, false) => writeln!(out, "  {topic} may hold it for ever: it keeps all records")?,
        }
    }
    Ok(())
}
