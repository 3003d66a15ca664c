//! `parked`: lists what the sinks refuse, and asks that a part of it be released or discarded.
//!
//! It may run while replicas run: a tenant's lane begins with a request within a second.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::deps;
use super::list::StoreListOptions;
use super::output::{Column, Output, OutputOptions, Rows, say};
use crate::clock::Clock;
use crate::config::StoreOptions;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::parked::{Parked, Request};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::text;
use crate::domain::trail::Act;
use crate::follow::parking::requests;
use crate::store::{Stand, Store};

const COLUMNS: [Column; 8] = [
    ("TENANT", "tenant", -23, "-"),
    ("PARKED", "id", -36, "-"),
    ("SINK", "sink", -6, "-"),
    ("STATE", "state", -10, "-"),
    ("POSITION", "position", 11, "-"),
    ("EVENTS", "events", 8, "-"),
    ("TOPIC", "topic", -40, "-"),
    ("KEY", "key", -1, "(all)"),
];

/// The subcommands of `parked`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prints a line for each key or topic that a sink refuses or has refused, by position.
    List(Box<ListOptions>),
    /// Has what is parked published, from its first event on.
    Release(Box<ReleaseOptions>),
    /// Gives up what is parked, up to now; later events are published again.
    Discard(Box<DiscardOptions>),
}

/// Options of `parked list`.
#[derive(Debug, Clone, Args)]
pub struct ListOptions {
    /// The tenant; without one, all tenants are listed.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// Leaves out what has ended: what was published after all, superseded or discarded.
    #[arg(long)]
    pub open: bool,
    /// The output, and the log.
    #[command(flatten)]
    list: StoreListOptions,
}

/// The parked key or topic that a request is about.
#[derive(Debug, Clone, Args)]
pub struct ScopeOptions {
    /// The id, as `parked list` shows it.
    #[arg(value_parser = EventId::parse)]
    pub id: EventId,
    /// The tenant.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The sink that refuses it; relay is the broker.
    #[arg(long, default_value = Follower::RELAY, value_parser = Follower::parse)]
    pub sink: Follower,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Options of `parked release`.
#[derive(Debug, Clone, Args)]
pub struct ReleaseOptions {
    /// The reason, which is kept.
    #[arg(long, value_parser = text::reason)]
    pub reason: Option<String>,
    /// The scope.
    #[command(flatten)]
    pub scope: ScopeOptions,
}

/// Options of `parked discard`.
#[derive(Debug, Clone, Args)]
pub struct DiscardOptions {
    /// The reason, which is kept.
    #[arg(long, value_parser = text::reason)]
    pub reason: String,
    /// The scope.
    #[command(flatten)]
    pub scope: ScopeOptions,
}

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        match self {
            Self::List(options) => {
                let store = deps::attached(&options.list.store, clock).await?;
                list(&*store, options.tenant.as_ref(), options.open, options.list.output.form).await
            }
            Self::Release(options) => {
                ask(&options.scope, Request::Release, options.reason.as_deref(), clock).await
            }
            Self::Discard(options) => {
                ask(&options.scope, Request::Discard, Some(&options.reason), clock).await
            }
        }
    }
}

/// Prints what the sinks refuse or have refused, of one tenant or of all.
async fn list(
    store: &dyn Store,
    tenant: Option<&TenantId>,
    is_open: bool,
    form: Output,
) -> anyhow::Result<()> {
    let logs = super::logs(store, tenant).await?;
    let mut rows = Rows::begin(form, &COLUMNS)?;
    for log in &logs {
        let stands = store.stands(&log.tenant).await?;
        let mut scopes = scopes(store, &log.tenant, &stands).await?;
        scopes.retain(|(_, parked)| !is_open || parked.is_open());
        scopes.iter().try_for_each(|(sink, parked)| rows.row(&as_json(sink, parked)))?;
    }
    Ok(())
}

/// Returns what the sinks refuse or have refused of a tenant, by position. The sinks are the broker
/// and those that the store knows, which `stands` names.
pub(super) async fn scopes(
    store: &dyn Store,
    tenant: &TenantId,
    stands: &[Stand],
) -> anyhow::Result<Vec<(Follower, Parked)>> {
    let known = stands.iter().map(|(sink, _)| sink.clone());
    let sinks: BTreeSet<_> = known.chain([Follower::relay()]).collect();
    let mut scopes = Vec::new();
    for sink in sinks {
        let parked = store.parked(tenant, &sink).await?;
        scopes.extend(parked.into_iter().map(|parked| (sink.clone(), parked)));
    }
    scopes.sort_by_key(|(_, parked)| parked.position);
    Ok(scopes)
}

/// Writes a request about a parked scope, which the tenant's lane takes.
async fn ask(
    options: &ScopeOptions,
    request: Request,
    reason: Option<&str>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<()> {
    let ScopeOptions { id, tenant, sink, output, store } = options;
    let store = deps::attached(store, clock).await?;
    super::log_of(&*store, tenant).await?;
    let act = match request {
        Request::Release => Act::Release,
        Request::Discard => Act::Discard,
    };
    let by = super::act(act, tenant);
    let asked = requests::request(&*store, (sink, tenant, *id), request, reason, &by).await;
    let parked = asked.with_context(|| format!("tenant {tenant}, sink {sink}, {id}"))?;
    let parked = parked.context("the tenant was purged meanwhile")?;
    let done = format!(
        "{tenant}: {id}: {} requested; the tenant's lane begins with it within a second",
        request.as_str()
    );
    Ok(say(output.form, done, &as_json(sink, &parked))?)
}

fn as_json(sink: &Follower, parked: &Parked) -> Value {
    json!({
        "tenant": parked.tenant.as_str(),
        "id": parked.event_id.to_string(),
        "sink": sink.as_str(),
        "topic": parked.topic.as_str(),
        "key": parked.key.as_ref().map(ToString::to_string),
        "position": parked.position.number(),
        "state": parked.state.as_str(),
        "events": parked.events,
        "cause": parked.cause,
        "time": parked.time.to_string(),
        "ended": parked.state.ended().map(Position::number),
        "requested": parked.requested.map(Request::as_str),
        "reason": parked.reason,
    })
}
