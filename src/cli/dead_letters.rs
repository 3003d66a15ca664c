//! `dead-letters`: lists and shows the events that a group's handler failed at for good, and has
//! them delivered again, or gives them up.
//!
//! It may run while replicas run: the one that has the group begins with what is redriven within
//! seconds.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::group::{GroupOptions, open};
use super::output::{Column, Rows, say};
use super::progress::Progress;
use crate::clock::Clock;
use crate::config::whole;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::settings::Settings;
use crate::domain::subscription::{DeadLetter, DeadLetterRequest};
use crate::domain::text;
use crate::domain::topic::Topic;
use crate::domain::trail::{Act, TrailEntry};
use crate::subscribe::{Groups, Marked, WAITING, Which};

const COLUMNS: [Column; 7] = [
    ("POSITION", "position", 11, "-"),
    ("TOPIC", "topic", -40, "-"),
    ("KEY", "key", -36, "-"),
    ("ATTEMPTS", "attempts", 8, "-"),
    ("SINCE", "since", -24, "-"),
    ("REDRIVEN", "redriven", -8, "-"),
    ("REASON", "reason", -1, "waits for an earlier one"),
];
/// The dead letters that are read or changed at once.
const PAGE: usize = 1_000;

/// The subcommands of `dead-letters`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prints a line for each dead letter of a group, by position.
    List(Box<GroupOptions>),
    /// Prints a dead letter with its event.
    Show(Box<ShowOptions>),
    /// Delivers dead letters again in order, and then the later events of their keys.
    ///
    /// With one at a position, the earlier ones for which it waits are redriven, too. Without a key
    /// and a position, all are.
    Redrive(Box<RedriveOptions>),
    /// Gives dead letters up; the later events of their keys are delivered.
    Discard(Box<DiscardOptions>),
}

/// Options of `dead-letters show`.
#[derive(Debug, Clone, Args)]
pub struct ShowOptions {
    /// The position of the event, as `dead-letters list` shows it.
    #[arg(long, value_parser = Position::parse)]
    position: Position,
    /// The group.
    #[command(flatten)]
    pub group: GroupOptions,
}

/// The dead letters that are meant.
#[derive(Debug, Clone, Args)]
pub struct WhichOptions {
    /// A topic of which dead letters are meant; without it, those of any topic are. It may be
    /// repeated.
    #[arg(long, value_parser = Topic::parse)]
    topic: Vec<Topic>,
    /// A key whose dead letters are meant. It may be repeated.
    #[arg(long, value_parser = Key::parse)]
    key: Vec<Key>,
    /// A position of a dead letter that is meant. It may be repeated.
    #[arg(long, value_parser = Position::parse)]
    position: Vec<Position>,
}

/// Options of `dead-letters redrive`.
#[derive(Debug, Clone, Args)]
pub struct RedriveOptions {
    /// Those that are meant.
    #[command(flatten)]
    which: WhichOptions,
    /// The most that are redriven each second; without it, all are at once.
    #[arg(long, value_name = "N", value_parser = whole::<usize, 1, 1_000>)]
    events_per_second: Option<usize>,
    /// The reason, which the trail shows.
    #[arg(long, value_parser = text::reason)]
    reason: Option<String>,
    /// The group.
    #[command(flatten)]
    pub group: GroupOptions,
}

/// Options of `dead-letters discard`.
#[derive(Debug, Clone, Args)]
pub struct DiscardOptions {
    /// Those that are meant.
    #[command(flatten)]
    which: WhichOptions,
    /// Gives all of them up.
    #[arg(
        long,
        conflicts_with_all = ["key", "position"],
        required_unless_present_any = ["topic", "key", "position"]
    )]
    all: bool,
    /// The reason, which the trail shows.
    #[arg(long, value_parser = text::reason)]
    reason: String,
    /// The group.
    #[command(flatten)]
    pub group: GroupOptions,
}

impl Command {
    /// Runs the subcommand.
    pub async fn run(self, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
        match self {
            Self::List(options) => list(&options, clock).await,
            Self::Show(options) => show(&options, clock).await,
            Self::Redrive(options) => redrive(&options, clock).await,
            Self::Discard(options) => discard(&options, clock).await,
        }
    }
}

