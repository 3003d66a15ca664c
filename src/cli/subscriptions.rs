//! `subscriptions`: lists the groups that follow the logs over HTTP, and makes, moves, halts,
//! exports and removes them.
//!
//! It may run while replicas run: a reader notices at once.

pub mod export;
mod halt;
mod hash_password;

use std::sync::Arc;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::group::{GroupOptions, open};
use super::list::StoreListOptions;
use super::output::{Column, Output, Rows, say};
use super::{deps, foreign_settings};
use crate::clock::Clock;
use crate::config::{self, TenantsOptions, whole};
use crate::domain::filter::{Filter, TopicPattern, event_type};
use crate::domain::key::Key;
use crate::domain::settings::Settings;
use crate::domain::subscription::{Form, Gaps, Group, Start};
use crate::domain::tenant::TenantId;
use crate::domain::text;
use crate::domain::trail::Act;
use crate::store::{DeadCount, FoundSubscription};
use crate::subscribe::{Error, Groups, Put};

const COLUMNS: [Column; 8] = [
    ("TENANT", "tenant", -23, "-"),
    ("GROUP", "group", -31, "-"),
    ("POSITION", "position", 11, "-"),
    ("LAG", "lag/events", 9, "-"),
    ("SECONDS", "lag/seconds", 9, "-"),
    ("STATE", "state", -6, "-"),
    ("DEAD", "deadLetters", 5, "-"),
    ("READER", "reader", -1, "-"),
];

/// The columns of one subscription.
const ONE: [Column; 6] = [
    ("TENANT", "tenant", -23, "-"),
    ("GROUP", "group", -31, "-"),
    ("POSITION", "position", 11, "-"),
    ("GENERATION", "generation", 10, "-"),
    ("READER", "reader", -31, "-"),
    ("FILTER", "filter", -1, "all events"),
];

/// The subcommands of `subscriptions`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prints a line for each subscription: where the group stands, who reads for it, and its lag.
    List(Box<ListOptions>),
    /// Prints a subscription.
    Show(Box<GroupOptions>),
    /// Makes a subscription, or gives an existing one another filter.
    Put(Box<PutOptions>),
    /// Moves a group, while nobody reads for it.
    Seek(Box<SeekOptions>),
    /// Pauses a group: nobody gets its events until it is resumed.
    Pause(Box<halt::Options>),
    /// Resumes a group that is paused, or has halted at an event.
    ///
    /// It goes on where it stands: with the event at which it has halted, if it has.
    Resume(Box<halt::Options>),
    /// Skips the event at which a group has halted.
    ///
    /// The group goes on after the event, which is never delivered again.
    Skip(Box<halt::SkipOptions>),
    /// Carries the places of groups over to Kafka, once their logs are published there.
    ///
    /// Each group goes on at the first record that it has not read, so it misses none. It is
    /// refused while anybody reads for a group, from the gateway or from Kafka.
    Export(Box<export::Options>),
    /// Removes a subscription; a reader that it has ends.
    Delete(Box<DeleteOptions>),
    /// Makes the hash of a password, for the file of a consumer's credential.
    ///
    /// The password is the first line of stdin, unless `--generate` makes one.
    HashPassword(hash_password::Options),
}

/// Options of `subscriptions list`.
#[derive(Debug, Clone, Args)]
pub struct ListOptions {
    /// The tenant; without one, the subscriptions of all tenants are listed.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The output, and the log.
    #[command(flatten)]
    list: StoreListOptions,
}

/// Options of `subscriptions delete`.
#[derive(Debug, Clone, Args)]
pub struct DeleteOptions {
    /// Gives the group's dead letters up, for this reason; without it, a group that has some is not
    /// removed.
    #[arg(long, value_name = "REASON", value_parser = text::reason)]
    discard: Option<String>,
    /// The group.
    #[command(flatten)]
    pub group: GroupOptions,
}

/// Options of `subscriptions seek`.
#[derive(Debug, Clone, Args)]
pub struct SeekOptions {
    /// Where the group goes on: earliest, latest, a position or a time; after a position such as
    /// 41, at a time such as 2026-11-26T08:00:00Z.
    #[arg(long, value_parser = Start::parse)]
    to: Start,
    /// With `skip`, goes on at the position or time even if events of the filter's topics were
    /// removed after it; without it, that is an error.
    #[arg(long, value_parser = Gaps::parse)]
    gaps: Option<Gaps>,
    /// The group.
    #[command(flatten)]
    pub group: GroupOptions,
}

