//! A follower's name and its cursor: how far it has come in a tenant's log.
//!
//! Sinks keep cursors: the lane's in Kafka's cursors topic, all others in the store.

use std::fmt;

use super::Invalid;
use super::event::EventId;
use super::position::{LogId, Position};

/// A follower's name: `relay`, or another name of `a-z 0-9 . -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Follower(String);

impl Follower {
    /// Returns the name of the live relay to Kafka.
    pub fn relay() -> Self {
        Self("relay".to_owned())
    }

    /// Returns the name of the sink that keeps hexkit's collection.
    pub fn hexkit() -> Self {
        Self("hexkit".to_owned())
    }

    /// Parses a name, and checks its rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        if text.is_empty() || text.len() > 128 || !text.bytes().all(legal) {
            return Err(Invalid::new("follower", text, "must have 1 to 128 of a-z 0-9 . -"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The last event that a follower has finished. Its event id proves, after a store was restored
/// from a backup, that the log still is the one that was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The tenant's log.
    pub log_id: LogId,
    /// The position of that event; the row at a cursor is never removed.
    pub position: Position,
    /// The id of the event at that position.
    pub event_id: EventId,
}
