//! `restore`: after a store went back in time, or the cursors topic was lost, shows where each
//! tenant's log and its sinks diverge, and, once that is accepted, lets them go on from there.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use super::deps;
use crate::clock::Clock;
use crate::config::PartsOptions;
use crate::domain::cursor::Cursor;
use crate::domain::position::LogId;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::follow::restore::{self, Difference, PublishedRecord, other_sinks};
use crate::sink::{Repair, Sink, Sinks};
use crate::store::{Access, Store, TenantLog};

/// Options of `restore`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The tenant to compare; without one, all tenants are compared.
    #[arg(value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// Lets the relay go on after the last event that both have; the log gets a new id, and none of
    /// its events is skipped. Any other sink that differs gets the whole log again.
    #[arg(long, requires = "tenant")]
    pub accept: bool,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

/// The parts that the subcommand needs.
struct Deps<'a> {
    /// The logs.
    store: &'a dyn Store,
    /// The sinks that they were published to.
    sinks: &'a Sinks,
    /// The settings, which name each tenant's topics.
    settings: &'a Settings,
    /// The source of the ids of new logs.
    clock: &'a dyn Clock,
}

/// Compares one tenant's log with its sinks, or all tenants'. Returns an error if histories differ
/// and that was not accepted.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (tenant, accept) = (options.tenant.as_ref(), options.accept);
    let opened = deps::Deps::open(&options.parts, Access::Attach, 0, clock.clone()).await?;
    let deps::Deps { store, settings, sinks } = &opened;
    let deps = &Deps { store: &**store, sinks, settings, clock: &*clock };
    let enabled = super::logs(deps.store, tenant).await?;
    if deps.sinks.sinks.is_empty() {
        bail!(
            "a log is compared with what its sinks have of it: set KAFKA_HOST or \
             HEXKIT_MONGODB_URL"
        );
    }
    let mut different = 0;
    for enabled in &enabled {
        let looked = look_at_all(deps, enabled, accept).await;
        different += looked.with_context(|| format!("tenant {}", enabled.tenant))?;
    }
    if different > 0 && !accept {
        let differ = if different == 1 { "tenant differs" } else { "tenants differ" };
        bail!(
            "{different} {differ}; nothing was changed. To go on as shown: `event-gateway restore \
             {} --accept`",
            tenant.map_or("TENANT", TenantId::as_str)
        );
    }
    Ok(())
}

/// Compares a tenant's log with each sink. Returns 1 if it differs from any.
async fn look_at_all(deps: &Deps<'_>, enabled: &TenantLog, accept: bool) -> anyhow::Result<u32> {
    let mut differs = false;
    if let Some(kafka) = &deps.sinks.repair {
        differs = look(deps, &**kafka, enabled, accept).await?;
        if differs && accept {
            // The other sinks go on with the log under its new id, from its start.
            return Ok(1);
        }
    }
    for sink in other_sinks::others(deps.sinks) {
        differs |= look_at_other(deps, &**sink, enabled, accept).await?;
    }
    Ok(differs.into())
}

/// Compares a tenant's log with a sink that is no broker, and returns whether they differ.
async fn look_at_other(
    deps: &Deps<'_>,
    sink: &dyn Sink,
    enabled: &TenantLog,
    accept: bool,
) -> anyhow::Result<bool> {
    let (name, tenant) = (sink.names().sink, &enabled.tenant);
    let Some(difference) = other_sinks::compare(deps.store, sink, enabled).await? else {
        writeln!(super::stdout(), "{tenant}: {name} and the log agree")?;
        return Ok(false);
    };
    let other_sinks::Difference { cursor, checkpoint, is_in_log, parking } = difference;
    let mut out = super::stdout();
    writeln!(out, "{tenant}: {name} and log {} differ", enabled.log_id)?;
    let lacks = if is_in_log { "" } else { ", which the log lacks" };
    writeln!(out, "  the sink stands at      {}{lacks}", place(&cursor))?;
    writeln!(out, "  the store knows it at   {}", place(&checkpoint))?;
    writeln!(out, "  the log ends at         position {}", enabled.head)?;
    if let Some(parking) = parking {
        writeln!(out, "  lost from parking       {parking}")?;
    }
    writeln!(out, "  it gets the whole log again, once that is accepted")?;
    drop(out);
    if accept {
        let by = format!("restore {}", deps.clock.new_id());
        note(deps, tenant, name).await?;
        other_sinks::accept(deps.store, sink, enabled, &by).await?;
        writeln!(super::stdout(), "  accepted: it gets the whole log again")?;
    }
    Ok(true)
}