/// Options of `subscriptions put`.
#[derive(Debug, Clone, Args)]
pub struct PutOptions {
    /// A topic to deliver, or a pattern of topics; in one, * stands for anything but a dot, and **
    /// for anything. It may be repeated; without it, all topics are delivered.
    #[arg(long, value_parser = TopicPattern::parse)]
    topic: Vec<TopicPattern>,
    /// A key to deliver. It may be repeated; without it, all keys are delivered.
    #[arg(long, value_parser = Key::parse)]
    key: Vec<Key>,
    /// A type to deliver, such as UPDATE. It may be repeated; without it, all types are delivered.
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    types: Vec<String>,
    /// A header that events must have; it is NAME=VALUE, and may be repeated.
    #[arg(long, value_parser = header)]
    header: Vec<(String, String)>,
    /// Where a new group begins: earliest, latest, a position or a time; after a position such as
    /// 41, at a time such as 2026-11-26T08:00:00Z.
    #[arg(long, default_value = "earliest", value_parser = Start::parse)]
    start: Start,
    /// With `skip`, begins at the position or time even if events of the filter's topics were
    /// removed after it; without it, that is an error.
    #[arg(long, hide_short_help = true, value_parser = Gaps::parse)]
    gaps: Option<Gaps>,
    /// Commits what a reader received when it asks for more.
    #[arg(long)]
    auto_commit: bool,
    /// The seconds for which a reader that is not heard of keeps the group.
    #[arg(
        long, hide_short_help = true, default_value_t = 30,
        value_parser = whole::<u64, 1, 3_600>
    )]
    lease_seconds: u64,
    /// The seconds up to which events that are not committed are kept from removal.
    #[arg(
        long, hide_short_help = true, default_value_t = 0,
        value_parser = whole::<u64, 0, 31_622_400>
    )]
    hold_seconds: u64,
    /// The group. It comes before the tenants' files, under whose heading it would stand else.
    #[command(flatten)]
    pub group: GroupOptions,
    /// The tenants' files, which say what is not stored.
    #[command(flatten)]
    pub tenants: TenantsOptions,
}

impl SeekOptions {
    /// Returns where the group goes on.
    pub fn to(&self) -> Start {
        self.to.with(self.gaps.unwrap_or_default())
    }
}

impl PutOptions {
    /// Returns where a new group begins.
    pub fn start(&self) -> Start {
        self.start.with(self.gaps.unwrap_or_default())
    }

    /// Returns the form of the subscription.
    pub fn form(&self) -> Form {
        Form {
            filter: Filter {
                topics: self.topic.clone(),
                keys: self.key.clone(),
                types: self.types.clone(),
                headers: self.header.clone(),
            },
            auto_commit: self.auto_commit,
            lease_seconds: self.lease_seconds,
            hold_seconds: self.hold_seconds,
            ..Form::default()
        }
    }
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        match self {
            Self::List(options) => list(&options, clock).await,
            Self::Show(options) => show(&options, clock).await,
            Self::Put(options) => put(&options, clock).await,
            Self::Seek(options) => seek(&options, clock).await,
            Self::Pause(options) => halt::pause(&options, clock).await,
            Self::Resume(options) => halt::resume(&options, clock).await,
            Self::Skip(options) => halt::skip(&options, clock).await,
            Self::Export(options) => export::run(&options, clock).await,
            Self::Delete(options) => delete(&options, clock).await,
            Self::HashPassword(options) => hash_password::run(&options),
        }
    }
}

/// Prints a line for each subscription of a tenant, or of all.
async fn list(options: &ListOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let store = deps::attached(&options.list.store, clock).await?;
    let tenant = options.tenant.as_ref();
    if let Some(tenant) = tenant {
        super::log_of(&*store, tenant).await?;
    }
    let mut rows = Rows::begin(options.list.output.form, &COLUMNS)?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    let counts = groups.dead_counts(tenant).await?;
    for (found, lag) in store.list_subscriptions(tenant).await? {
        let is_its =
            |count: &&DeadCount| (&count.tenant, &count.group) == (&found.tenant, &found.group);
        let dead = counts.iter().find(is_its).map_or(0, |count| count.count);
        let state = if found.subscription.halt.is_some() { "halted" } else { "active" };
        let reader = found.subscription.holder(found.now).map(|lease| lease.reader.as_str());
        rows.row(&json!({
            "tenant": found.tenant.as_str(),
            "group": found.group.as_str(),
            "position": found.subscription.position.number(),
            "lag": { "events": lag.events, "seconds": lag.oldest.as_secs_f64() },
            "state": state,
            "deadLetters": dead,
            "reader": reader,
        }))?;
    }
    Ok(())
}

/// Prints a subscription.
async fn show(options: &GroupOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let store = open(options, clock).await?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    print(&groups.find(&options.tenant, &options.group).await?, options.output.form)
}

