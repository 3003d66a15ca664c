//! `tenants`: lists the tenants, each with its log, its lane, its head and how far it is published;
//! enables, disables and purges them.

use std::io::Write;
use std::time::Duration;

use tokio::time::sleep;

use crate::domain::follower::Follower;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{TenantAct, TenantAttributes, TenantJobId};
use crate::domain::trail::Act;
use crate::follow::tenant_jobs::TenantDeps;
use crate::store::Store;

/// The interval at which a purge that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Enables or disables a tenant, as FOLIO's tenant interface does. A running gateway creates the
/// topics of one that is enabled.
pub async fn change(deps: &TenantDeps, tenant: &TenantId, act: TenantAct) -> anyhow::Result<()> {
    let by = super::act(Act::EnableTenant, tenant);
    deps.submit(tenant, TenantAttributes::of(act), &by).await?;
    let done = match act {
        TenantAct::Enable => "is enabled",
        TenantAct::Disable => "is disabled; its log stays, and what is pending is published",
        TenantAct::Purge { .. } => "is being purged, by a running gateway",
    };
    writeln!(super::stdout(), "{tenant}: {done}")?;
    Ok(())
}

/// Whether a purge is followed until it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// It is, with what it waits for.
    Progress,
    /// It isn't.
    Nothing,
}

/// Begins the purge of a tenant, which a running gateway carries out, and tells what it waits for.
pub async fn purge(
    (deps, store): (&TenantDeps, &dyn Store),
    tenant: &TenantId,
    force: bool,
    show: Show,
) -> anyhow::Result<()> {
    let act = TenantAct::Purge { force };
    let by = super::act(Act::PurgeTenant, tenant);
    let job = deps.submit(tenant, TenantAttributes::of(act), &by).await?.job;
    writeln!(super::stdout(), "{tenant}: is being purged, by a running gateway")?;
    if show == Show::Nothing {
        return Ok(());
    }
    let mut told = Vec::new();
    while let Some(waits_for) = waits_for(store, tenant, job.id).await? {
        if waits_for != told {
            told = waits_for;
            for message in &told {
                writeln!(super::stdout(), "{tenant}: {message}")?;
            }
        }
        sleep(LOOK_EVERY).await;
    }
    writeln!(super::stdout(), "{tenant}: is purged")?;
    Ok(())
}

/// Returns what the purge of a tenant waits for, as one of its jobs tells; `None` if no purge of it
/// is under way.
async fn waits_for(
    store: &dyn Store,
    tenant: &TenantId,
    job: TenantJobId,
) -> anyhow::Result<Option<Vec<String>>> {
    if store.purges().await?.iter().all(|purge| purge.tenant != *tenant) {
        return Ok(None);
    }
    if store.members().await?.replicas.is_empty() {
        return Ok(Some(vec![
            "no gateway runs on this store: it goes on once one does".to_owned(),
        ]));
    }
    let job = store.find_tenant_job(tenant, job).await?;
    Ok(Some(job.map(|job| job.progress.messages).unwrap_or_default()))
}

/// Prints a line for each tenant that has a log, or is being purged.
pub async fn list(store: &dyn Store) -> anyhow::Result<()> {
    let mut out = super::stdout();
    writeln!(
        out,
        "{:<32}{:<38}{:>6}{:>12}{:>12}  STATE",
        "TENANT", "LOG_ID", "LANE", "HEAD", "PUBLISHED"
    )?;
    for enabled in store.list().await? {
        let cursor = store.load(&enabled.tenant, &Follower::relay()).await?;
        let published = cursor
            .filter(|c| c.log_id == enabled.log_id)
            .map_or("-".to_owned(), |c| c.position.to_string());
        let state = if enabled.is_enabled { "enabled" } else { "disabled" };
        let (tenant, log_id) = (enabled.tenant.to_string(), enabled.log_id.to_string());
        writeln!(
            out,
            "{tenant:<32}{log_id:<38}{:>6}{:>12}{published:>12}  {state}",
            enabled.lane.number(),
            enabled.head
        )?;
    }
    for purge in store.purges().await? {
        let (tenant, log_id) = (purge.tenant.to_string(), purge.log_id.to_string());
        let lane = purge.lane.number();
        writeln!(out, "{tenant:<32}{log_id:<38}{lane:>6}{:>12}{:>12}  being purged", "-", "-")?;
    }
    Ok(())
}
