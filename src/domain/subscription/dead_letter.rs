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
    /// None, and it is no dead letter any more: it was discarded, and is known until the group's
    /// position has passed it, so that it is not delivered again.
    Discarded,
}

/// The last failure at an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// The reason in words.
    pub why: String,
    /// The number of attempts so far.
    pub attempts: u64,
}

impl DeadLetter {
    /// Returns whether it is not to be delivered before another one of its group: that one is
    /// earlier and of its key, or either is of the whole topic.
    pub fn waits_for(&self, other: &Self) -> bool {
        let in_order = self.scope.is_joined() && other.scope.is_joined();
        let is_whole = self.scope == Scope::Topic || other.scope == Scope::Topic;
        in_order
            && other.position < self.position
            && other.topic == self.topic
            && (is_whole || other.key == self.key)
    }
}

impl DeadLetter {
    /// Returns whether it was discarded: nobody is shown it, and nothing waits for it.
    pub fn is_discarded(&self) -> bool {
        self.scope == Scope::Discarded
    }

    /// Discards it, for as long as the group's position has not passed it.
    pub fn discarded(self) -> Self {
        Self { scope: Scope::Discarded, is_redriven: false, ..self }
    }
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Event, Self::Key, Self::Topic, Self::Discarded];

    /// Returns whether later events may join a dead letter of this scope.
    pub fn is_joined(self) -> bool {
        matches!(self, Self::Key | Self::Topic)
    }

    /// Returns the word, in the store's column and for callers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Key => "key",
            Self::Topic => "topic",
            Self::Discarded => "discarded",
        }
    }

    /// Parses the word.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| Invalid::new("scope", text, "must be event, key, topic or discarded"))
    }
}

#[cfg(test)]
mod tests {
    use super::{DeadLetter, Key, Position, Scope, Time, Topic};

    fn letter(position: i64, topic: &str, key: &str, scope: Scope) -> DeadLetter {
        DeadLetter {
            position: Position::from_column(position),
            topic: Topic::parse(topic).unwrap(),
            key: Key::parse(key).unwrap(),
            scope,
            failure: None,
            since: Time::from_ms(0),
            is_redriven: false,
        }
    }

    #[test]
    fn a_dead_letter_waits_for_earlier_ones_of_its_key_and_for_a_whole_topic() {
        let later = letter(5, "a.item", "k", Scope::Key);
        for (other, waits) in [
            (letter(4, "a.item", "k", Scope::Key), true),
            (letter(6, "a.item", "k", Scope::Key), false),
            (letter(4, "a.item", "j", Scope::Key), false),
            (letter(4, "a.loan", "k", Scope::Key), false),
            (letter(4, "a.item", "k", Scope::Event), false),
            (letter(4, "a.item", Key::DELETE_ALL, Scope::Topic), true),
            (letter(4, "a.loan", Key::DELETE_ALL, Scope::Topic), false),
        ] {
            assert_eq!(later.waits_for(&other), waits, "{other:?}");
        }
        let whole = letter(5, "a.item", Key::DELETE_ALL, Scope::Topic);
        assert!(whole.waits_for(&letter(4, "a.item", "j", Scope::Key)));
        let alone = letter(5, "a.item", "k", Scope::Event);
        assert!(!alone.waits_for(&letter(4, "a.item", "k", Scope::Event)), "order is not kept");
        let discarded = letter(4, "a.item", "k", Scope::Key).discarded();
        assert!(!later.waits_for(&discarded) && discarded.is_discarded());
    }

    #[test]
    fn each_scope_is_read_back() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Ok(scope));
        }
        assert!(Scope::parse("all").is_err());
    }
}
