//! The options of `replays`, `republish` and `publish-pending`.

use clap::{Args, Subcommand};

use super::{StoreOptions, TopicsOptions, whole};
use crate::domain::filter::{TopicPattern, event_type};
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::replay::{Positions, Rate, ReplayId, ReplayRequest, Timestamp};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// The subcommands of `replays`.
#[derive(Debug, Clone, Subcommand)]
pub enum ReplaysCommand {
    /// Starts a replay, which a running gateway carries out, and shows its progress.
    ///
    /// Without a target, events are sent to the topics that they were published to; the replay then
    /// goes on until it has sent the newest event of every key that it touches.
    Start(Box<StartReplayOptions>),
    /// Prints a line for each replay, newest first.
    List(Box<ReplayListOptions>),
    /// Shows the progress of a replay until it ends.
    Watch(Box<ReplayOptions>),
    /// Pauses a replay.
    Pause(Box<ReplayOptions>),
    /// Resumes a replay that is paused.
    Resume(Box<ReplayOptions>),
    /// Cancels a replay. One to the tenant's own topics first sends the newest event of every key
    /// that it has sent.
    Cancel(Box<ReplayOptions>),
}

/// Options of `replays start`.
#[derive(Debug, Clone, Args)]
pub struct StartReplayOptions {
    /// The tenant.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The topics to replay: a name, or a pattern in which * stands for anything but a dot, and **
    /// for anything. It may be repeated; without it, all topics are replayed.
    #[arg(long, value_parser = TopicPattern::parse)]
    pub topic: Vec<TopicPattern>,
    /// A key to replay. It may be repeated; without it, all keys are replayed.
    #[arg(long, value_parser = Key::parse)]
    pub key: Vec<Key>,
    /// A type to replay, such as UPDATE. It may be repeated, and needs a target.
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    pub types: Vec<String>,
    /// The earliest time of the events, such as 2026-11-26T08:00:00Z.
    #[arg(long, value_parser = Time::parse)]
    pub from: Option<Time>,
    /// The time before which events must be; it needs a target.
    #[arg(long, value_parser = Time::parse)]
    pub to: Option<Time>,
    /// The first position.
    #[arg(long, value_parser = Position::parse)]
    pub from_position: Option<Position>,
    /// The last position; it needs a target.
    #[arg(long, value_parser = Position::parse)]
    pub to_position: Option<Position>,
    /// Sends only events after the relay's position at the submission; it needs a target.
    #[arg(long)]
    pub pending_only: bool,
    /// Another topic to send the events to, which begins with ENV and the tenant.
    #[arg(long, value_parser = Topic::parse)]
    pub target: Option<Topic>,
    /// The time of the records: `original` or `now`.
    #[arg(long, default_value = "original", value_parser = Timestamp::parse)]
    pub timestamp: Timestamp,
    /// The most events a second.
    #[arg(long, value_parser = whole::<u32, 1, { u32::MAX as u64 }>)]
    pub events_per_second: Option<u32>,
    /// The most payload bytes a second.
    #[arg(long, value_parser = whole::<u64, 1, { i64::MAX as u64 }>)]
    pub bytes_per_second: Option<u64>,
    /// Skips records that Kafka refuses, instead of failing.
    #[arg(long)]
    pub skip_refused: bool,
    /// Only counts the events.
    #[arg(long)]
    pub dry_run: bool,
    /// Returns at once, without showing the progress.
    #[arg(long)]
    pub detach: bool,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

impl StartReplayOptions {
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

/// Options of `replays list`.
#[derive(Debug, Clone, Args)]
pub struct ReplayListOptions {
    /// The tenant; without one, the replays of all tenants are listed.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Options of the subcommands for one replay.
#[derive(Debug, Clone, Args)]
pub struct ReplayOptions {
    /// The tenant.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// The replay's id.
    #[arg(value_parser = ReplayId::parse)]
    pub id: ReplayId,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Options of `republish`.
#[derive(Debug, Clone, Args)]
pub struct RepublishOptions {
    /// The tenant; without one, all tenants are republished, one after the other.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The time of the records: `original` or `now`.
    #[arg(long, default_value = "original", value_parser = Timestamp::parse)]
    pub timestamp: Timestamp,
    /// Only counts the events, and those that their topics would not keep.
    #[arg(long)]
    pub dry_run: bool,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

/// Options of `publish-pending`.
#[derive(Debug, Clone, Args)]
pub struct PublishPendingOptions {
    /// The tenant; without one, it waits for all tenants.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// First asks for the release of everything that is parked.
    #[arg(long)]
    pub release: bool,
    /// The most seconds to wait; without it, it waits as long as it takes.
    #[arg(long, value_parser = whole::<u64, 1, 604_800>)]
    pub wait: Option<u64>,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}