/// Prints a line for each dead letter of a group.
async fn list(of: &GroupOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let store = open(of, clock).await?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    groups.find(&of.tenant, &of.group).await?;
    let mut rows = Rows::begin(of.output.form, &COLUMNS)?;
    let mut after = Position::START;
    loop {
        let page = groups.dead_letters(&of.tenant, &of.group, after, PAGE).await?;
        page.iter().try_for_each(|letter| rows.row(&as_json(of, letter)))?;
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.position,
            _ => return Ok(()),
        }
    }
}

/// Prints a dead letter; its event is null if the log has removed it.
async fn show(options: &ShowOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let ShowOptions { position, group: of } = options;
    let store = open(of, clock).await?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    let letter = groups.dead_letter(&of.tenant, &of.group, *position).await?;
    let mut shown = as_json(of, &letter);
    let event = groups.event(&of.tenant, *position).await?;
    let event = event.map(|event| {
        let headers = event.record_headers();
        let headers = headers.iter().map(|(name, value)| (name.to_owned(), value.into()));
        json!({
            "eventId": event.event_id.to_string(),
            "type": event.event_type.as_str(),
            "time": event.time.to_string(),
            "headers": headers.collect::<serde_json::Map<_, _>>(),
            "payload": serde_json::from_slice::<Value>(&event.payload).unwrap_or_default(),
        })
    });
    shown["event"] = event.unwrap_or_default();
    Ok(Rows::begin(of.output.form, &COLUMNS)?.row(&shown)?)
}

/// Marks dead letters, so many a second, and shows the progress.
async fn redrive(options: &RedriveOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let of = &options.group;
    let store = open(of, clock).await?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    let by = act(Act::RedriveDeadLetters, of).because(options.reason.as_deref());
    let mut which = which(&options.which, options.events_per_second.unwrap_or(PAGE));
    let progress = Progress::begin("{per_sec}")?;
    let mut count = 0;
    loop {
        let marked = groups.redrive(&of.tenant, &of.group, &which, &by).await?;
        count += marked.count;
        progress.show(format!("{}: {} redriven", of.tenant, of.group), count, count + marked.left);
        // What has failed again meanwhile is not tried again.
        which.after = marked.next.unwrap_or(which.after);
        if marked.left == 0 || marked.count == 0 {
            progress.end();
            if groups.find(&of.tenant, &of.group).await?.subscription.halt.is_some() {
                tracing::warn!("{WAITING}");
            }
            return told(of, "to be delivered again", &Marked { count, ..marked });
        }
        if options.events_per_second.is_some() {
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Gives dead letters up.
async fn discard(options: &DiscardOptions, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let of = &options.group;
    let store = open(of, clock).await?;
    let groups = Groups { store: &*store, settings: &Settings::default() };
    let by = act(Act::DiscardDeadLetters, of).because(Some(&options.reason));
    let which = which(&options.which, PAGE);
    let mut count = 0;
    loop {
        let marked = groups.discard(&of.tenant, &of.group, &which, &by).await?;
        count += marked.count;
        if marked.left == 0 || marked.count == 0 {
            return told(of, "given up", &Marked { count, ..marked });
        }
    }
}

fn act(act: Act, of: &GroupOptions) -> TrailEntry {
    super::act(act, &of.tenant).on(&of.group)
}

fn which(options: &WhichOptions, limit: usize) -> Which {
    let WhichOptions { topic, key, position } = options.clone();
    let limit = limit.min(DeadLetterRequest::ITEMS_MAX);
    Which { topics: topic, keys: key, positions: position, limit, ..Which::default() }
}

fn told(of: &GroupOptions, done: &str, marked: &Marked) -> anyhow::Result<()> {
    let (Marked { count, left, .. }, GroupOptions { tenant, group, output, .. }) = (marked, of);
    let object = json!({
        "tenant": tenant.as_str(),
        "group": group.as_str(),
        "count": count,
        "left": left,
    });
    let letters = super::counted(*count, "dead letter");
    let is = if *count == 1 { "is" } else { "are" };
    Ok(say(output.form, format_args!("{tenant}: {group}: {letters} {is} {done}"), &object)?)
}

fn as_json(of: &GroupOptions, letter: &DeadLetter) -> Value {
    let failure = letter.failure.as_ref();
    json!({
        "tenant": of.tenant.as_str(),
        "group": of.group.as_str(),
        "position": letter.position.number(),
        "topic": letter.topic.as_str(),
        "key": letter.key.as_str(),
        "scope": letter.scope.as_str(),
        "reason": failure.map(|failure| &failure.why),
        "attempts": failure.map_or(0, |failure| failure.attempts),
        "since": letter.since.to_string(),
        "redriven": letter.is_redriven,
    })
}
