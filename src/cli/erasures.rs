//! `erasures`: requests erasures, which a running gateway carries out, and shows how far they are.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::deps::{self, Deps};
use super::list::StoreListOptions;
use super::output::{Column, Output, OutputOptions, Rows, say};
use super::progress::Progress;
use crate::clock::Clock;
use crate::config::PartsOptions;
use crate::domain::erasure::{self, Erasure, ErasureId, ErasureRequest};
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::text;
use crate::domain::trail::Act;
use crate::follow::erasure::submit::{ErasureDeps, HeldBy, Outlook, Submitted};
use crate::store::{Access, Store};

/// The interval at which the progress is read.
const LOOK_EVERY: Duration = Duration::from_millis(250);

const COLUMNS: [Column; 8] = [
    ("TENANT", "tenant", -31, "-"),
    ("ERASURE", "id", -36, "-"),
    ("STATUS", "status", -11, "-"),
    ("EVENTS", "events", 8, "-"),
    ("SUBMITTED", "submittedDate", -24, "-"),
    ("PRODUCER", "producer", -15, "-"),
    ("NAME", "name", -15, "-"),
    ("KEY", "key", -1, "-"),
];

/// The subcommands of `erasures`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Takes the content of all events of a record out of the log, for ever.
    ///
    /// A running gateway carries it out. The progress is shown until every sink has passed it.
    Start(Box<StartOptions>),
    /// Prints a line for each erasure, newest first.
    List(Box<ListOptions>),
    /// Shows the progress of an erasure until it is complete.
    Watch(Box<WatchOptions>),
}

/// Options of `erasures start`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("subject").args(["entity", "event"]).required(true))]
pub struct StartOptions {
    /// The tenant.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The producer: a module's name or id, or a producer's name.
    #[arg(long, value_parser = text::name)]
    pub producer: String,
    /// The entity of the record.
    #[arg(long, value_parser = text::name)]
    pub entity: Option<String>,
    /// The process event of the record, instead of an entity.
    #[arg(long, value_parser = text::name)]
    pub event: Option<String>,
    /// The record's id.
    #[arg(long, value_parser = erasure::key)]
    pub key: Key,
    /// The reason, which is kept.
    #[arg(long, value_parser = text::reason)]
    pub reason: String,
    /// Returns at once, without showing the progress.
    #[arg(long)]
    pub detach: bool,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

impl StartOptions {
    /// Returns the request for the erasure.
    pub fn request(&self) -> ErasureRequest {
        ErasureRequest {
            producer: self.producer.clone(),
            name: self.entity.clone().or_else(|| self.event.clone()).unwrap_or_default(),
            key: self.key.clone(),
            reason: self.reason.clone(),
        }
    }
}

/// Options of `erasures list`.
#[derive(Debug, Clone, Args)]
pub struct ListOptions {
    /// The tenant; without one, the erasures of all tenants are listed.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The output, and the log.
    #[command(flatten)]
    list: StoreListOptions,
}

/// Options of `erasures watch`.
#[derive(Debug, Clone, Args)]
pub struct WatchOptions {
    /// The tenant.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The erasure's id.
    #[arg(value_parser = ErasureId::parse)]
    pub id: ErasureId,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log, the topics and the sinks.
    #[command(flatten)]
    pub parts: PartsOptions,
}

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        match self {
            Self::Start(options) => start(&options, clock).await,
            Self::List(options) => {
                let StoreListOptions { output, store } = &options.list;
                let store = deps::attached(store, clock).await?;
                list(&*store, options.tenant.as_ref(), output.form).await
            }
            Self::Watch(options) => watch(&options, clock).await,
        }
    }
}

/// Requests an erasure, and shows it until it is complete, or its id alone.
async fn start(options: &StartOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (deps, tenant) = (open(&options.parts, clock).await?, &options.tenant);
    super::log_of(&*deps.store, tenant).await?;
    let by = super::act(Act::Erase, tenant);
    let submitted = deps.submit(tenant, &options.request(), &by).await;
    let (Submitted::New(erasure) | Submitted::InProgress(erasure)) =
        submitted.with_context(|| format!("tenant {tenant}"))?;
    let form = options.output.form;
    say(form, format!("{tenant}: erasure {}", erasure.id), &as_json(&erasure))?;
    if let Some(warning) = deps.outlook(erasure.clone()).await?.warning() {
        tracing::warn!("{warning}");
    }
    if options.detach { Ok(()) } else { watch_it(&deps, erasure, form).await }
}

