//! `tenants`: lists the tenants, each with its log, its lane, its head and how far it is published;
//! enables, disables and purges them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use tokio::time::sleep;

use super::deps::{self, Deps};
use super::foreign_settings;
use super::list::StoreListOptions;
use super::output::{Column, Output, OutputOptions, Rows, say};
use super::progress::Progress;
use crate::clock::Clock;
use crate::config::{self, PartsOptions, StoreOptions, TenantsOptions};
use crate::domain::follower::Follower;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{TenantAct, TenantAttributes, TenantJobId};
use crate::domain::text;
use crate::domain::trail::Act;
use crate::follow::purge::topics_left;
use crate::sink::Sinks;
use crate::store::{Access, Store};

/// The interval at which a purge that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const COLUMNS: [Column; 7] = [
    ("TENANT", "tenant", -31, "-"),
    ("LOG_ID", "logId", -36, "-"),
    ("LANE", "lane", 5, "-"),
    ("HEAD", "head", 11, "-"),
    ("PUBLISHED", "published", 11, "-"),
    ("PARKED", "parked", 7, "-"),
    ("STATE", "state", -1, "-"),
];

/// The subcommands of `tenants`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prints a line for each tenant: its log, its lane, the log's head, how far it is published,
    /// and whether it is enabled.
    List(Box<StoreListOptions>),
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
    /// The reason, which the trail keeps.
    #[arg(long, value_parser = text::reason)]
    pub reason: Option<String>,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
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
    /// The reason, which the trail keeps.
    #[arg(long, value_parser = text::reason)]
    pub reason: Option<String>,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
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
            Self::List(options) => {
                let store = deps::attached(&options.store, clock).await?;
                list(&*store, options.output.form).await
            }
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
    let settings = config::settings(&options.tenants, &options.store)?;
    let settings = Arc::new(settings);
    let store = deps::attached(&options.store, clock.clone()).await?;
    foreign_settings::refuse(&*store, &settings).await?;
    let deps = Deps { store, settings, sinks: Sinks::default() }.tenants(clock);
    let attributes = TenantAttributes::of(act, options.reason.as_deref());
    deps.submit(tenant, attributes, &by).await?;
    let (done, state) = match act {
        TenantAct::Enable => ("is enabled", "enabled"),
        TenantAct::Disable => {
            ("is disabled; its log stays, and what is pending is published", "disabled")
        }
        TenantAct::Purge { .. } => ("is being purged, by a running gateway", "being purged"),
    };
    let object = json!({ "tenant": tenant.as_str(), "state": state });
    Ok(say(options.output.form, format_args!("{tenant}: {done}"), &object)?)
}

/// Begins the purge of a tenant, which a running gateway carries out, and tells what it waits for.
async fn purge(options: &PurgeOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (tenant, act) = (&options.tenant, TenantAct::Purge { force: options.force });
    let deps = Deps::open(&options.parts, Access::Attach, 1, clock.clone()).await?;
    let store = deps.store.clone();
    let shared = topics_left(&*store, &deps.settings, tenant).await?;
    let by = super::act(Act::PurgeTenant, tenant);
    let attributes = TenantAttributes::of(act, options.reason.as_deref());
    let submitted = deps.tenants(clock).submit(tenant, attributes, &by).await?;
    let (job, form) = (submitted.job, options.output.form);
    let object = |state: &str, message: Option<&str>| {
        let id = job.id.to_string();
        json!({ "tenant": tenant.as_str(), "id": id, "state": state, "message": message })
    };
    let mut begun = vec![format!("{tenant}: is being purged, by a running gateway")];
    let mut told: BTreeSet<_> = job.progress.lasting().map(str::to_owned).collect();
    begun.extend(told.iter().map(|message| format!("{tenant}: {message}")));
    let mut first = object("being purged", None);
    first["sharedTopics"] = shared.iter().map(|topic| topic.as_str()).collect();
    say(form, begun.join("\n"), &first)?;
    if options.detach {
        return Ok(());
    }
    let progress = Progress::of_a_wait()?;
    while let Some(waits_for) = waits_for(&*store, tenant, job.id).await? {
        let waits = match &waits_for[..] {
            [] => "is being purged".to_owned(),
            all => all.join("; "),
        };
        for message in news(&mut told, waits_for) {
            let object = object("being purged", Some(&message));
            progress.suspend(|| say(form, format_args!("{tenant}: {message}"), &object))?;
        }
        progress.show_wait(format!("{tenant}: {waits}"));
        sleep(LOOK_EVERY).await;
    }
    progress.end();
    Ok(say(form, format_args!("{tenant}: is purged"), &object("purged", None))?)
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
            "no gateway with a sink runs: any gateway goes on with it".to_owned(),
        ]));
    }
    let job = store.find_tenant_job(tenant, job).await?;
    Ok(Some(job.map(|job| job.progress.messages).unwrap_or_default()))
}

