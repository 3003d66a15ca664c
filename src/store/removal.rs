//! The port's `Removal`: taking events out of the logs, and telling which are gone.
//!
//! `follow::removal` decides which events go; whoever follows a log asks for its floors. One call
//! removes a few events in one transaction, so that appends are not held up. Always true: the floor
//! of a topic rises in the transaction that removes its events, so who reads events first and the
//! floors after them learns of every event that it missed; an event id stays known as long as its
//! event, and at least as long as it is told.

use async_trait::async_trait;

use super::Error;
use crate::domain::cursor::Cursor;
use crate::domain::event::EventId;
use crate::domain::floors::Floors;
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;

/// An event without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The position.
    pub position: Position,
    /// The key.
    pub key: Key,
    /// The type, as the store writes it.
    pub event_type: String,
    /// The time.
    pub time: Time,
}

/// A range of positions in one topic of a tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRange {
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The topic.
    pub topic: Topic,
    /// The last position before the range.
    pub after: Position,
    /// The first position after the range.
    pub before: Position,
}

impl TopicRange {
    /// Returns the part of a topic after a position.
    pub fn after(tenant: TenantId, topic: Topic, after: Position) -> Self {
        Self { tenant, topic, after, before: Position::from_column(i64::MAX) }
    }
}

/// The events that one call removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovalStep {
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The log's id; if it has another by now, nothing is removed.
    pub log_id: LogId,
    /// The positions at which the sinks stood when the step was made; if the checkpoint of one is
    /// lower by now, nothing is removed.
    pub stands: Vec<(Follower, Position)>,
    /// The topic.
    pub topic: Topic,
    /// The positions of the events, all of them of the topic.
    pub positions: Vec<Position>,
    /// The time of the last of these events. If another event stands there by now, or the log ends
    /// before it, the store went back in time since the step was made, and nothing is removed.
    pub last_time: Time,
    /// Whether the topic's floor rises above them.
    pub raises_floor: bool,
    /// The position up to which the topic is compacted by now.
    pub compacted_to: Position,
    /// The time before which the ids of the events are forgotten with them. Younger ones stay
    /// known until [`Removal::forget_ids`].
    pub forget_before: Time,
}

impl RemovalStep {
    /// Returns the floor that the topic has at least once the step is done.
    pub(super) fn floor(&self) -> Position {
        let last = self.last();
        if self.raises_floor && last > Position::START { last.next() } else { Position::START }
    }

    /// Returns the position of the last event; [`Position::START`] if there is none.
    pub(super) fn last(&self) -> Position {
        self.positions.iter().copied().max().unwrap_or_default()
    }
}

/// The number of events of a range, and the bytes of their payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weight {
    /// Events.
    pub events: u64,
    /// Bytes of payload.
    pub bytes: u64,
}

/// A sink, and its checkpoint in a log if it has one.
pub type Stand = (Follower, Option<Cursor>);

/// The removal of events.
#[async_trait]
pub trait Removal: Send + Sync {
    /// Returns the floors of a tenant's log.
    async fn floors(&self, tenant: &TenantId) -> Result<Floors, Error>;

    /// Notes that a replica is configured with a sink. From then on the store knows it, until it is
    /// forgotten.
    async fn know_sink(&self, follower: &Follower) -> Result<(), Error>;

    /// Returns all sinks that the store knows, configured here or not, and those that have a
    /// checkpoint in a tenant's log, each with that checkpoint if there is one.
    async fn stands(&self, tenant: &TenantId) -> Result<Vec<Stand>, Error>;

    /// Returns the first events of a range, in order of position.
    async fn entries(&self, range: &TopicRange, max: usize) -> Result<Vec<LogEntry>, Error>;

    /// Returns the newest events of each key in a range, at most so many of each, the newest first.
    async fn newest_of_keys(
        &self,
        range: &TopicRange,
        keys: &[Key],
        each_max: usize,
    ) -> Result<Vec<LogEntry>, Error>;

    /// Returns how much a range has that is earlier than a time.
    async fn weigh(&self, range: &TopicRange, earlier_than: Time) -> Result<Weight, Error>;

    /// Removes events. Returns how many were there; `None` if the log has another id by now, or if
    /// the store went back in time since the step was made: a sink stands further back, or the last
    /// event is not the one of the step.
    async fn remove(&self, step: &RemovalStep) -> Result<Option<u64>, Error>;

    /// Forgets the ids of removed events that are older, at most so many; returns how many.
    async fn forget_ids(&self, tenant: &TenantId, before: Time, max: usize) -> Result<u64, Error>;

    /// Forgets a follower in one tenant's log, or in all of them, so that the store does not know
    /// the sink any more: its checkpoints, its parked scopes, and what it was to remove of purged
    /// tenants. Returns in how many logs it had a checkpoint; `None` if it was not known.
    async fn forget_follower(
        &self,
        follower: &Follower,
        of: Option<&TenantId>,
        by: Option<&TrailEntry>,
    ) -> Result<Option<u64>, Error>;
}

/// Returns the id of an event whose id outlives it, as its row has it.
pub(super) type RemovedId = (EventId, Time);