/// Compares a tenant's log with Kafka, and returns whether they differ.
async fn look(
    deps: &Deps<'_>,
    kafka: &dyn Repair,
    enabled: &TenantLog,
    accept: bool,
) -> anyhow::Result<bool> {
    let Some(difference) = restore::compare(deps.store, kafka, deps.settings, enabled).await?
    else {
        writeln!(super::stdout(), "{}: Kafka and the log agree", enabled.tenant)?;
        return Ok(false);
    };
    print(&difference)?;
    if accept {
        note(deps, &enabled.tenant, kafka.names().sink).await?;
        let new = LogId::new(deps.clock.new_id());
        let others: Vec<_> = other_sinks::others(deps.sinks).map(|sink| &**sink).collect();
        let deps = restore::RestoreDeps {
            store: deps.store,
            kafka,
            others: &others,
            settings: deps.settings,
        };
        restore::accept(&deps, &difference, new, &format!("restore {new}")).await?;
        writeln!(super::stdout(), "  accepted: its log is {new} from now on")?;
    }
    Ok(true)
}

/// Writes to the trail that a difference was accepted, before that begins.
async fn note(deps: &Deps<'_>, tenant: &TenantId, sink: &str) -> anyhow::Result<()> {
    Ok(deps.store.add_trail(&super::act(Act::Restore, tenant).on(sink)).await?)
}

fn place(cursor: &Option<Cursor>) -> String {
    match cursor {
        Some(Cursor { position, event_id, time, .. }) => {
            format!("position {position}, event {event_id} of {time}")
        }
        None => "nowhere".to_owned(),
    }
}

fn print(difference: &Difference) -> std::io::Result<()> {
    let Difference { enabled, kafka, parking, common, again, pending, ended, only_in_kafka } =
        difference;
    let mut out = super::stdout();
    writeln!(out, "{}: Kafka and log {} differ", enabled.tenant, enabled.log_id)?;
    writeln!(out, "  the relay stands at     {}", place(kafka))?;
    writeln!(out, "  the log ends at         position {}", enabled.head)?;
    writeln!(out, "  both are the same up to {}", place(common))?;
    writeln!(out, "  only in the log         {pending} events, which will be published")?;
    writeln!(out, "  in both after that      {again} events, to be published again")?;
    if let Some(parking) = parking {
        writeln!(out, "  lost from parking       {parking}")?;
    }
    if !ended.is_empty() {
        let scopes = ended.len();
        writeln!(
            out,
            "  ended since             {scopes} scopes that the store still has as parked; \
             accepting ends them"
        )?;
    }
    writeln!(out, "  only in Kafka           {} events, which stay there", only_in_kafka.len())?;
    if !only_in_kafka.is_empty() {
        writeln!(
            out,
            "    {:>9} {:>9} {:>9}  EVENT_ID, TIME, TOPIC, KEY",
            "PARTITION", "OFFSET", "POSITION"
        )?;
    }
    for record in only_in_kafka {
        let PublishedRecord { topic, partition, offset, key, position, event_id, .. } = record;
        let time = record.time.map_or_else(|| "-".to_owned(), |time| time.to_string());
        let again = if record.is_erased { " (erased: accepting erases it again)" } else { "" };
        writeln!(
            out,
            "    {partition:>9} {offset:>9} {position:>9}  {event_id} {time} {topic} {key}{again}"
        )?;
    }
    Ok(())
}