/// Returns the messages that no look had before, and adds them to those that are told.
fn news(told: &mut BTreeSet<String>, mut now: Vec<String>) -> Vec<String> {
    now.retain(|message| told.insert(message.clone()));
    now
}

/// Prints a line for each tenant that has a log, or is being purged.
async fn list(store: &dyn Store, form: Output) -> anyhow::Result<()> {
    let mut rows = Rows::begin(form, &COLUMNS)?;
    for enabled in store.list().await? {
        let stands = store.stands(&enabled.tenant).await?;
        let relay = stands.iter().find(|(sink, _)| *sink == Follower::relay());
        let cursor = relay.and_then(|(_, cursor)| cursor.as_ref());
        let published = cursor.filter(|cursor| cursor.log_id == enabled.log_id);
        let scopes = super::parked::scopes(store, &enabled.tenant, &stands).await?;
        let parked = scopes.iter().filter(|(_, parked)| parked.is_open()).count();
        rows.row(&json!({
            "tenant": enabled.tenant.as_str(),
            "logId": enabled.log_id.to_string(),
            "lane": enabled.lane.number(),
            "head": enabled.head.number(),
            "published": published.map(|cursor| cursor.position.number()),
            "parked": parked,
            "state": if enabled.is_enabled { "enabled" } else { "disabled" },
        }))?;
    }
    for purge in store.purges().await? {
        rows.row(&json!({
            "tenant": purge.tenant.as_str(),
            "logId": purge.log_id.to_string(),
            "lane": purge.lane.number(),
            "head": null,
            "published": null,
            "parked": null,
            "state": "being purged",
        }))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use uuid::Uuid;

    use super::{list, news};
    use crate::cli::output::Output;
    use crate::clock::System;
    use crate::domain::position::LogId;
    use crate::domain::tenant::TenantId;
    use crate::store::{Access, Calls, Config, open};

    /// Keeps the names of a store's calls.
    #[derive(Default)]
    struct Named(Mutex<Vec<&'static str>>);

    impl Calls for Named {
        fn called(&self, operation: &'static str, _: Duration, _: Option<&'static str>) {
            self.0.lock().unwrap().push(operation);
        }
    }

    #[test]
    fn a_purge_tells_once_what_it_waits_for_whatever_else_it_waits_for() {
        let mut told = BTreeSet::new();
        let mut told_of = |now: &[&str]| {
            let now = now.iter().map(|&message| message.to_owned()).collect();
            news(&mut told, now).join(", ")
        };
        assert_eq!(told_of(&["for Kafka", "for requests"]), "for Kafka, for requests");
        assert_eq!(told_of(&["for requests"]), "");
        assert_eq!(told_of(&["for the replica"]), "for the replica");
        assert_eq!(told_of(&["for requests", "for MongoDB"]), "for MongoDB");
    }

    #[tokio::test]
    async fn a_row_of_a_list_reads_the_cursors_of_its_tenant_once() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::Sqlite { path: folder.path().join("store.db") };
        let store = open(&config, Access::Serve, Arc::new(System)).await.unwrap();
        store.lanes(1).await.unwrap();
        let (tenant, log_id) = (TenantId::parse("diku").unwrap(), LogId::new(Uuid::nil()));
        store.enable_if_new(&tenant, log_id).await.unwrap();
        let calls = Arc::new(Named::default());
        store.observe(calls.clone());
        list(&*store, Output::Json).await.unwrap();
        let calls = calls.0.lock().unwrap();
        assert_eq!(*calls, ["list", "stands", "parked", "purges"]);
    }
}
