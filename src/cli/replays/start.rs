//! `replays start`: the options of a replay, and its start.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::cli::deps::Deps;
use crate::cli::output::{Output, OutputOptions, say};
use crate::clock::Clock;
use crate::config::{TopicsOptions, whole};
use crate::domain::filter::{TopicPattern, event_type};
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::replay::{Positions, Rate, ReplayRequest, Timestamp};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::Act;
use crate::follow::replay::submit::Submitted;
use crate::follow::replay::{Count, TopicCount};

/// Options of `replays start`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The tenant.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The topics to replay, by name or by pattern; in one, * stands for anything but a dot, and **
    /// for anything. It may be repeated; without it, all topics are replayed.
    #[arg(long, value_parser = TopicPattern::parse)]
    pub topic: Vec<TopicPattern>,
    /// A key to replay. It may be repeated; without it, all keys are replayed.
    #[arg(long, value_parser = Key::parse)]
    pub key: Vec<Key>,
    /// A type to replay, such as UPDATE. It may be repeated, and needs a target.
    #[arg(long = "type", hide_short_help = true, value_name = "TYPE", value_parser = event_type)]
    pub types: Vec<String>,
    /// The earliest time of the events; for example 2026-11-26T08:00:00Z.
    #[arg(long, value_parser = Time::parse)]
    pub from: Option<Time>,
    /// The time before which events must be; it needs a target.
    #[arg(long, value_parser = Time::parse)]
    pub to: Option<Time>,
    /// The first position.
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = Position::parse)]
    pub from_position: Option<Position>,
    /// The last position; it needs a target.
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = Position::parse)]
    pub to_position: Option<Position>,
    /// Sends only events after the relay's position at the submission; it needs a target.
    #[arg(long, hide_short_help = true)]
    pub pending_only: bool,
    /// Another topic to send the events to; it begins with ENV and the tenant.
    #[arg(long, value_parser = Topic::parse)]
    pub target: Option<Topic>,
    /// The time of the records: `original` or `now`.
    #[arg(
        long, hide_short_help = true, default_value = "original",
        value_parser = Timestamp::parse
    )]
    pub timestamp: Timestamp,
    /// The most events a second.
    #[arg(
        long, hide_short_help = true, value_name = "N",
        value_parser = whole::<u32, 1, { u32::MAX as u64 }>
    )]
    pub events_per_second: Option<u32>,
    /// The most payload bytes a second.
    #[arg(
        long, hide_short_help = true, value_name = "N",
        value_parser = whole::<u64, 1, { i64::MAX as u64 }>
    )]
    pub bytes_per_second: Option<u64>,
    /// Skips records that Kafka refuses, instead of failing.
    #[arg(long, hide_short_help = true)]
    pub skip_refused: bool,
    /// Only counts the events.
    #[arg(long)]
    pub dry_run: bool,
    /// Returns at once, without showing the progress.
    #[arg(long)]
    pub detach: bool,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

impl Options {
    /// Returns the request for the replay.
    pub fn request(&self) -> ReplayRequest {
        ReplayRequest {
            topics: self.topic.clone(),
            keys: self.key.clone(),
            types: self.types.clone(),
            from: self.from,
            to: self.to,
            positions: Positions { from: self.from_position, to: self.to_position },
            pending_only: self.pending_only,
            target: self.target.clone(),
            timestamp: self.timestamp,
            rate: Rate {
                events_per_second: self.events_per_second,
                bytes_per_second: self.bytes_per_second,
            },
            skip_refused: self.skip_refused,
            dry_run: self.dry_run,
        }
    }
}

/// Starts a replay and shows it, or counts for a dry run. A replay that was watched and did not
/// complete is an error.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (tenant, form) = (&options.tenant, options.output.form);
    let deps = Deps::with_broker(&options.topics, clock.clone()).await?.replays(clock);
    super::super::log_of(&*deps.store, tenant).await?;
    let by = super::super::act(Act::StartReplay, tenant);
    let submitted = deps.submit(tenant, &options.request(), &by).await;
    match submitted.with_context(|| format!("tenant {tenant}"))? {
        Submitted::Count(count) => Ok(print_count(tenant, &count, form)?),
        Submitted::Replay(replay) => {
            super::print_begun(&replay, form)?;
            if options.detach {
                return Ok(());
            }
            super::watch_it(&deps, *replay, form).await.map(drop)
        }
    }
}

/// Prints the count of a dry run.
pub fn print_count(tenant: &TenantId, count: &Count, form: Output) -> std::io::Result<()> {
    let line = |TopicCount { events, bytes, vanishing }: TopicCount| {
        let vanish = match vanishing {
            0 => String::new(),
            some => format!(", {some} of them older than the topic keeps records"),
        };
        let counted = super::super::counted;
        format!("{}, {}{vanish}", counted(events, "event"), counted(bytes, "byte"))
    };
    let object = |topic: Option<&str>, TopicCount { events, bytes, vanishing }: TopicCount| {
        json!({
            "tenant": tenant.as_str(), "topic": topic, "events": events, "bytes": bytes,
            "vanishing": vanishing,
        })
    };
    let total = count.total();
    say(form, format!("{tenant}: {}", line(total)), &object(None, total))?;
    for (topic, one) in &count.topics {
        say(form, format!("  {topic}: {}", line(*one)), &object(Some(topic.as_str()), *one))?;
    }
    Ok(())
}
