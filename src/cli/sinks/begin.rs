//! `sinks begin`: shows which events a sink can't get of a log, since they were removed before it
//! was configured, and lets it begin with what the log has.

use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::deps::Deps;
use crate::cli::output::{Output, OutputOptions, say};
use crate::cli::restore::{place, place_as_json};
use crate::clock::Clock;
use crate::config::PartsOptions;
use crate::domain::floors::Gap;
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::follow::gaps::begin::{self, Waiting};
use crate::sink::Sink;
use crate::store::{Access, TenantLog};

/// Options of `sinks begin`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The tenant to look at; without one, all tenants are looked at.
    #[arg(value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// Lets each sink that waits begin with what the log has; it never gets what was removed.
    #[arg(long)]
    pub accept: bool,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

/// Looks at one tenant's log, or all of them. Returns an error if a sink waits and may not begin.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let deps = Deps::open(&options.parts, Access::Attach, 1, clock.clone()).await?;
    if deps.sinks.sinks.is_empty() {
        bail!("there is no sink that may begin: set KAFKA_HOST or HEXKIT_MONGODB_URL");
    }
    let (form, mut waiting) = (options.output.form, 0);
    for enabled in &crate::cli::logs(&*deps.store, options.tenant.as_ref()).await? {
        let mut waits = false;
        for sink in &deps.sinks.sinks {
            let about = || format!("tenant {}, {}", enabled.tenant, sink.names().sink);
            let found = begin::find(&*deps.store, &**sink, enabled).await.with_context(about)?;
            show(form, &**sink, enabled, found.as_ref())?;
            let Some(found) = found else { continue };
            waits = true;
            if options.accept {
                let by = format!("sinks begin {}", clock.new_id());
                accept(&deps, &**sink, &found, &by).await.with_context(about)?;
                say(form, "  accepted: it begins", &accepted(&**sink, enabled))?;
            }
        }
        waiting += u32::from(waits);
    }
    if waiting > 0 && !options.accept {
        let wait = if waiting == 1 { "tenant waits" } else { "tenants wait" };
        let of = options.tenant.as_ref().map_or_else(String::new, |tenant| format!(" {tenant}"));
        bail!(
            "{waiting} {wait}; nothing was changed. To go on as shown: `event-gateway sinks \
             begin{of} --accept`"
        );
    }
    Ok(())
}

/// Lets a sink begin a log. The trail has the act before that begins.
async fn accept(deps: &Deps, sink: &dyn Sink, waiting: &Waiting, by: &str) -> anyhow::Result<()> {
    let entry = crate::cli::act(Act::BeginSink, &waiting.enabled.tenant).on(sink.follower());
    deps.store.add_trail(&entry).await?;
    Ok(begin::accept(&*deps.store, sink, waiting, by).await?)
}

/// Prints what a sink would miss of a log.
fn show(
    form: Output,
    sink: &dyn Sink,
    enabled: &TenantLog,
    waiting: Option<&Waiting>,
) -> anyhow::Result<()> {
    let (tenant, name) = (&enabled.tenant, sink.names().sink);
    let mut object = json!({
        "tenant": tenant.as_str(),
        "sink": name,
        "logId": enabled.log_id.to_string(),
        "head": enabled.head.number(),
        "missing": [],
    });
    let Some(Waiting { cursor, is_in_log, gaps, .. }) = waiting else {
        return Ok(say(form, format!("{tenant}: {name} misses nothing"), &object)?);
    };
    let lacks = if *is_in_log { "" } else { ", which the log lacks" };
    let goes_on = match cursor {
        Some(_) if *is_in_log => "it goes on after that with what the log has",
        Some(_) => "it gets all that the log has, some of it again",
        None => "it gets all that the log has",
    };
    let topics = crate::cli::counted(gaps.len() as u64, "topic");
    let mut lines = vec![
        format!("{tenant}: {name} waits: log {} lacks events that it never had", enabled.log_id),
        format!("  the sink stands at      {}{lacks}", place(cursor)),
        format!("  the log ends at         position {}", enabled.head),
        format!("  once that is accepted   {goes_on}"),
        format!("  events were removed     of {topics}, among these positions"),
        format!("    {:>9} {:>9}  TOPIC", "FROM", "TO"),
    ];
    let row = |Gap { topic, from, to }: &Gap| format!("    {from:>9} {to:>9}  {topic}");
    lines.extend(gaps.iter().map(row));
    object["missing"] = gaps.iter().map(missing).collect();
    object["cursor"] = place_as_json(cursor);
    object["isInLog"] = json!(is_in_log);
    Ok(say(form, lines.join("\n"), &object)?)
}

fn missing(Gap { topic, from, to }: &Gap) -> Value {
    json!({ "topic": topic.as_str(), "from": from.number(), "to": to.number() })
}

fn accepted(sink: &dyn Sink, enabled: &TenantLog) -> Value {
    json!({ "tenant": enabled.tenant.as_str(), "sink": sink.names().sink, "accepted": true })
}
