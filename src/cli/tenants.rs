//! `tenants`: lists the tenants, each with its log, its lane, its head and how far it is published;
//! enables, disables and purges them.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio::time::sleep;

use super::deps::{self, Deps};
use super::foreign_settings;
use crate::clock::Clock;
use crate::config::{self, PartsOptions, StoreOptions, TenantsOptions};
use crate::domain::follower::Follower;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{TenantAct, TenantAttributes, TenantJobId};
use crate::domain::trail::Act;
use crate::sink::Sinks;
use crate::store::{Access, Store};

/// The interval at which a purge that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The subcommands of `tenants`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prints a line for each tenant: its log, its lane, the log's head, how far it is published,
    /// and whether it is enabled.
    List(Box<StoreOptions>),
    /// Enables a tenant: it may post and read. A new one gets a log.
    Enable(Box<TenantOptions>),
    /// Disables a tenant: it may not post and read any more. Its log stays, and what is pending is
    /// published.
    Disable(Box<TenantOptions>),
    /// Removes everything of a tenant: its topics, its log, its subscriptions, for ever.
    ///
    /// A running gateway carries it out. What it waits for is shown until it is complete.
    Purge(Box<PurgeOptions>),
}

/// Options of `tenants purge`.
#[derive(Debug, Clone, Args)]
pub struct PurgeOptions {
    /// The tenant.
    #[arg(value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// Purges it although events are pending or parked: they are lost.
    #[arg(long)]
    pub force: bool,
    /// Returns at once, while the purge is under way.
    #[arg(long)]
    pub detach: bool,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

/// Options of `tenants enable` and `tenants disable`.
#[derive(Debug, Clone, Args)]
pub struct TenantOptions {
    /// The tenant.
    #[arg(value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
    /// The tenants' files.
    #[command(flatten)]
    pub tenants: TenantsOptions,
}

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        match self {
            Self::List(store) => list(&*deps::attached(&store, clock).await?).await,
            Self::Enable(options) => change(&options, TenantAct::Enable, clock).await,
            Self::Disable(options) => change(&options, TenantAct::Disable, clock).await,
            Self::Purge(options) => purge(&options, clock).await,
        }
    }
}

/// Enables or disables a tenant, as FOLIO's tenant interface does. A running gateway creates the
/// topics of one that is enabled.
async fn change(
    options: &TenantOptions,
    act: TenantAct,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<()> {
    let (tenant, by) = (&options.tenant, super::act(Act::EnableTenant, &options.tenant));
    let settings = Arc::new(config::settings(&options.tenants, &options.store)?);
    let store = deps::attached(&options.store, clock.clone()).await?;
    foreign_settings::refuse(&*store, &settings).await?;
    let deps = Deps { store, settings, sinks: Sinks::default() }.tenants(clock);
    deps.submit(tenant, TenantAttributes::of(act), &by).await?;
    let done = match act {
        TenantAct::Enable => "is enabled",
        TenantAct::Disable => "is disabled; its log stays, and what is pending is published",
        TenantAct::Purge { .. } => "is being purged, by a running gateway",
    };
    writeln!(super::stdout(), "{tenant}: {done}")?;
    Ok(())
}

/// Begins the purge of a tenant, which a running gateway carries out, and tells what it waits for.
async fn purge(options: &PurgeOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (tenant, act) = (&options.tenant, TenantAct::Purge { force: options.force });
    let deps = Deps::open(&options.parts, Access::Attach, 1, clock.clone()).await?;
    let store = deps.store.clone();
    let by = super::act(Act::PurgeTenant, tenant);
    let submitted = deps.tenants(clock).submit(tenant, TenantAttributes::of(act), &by).await?;
    let job = submitted.job;
    writeln!(super::stdout(), "{tenant}: is being purged, by a running gateway")?;
    if options.detach {
        return Ok(());
    }
    let mut told = Vec::new();
    while let Some(waits_for) = waits_for(&*store, tenant, job.id).await? {
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
async fn list(store: &dyn Store) -> anyhow::Result<()> {
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