/// Makes a subscription, or gives an existing one another form.
async fn put(options: &PutOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let GroupOptions { tenant, group, output, store } = &options.group;
    let settings = config::settings(&options.tenants, store)?;
    let store = deps::attached(store, clock).await?;
    foreign_settings::refuse(&*store, &settings).await?;
    super::log_of(&*store, tenant).await?;
    let groups = Groups { store: &*store, settings: &settings };
    let form = options.form().checked().map_err(|all| {
        let told: Vec<_> = all.iter().map(ToString::to_string).collect();
        anyhow!("{}", told.join("; "))
    })?;
    refuse_handler(&groups, tenant, group).await?;
    let by = super::act(Act::PutSubscription, tenant).on(group);
    let (put, found) = groups.put(tenant, group, &form, options.start(), &by).await?;
    if put == Put::Kept && options.start() != Start::Earliest {
        eprintln!("{group} exists, and stays where it stands; `subscriptions seek` moves it");
    }
    if let Some(warning) = groups.warning(tenant, &form.filter).await? {
        tracing::warn!("{warning}");
    }
    print(&found, output.form)
}

/// Refuses to take a group's handler away, which no option names.
async fn refuse_handler(
    groups: &Groups<'_>,
    tenant: &TenantId,
    group: &Group,
) -> anyhow::Result<()> {
    match groups.find(tenant, group).await {
        Ok(found) if found.subscription.form.handler.is_some() => {
            bail!("{group} has a handler: its file, or `PUT /subscriptions/{group}`, changes it")
        }
        Ok(_) | Err(Error::Unknown(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Moves a group, while nobody reads for it.
async fn seek(options: &SeekOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let store = open(&options.group, clock).await?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    let GroupOptions { tenant, group, output, .. } = &options.group;
    let by = super::act(Act::SeekSubscription, tenant).on(group);
    print(&groups.seek(tenant, group, options.to(), &by).await?, output.form)
}

/// Removes a subscription.
async fn delete(options: &DeleteOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let store = open(&options.group, clock).await?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    let GroupOptions { tenant, group, output, .. } = &options.group;
    let by = super::act(Act::DeleteSubscription, tenant).on(group);
    groups.remove(tenant, group, options.discard.as_deref(), &by).await?;
    let object = json!({ "tenant": tenant.as_str(), "group": group.as_str() });
    Ok(say(output.form, format_args!("{tenant}: {group} is deleted"), &object)?)
}

fn print(found: &FoundSubscription, form: Output) -> anyhow::Result<()> {
    let FoundSubscription { tenant, group, subscription, now, .. } = found;
    let mut shown = subscription.form.to_json();
    // The arguments of a program may be secret.
    if let Some(exec) = shown.pointer_mut("/handler/exec") {
        *exec = exec[0].take();
    }
    // Each member is there, whatever the group has.
    let [handler, failure, deduplicate] =
        ["handler", "failure", "deduplicate"].map(|name| shown[name].take());
    let halt = subscription.halt.as_ref().map(|halt| {
        json!({
            "since": halt.since.to_string(),
            "reason": halt.why,
            "position": halt.failed.map(|failed| failed.position.number()),
            "attempts": halt.failed.map_or(0, |failed| failed.attempts),
            "paused": halt.pause.as_ref().map(|pause| &pause.why),
        })
    });
    let lease = subscription.holder(*now);
    let reader = lease.map(|lease| lease.reader.as_str());
    let reader_until = lease.map(|lease| lease.expires.to_string());
    let went_back_from = subscription.went_back_from.map(|position| position.number());
    for (name, value) in [
        ("tenant", tenant.as_str().into()),
        ("group", group.as_str().into()),
        ("handler", handler),
        ("failure", failure),
        ("deduplicate", deduplicate),
        ("halt", halt.unwrap_or_default()),
        ("position", subscription.position.number().into()),
        ("gapsTo", subscription.gaps_to.to_json()),
        ("generation", subscription.generation.into()),
        ("reader", reader.into()),
        ("readerUntil", reader_until.into()),
        ("wentBackFrom", went_back_from.into()),
    ] {
        shown[name] = value;
    }
    if form == Output::Table {
        shown["filter"] = filter(&subscription.form.filter).into();
    }
    Ok(Rows::begin(form, &ONE)?.row(&shown)?)
}

/// Returns the text of a filter; `None` if all events pass.
fn filter(filter: &Filter) -> Option<String> {
    let Filter { topics, keys, types, headers } = filter;
    let topics = topics.iter().map(|topic| format!("topic {}", topic.as_str()));
    let keys = keys.iter().map(|key| format!("key {}", key.as_str()));
    let types = types.iter().map(|kind| format!("type {kind}"));
    let headers = headers.iter().map(|(name, value)| format!("header {name}={value}"));
    let all: Vec<_> = topics.chain(keys).chain(types).chain(headers).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
