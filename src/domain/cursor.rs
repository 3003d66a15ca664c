//! A cursor: how far a follower has come in a tenant's log.
//!
//! Sinks keep cursors: the lane's in Kafka's cursors topic, all others in the store.

use super::envelope::Envelope;
use super::event::EventId;
use super::position::{LogId, Position};
use super::time::Time;

/// The last event that a follower has finished.
///
/// The event's id and time prove, after a store was restored from a backup, that the log still is
/// the one that was followed. The id alone does not: a change that was lost may be posted again
/// with the same id, after another change, and get the same position. Its time differs then, unless
/// the clock is behind the log's last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The tenant's log.
    pub log_id: LogId,
    /// The position of that event; the row at a cursor is never removed.
    pub position: Position,
    /// The id of the event at that position.
    pub event_id: EventId,
    /// The time of the event at that position.
    pub time: Time,
}

impl Cursor {
    /// Returns the cursor before the first event of a log.
    pub const fn start(log_id: LogId) -> Self {
        Self { log_id, position: Position::START, event_id: EventId::NONE, time: Time::ZERO }
    }

    /// Returns the cursor of a follower that has finished an event.
    pub const fn at(event: &Envelope) -> Self {
        let Envelope { log_id, position, event_id, time, .. } = event;
        Self { log_id: *log_id, position: *position, event_id: *event_id, time: *time }
    }

    /// Returns whether an event is the one that was finished last.
    pub fn is_at(&self, event: &Envelope) -> bool {
        let Envelope { position, event_id, time, .. } = event;
        (self.position, self.event_id, self.time) == (*position, *event_id, *time)
    }
}