async fn open(parts: &PartsOptions, clock: Arc<dyn Clock>) -> anyhow::Result<ErasureDeps> {
    Ok(Deps::open(parts, Access::Attach, 1, clock.clone()).await?.erasures(clock))
}

/// Prints a line for each erasure of a tenant, or of all, newest first.
async fn list(store: &dyn Store, tenant: Option<&TenantId>, form: Output) -> anyhow::Result<()> {
    let enabled = super::logs(store, tenant).await?;
    let mut rows = Rows::begin(form, &COLUMNS)?;
    for enabled in enabled {
        for erasure in store.erasures(&enabled.tenant).await? {
            rows.row(&as_json(&erasure))?;
        }
    }
    Ok(())
}

/// Shows an erasure's progress until it is complete.
async fn watch(options: &WatchOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (deps, tenant) = (open(&options.parts, clock).await?, &options.tenant);
    super::log_of(&*deps.store, tenant).await?;
    watch_it(&deps, find(&deps, tenant, options.id).await?, options.output.form).await
}

async fn find(deps: &ErasureDeps, tenant: &TenantId, id: ErasureId) -> anyhow::Result<Erasure> {
    let found = deps.store.find_erasure(tenant, id).await?;
    found.with_context(|| format!("tenant {tenant} has no erasure {id}"))
}

/// Shows what an erasure waits for until it is complete, then the topics that hold the record.
async fn watch_it(deps: &ErasureDeps, mut erasure: Erasure, form: Output) -> anyhow::Result<()> {
    let shown = Progress::without_end()?;
    let (tenant, id) = (erasure.tenant.clone(), erasure.id);
    loop {
        let outlook = deps.outlook(erasure).await?;
        let progress = outlook.erasure.progress;
        if progress.completed.is_some() {
            shown.end();
            return end(&outlook, form);
        }
        let sinks: Vec<_> = outlook.waits_for.iter().map(ToString::to_string).collect();
        let waits = match (progress.last, sinks.is_empty()) {
            (None, _) => "erases events".to_owned(),
            (Some(_), true) => "completes".to_owned(),
            (Some(_), false) => format!("waits for {}", sinks.join(", ")),
        };
        shown.show_so_far(format!("{tenant}: {waits}"), progress.events);
        sleep(LOOK_EVERY).await;
        erasure = find(deps, &tenant, id).await?;
    }
}

fn end(outlook: &Outlook, form: Output) -> anyhow::Result<()> {
    let Outlook { erasure, held_by, .. } = outlook;
    let erased = super::counted(erasure.progress.events, "event");
    let mut lines = vec![format!("{}: {}: {erased} erased", erasure.tenant, erasure.status())];
    lines.extend(outlook.warning().map(|warning| format!("  {warning}")));
    let holds = held_by.iter().map(|HeldBy { topic, until, compacted }| match (until, compacted) {
        (Some(until), _) => format!("  {topic} may hold the record until {until}"),
        (None, true) => format!("  {topic} may hold it until Kafka compacts the topic"),
        (None, false) => format!("  {topic} may hold it for ever: it keeps all records"),
    });
    lines.extend(holds);
    let mut object = as_json(erasure);
    let held = held_by.iter().map(|HeldBy { topic, until, compacted }| {
        let until = until.map(|until| until.to_string());
        json!({ "topic": topic.as_str(), "until": until, "compacted": compacted })
    });
    object["topics"] = held.collect();
    object["warning"] = json!(outlook.warning());
    Ok(say(form, lines.join("\n"), &object)?)
}

/// Returns an erasure with the names that the HTTP API has for its members.
fn as_json(erasure: &Erasure) -> Value {
    let Erasure { id, tenant, subject, key, reason, submitted, progress, .. } = erasure;
    let (producer, name) = subject.parts();
    json!({
        "tenant": tenant.as_str(),
        "id": id.to_string(),
        "status": erasure.status(),
        "producer": producer,
        "name": name,
        "key": key.as_str(),
        "reason": reason,
        "submittedDate": submitted.to_string(),
        "completedDate": progress.completed.map(|time| time.to_string()),
        "events": progress.events,
        "position": progress.last.map(Position::number),
    })
}
