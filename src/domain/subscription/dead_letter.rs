//! Dead letters: the events of a group that its handler failed at for good, and the later ones that
//! wait for them.
//!
//! The store keeps a row of each before the group's position passes it, so that an event is either
//! done, or stands here. The event itself is read from the log.

use crate::domain::Invalid;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// An event that counts as done for its group although its handler has not done it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event's position.
    pub position: Position,
    /// The event's topic.
    pub topic: Topic,
    /// The event's key.
    pub key: Key,
    /// The later events that join it.
    pub scope: Scope,
    /// The failure; `None` if the event has joined an earlier one, and was not delivered.
    pub failure: Option<LastFailure>,
    /// The time at which the row was written, or the handler failed again.
    pub since: Time,
    /// Whether it is to be delivered again.
    pub is_redriven: bool,
}

/// The later events that join a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// None: the order is not kept.
    Event,
    /// Those of its key, until it is done or discarded.
    Key,
    /// Those of its topic: it is a DELETE_ALL.
    Topic,
}

/// The last failure at an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// The reason in words.
    pub why: String,
    /// The number of attempts so far.
    pub attempts: u64,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 3] = [Self::Event, Self::Key, Self::Topic];

    /// Returns the word, in the store's column and for callers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Key => "key",
            Self::Topic => "topic",
        }
    }

    /// Parses the word.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| Invalid::new("scope", text, "must be event, key or topic"))
    }
}
