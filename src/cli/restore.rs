//! `restore`: after a store went back in time, or the cursors topic was lost, shows where each
//! tenant's log and its sinks diverge, and, once that is accepted, lets them go on from there.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::output::{Output, OutputOptions, say, stdout};
use super::progress::Progress;
use super::{audit, counted, deps};
use crate::clock::Clock;
use crate::config::PartsOptions;
use crate::domain::cursor::Cursor;
use crate::domain::follower::Follower;
use crate::domain::position::LogId;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::follow::audit::Progress as Step;
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
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
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
    /// The form of the output.
    form: Output,
}

/// Compares one tenant's log with its sinks, or all tenants'. Returns an error if histories differ
/// and that was not accepted.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (tenant, accept) = (options.tenant.as_ref(), options.accept);
    let opened = deps::Deps::open(&options.parts, Access::Attach, 0, clock.clone()).await?;
    let deps::Deps { store, settings, sinks } = &opened;
    let deps =
        &Deps { store: &**store, sinks, settings, clock: &*clock, form: options.output.form };
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
        let agree = format!("{tenant}: {name} and the log agree");
        say(deps.form, agree, &told(enabled, name, false))?;
        return Ok(false);
    };
    let other_sinks::Difference { cursor, checkpoint, is_in_log, parking } = difference;
    let lacks = if is_in_log { "" } else { ", which the log lacks" };
    let mut lines = vec![
        format!("{tenant}: {name} and log {} differ", enabled.log_id),
        format!("  the sink stands at      {}{lacks}", place(&cursor)),
        format!("  the store knows it at   {}", place(&checkpoint)),
        format!("  the log ends at         position {}", enabled.head),
    ];
    lines.extend(parking.as_ref().map(|lost| format!("  lost from parking       {lost}")));
    lines.push("  it gets the whole log again, once that is accepted".to_owned());
    let mut object = told(enabled, name, true);
    for (member, value) in [
        ("cursor", place_as_json(&cursor)),
        ("checkpoint", place_as_json(&checkpoint)),
        ("isInLog", json!(is_in_log)),
        ("lostFromParking", json!(parking.map(|lost| lost.to_string()))),
    ] {
        object[member] = value;
    }
    say(deps.form, lines.join("\n"), &object)?;
    if accept {
        let by = format!("restore {}", deps.clock.new_id());
        note(deps, tenant, sink.follower()).await?;
        other_sinks::accept(deps.store, sink, enabled, &by).await?;
        let accepted = json!({ "tenant": tenant.as_str(), "sink": name, "accepted": true });
        say(deps.form, "  accepted: it gets the whole log again", &accepted)?;
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
    let progress = Progress::begin("{eta} left")?;
    let report = |step: Step<'_>| audit::show(&progress, enabled.tenant.as_str(), step);
    let compared = restore::compare(deps.store, kafka, deps.settings, enabled, &report).await;
    progress.end();
    let Some(difference) = compared? else {
        let agree = format!("{}: Kafka and the log agree", enabled.tenant);
        say(deps.form, agree, &told(enabled, kafka.names().sink, false))?;
        return Ok(false);
    };
    match deps.form {
        Output::Table => print(&difference)?,
        Output::Json => {
            writeln!(stdout(), "{}", as_json(&difference, kafka.names().sink))?;
        }
    }
    if accept {
        note(deps, &enabled.tenant, kafka.follower()).await?;
        let new = LogId::new(deps.clock.new_id());
        let others: Vec<_> = other_sinks::others(deps.sinks).map(|sink| &**sink).collect();
        let form = deps.form;
        let deps = restore::RestoreDeps {
            store: deps.store,
            kafka,
            others: &others,
            settings: deps.settings,
            report: &report,
        };
        let accepted = restore::accept(&deps, &difference, new, &format!("restore {new}")).await;
        progress.end();
        accepted?;
        let (tenant, sink) = (enabled.tenant.as_str(), kafka.names().sink);
        let accepted =
            json!({ "tenant": tenant, "sink": sink, "accepted": true, "logId": new.to_string() });
        say(form, format!("  accepted: its log is {new} from now on"), &accepted)?;
    }
    Ok(true)
}

/// Writes to the trail that a difference was accepted, before that begins.
async fn note(deps: &Deps<'_>, tenant: &TenantId, sink: &Follower) -> anyhow::Result<()> {
    Ok(deps.store.add_trail(&super::act(Act::Restore, tenant).on(sink)).await?)
}

/// Returns the place of a cursor, for people.
pub(super) fn place(cursor: &Option<Cursor>) -> String {
    match cursor {
        Some(Cursor { position, event_id, time, .. }) => {
            format!("position {position}, event {event_id} of {time}")
        }
        None => "nowhere".to_owned(),
    }
}

/// Returns the same as JSON.
pub(super) fn place_as_json(cursor: &Option<Cursor>) -> Value {
    let object = |Cursor { position, event_id, time, .. }: &Cursor| {
        let (event_id, time) = (event_id.to_string(), time.to_string());
        json!({ "position": position.number(), "eventId": event_id, "time": time })
    };
    cursor.as_ref().map_or(Value::Null, object)
}

/// Begins the object of a comparison.
fn told(enabled: &TenantLog, sink: &str, differs: bool) -> Value {
    json!({
        "tenant": enabled.tenant.as_str(),
        "sink": sink,
        "logId": enabled.log_id.to_string(),
        "head": enabled.head.number(),
        "differs": differs,
    })
}

fn as_json(difference: &Difference, sink: &str) -> Value {
    let Difference { enabled, kafka, parking, common, again, pending, ended, only_in_kafka } =
        difference;
    let record = |record: &PublishedRecord| {
        json!({
            "topic": record.topic.to_string(),
            "partition": record.partition,
            "offset": record.offset,
            "position": record.position.number(),
            "eventId": record.event_id.to_string(),
            "time": record.time.map(|time| time.to_string()),
            "key": record.key.to_string(),
            "erased": record.is_erased,
        })
    };
    let mut object = told(enabled, sink, true);
    for (member, value) in [
        ("cursor", place_as_json(kafka)),
        ("common", place_as_json(common)),
        ("onlyInLog", json!(pending)),
        ("again", json!(again)),
        ("lostFromParking", json!(parking.as_ref().map(ToString::to_string))),
        ("endedScopes", json!(ended.len())),
        ("onlyInKafka", only_in_kafka.iter().map(record).collect()),
    ] {
        object[member] = value;
    }
    object
}

fn print(difference: &Difference) -> std::io::Result<()> {
    let Difference { enabled, kafka, parking, common, again, pending, ended, only_in_kafka } =
        difference;
    let mut out = stdout();
    writeln!(out, "{}: Kafka and log {} differ", enabled.tenant, enabled.log_id)?;
    writeln!(out, "  the relay stands at     {}", place(kafka))?;
    writeln!(out, "  the log ends at         position {}", enabled.head)?;
    writeln!(out, "  both are the same up to {}", place(common))?;
    let (pending, again) = (counted(*pending, "event"), counted(*again, "event"));
    writeln!(out, "  only in the log         {pending}, to be published")?;
    writeln!(out, "  in both after that      {again}, to be published again")?;
    if kafka.is_none() && common.is_some() {
        writeln!(
            out,
            "  up to there             nothing is published again. If its topics were lost too, \
             accept\n{:26}this first, and then run `event-gateway republish --tenant {}`",
            "", enabled.tenant
        )?;
    }
    if let Some(parking) = parking {
        writeln!(out, "  lost from parking       {parking}")?;
    }
    if !ended.is_empty() {
        let scopes = counted(ended.len() as u64, "scope");
        writeln!(
            out,
            "  ended since             {scopes}, which the store still has as parked; accepting \
             ends them"
        )?;
    }
    let records = counted(only_in_kafka.len() as u64, "record");
    writeln!(out, "  only in Kafka           {records}, which will stay there")?;
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
