//! Parked scopes: a key of a topic, or a whole topic, that the sink refuses.
//!
//! The lane that meets the refusal parks the scope. The store keeps it, so that the lane's next
//! holder and every reader of the log know of it. The rest of the log goes on.

use std::fmt;

use super::envelope::Envelope;
use super::event::{EventId, EventType};
use super::json::Raw;
use super::key::Key;
use super::object_reader::ObjectReader;
use super::position::{LogId, Position};
use super::tenant::TenantId;
use super::time::Time;
use super::topic::Topic;
use super::violation::Violation;

/// The state of a parked scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The events of the scope are not published; later events of the scope are parked too.
    Parked,
    /// The scope is being published, from its first event on.
    Releasing,
    /// The scope was published up to this position; from there on the relay publishes its events.
    Resolved(Position),
    /// The DELETE_ALL at this position made the scope void.
    Superseded(Position),
    /// The events of the scope up to this position were given up.
    Discarded(Position),
}

impl State {
    /// Returns the word that the store and the API have for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Releasing => "releasing",
            Self::Resolved(_) => "resolved",
            Self::Superseded(_) => "superseded",
            Self::Discarded(_) => "discarded",
        }
    }

    /// Returns the position at which the scope ended, if it has ended.
    pub const fn ended(self) -> Option<Position> {
        match self {
            Self::Parked | Self::Releasing => None,
            Self::Resolved(at) | Self::Superseded(at) | Self::Discarded(at) => Some(at),
        }
    }

    /// Reads a state from a store's columns.
    pub fn from_columns(word: &str, ended: Option<Position>) -> Option<Self> {
        match (word, ended) {
            ("parked", None) => Some(Self::Parked),
            ("releasing", None) => Some(Self::Releasing),
            ("resolved", Some(at)) => Some(Self::Resolved(at)),
            ("superseded", Some(at)) => Some(Self::Superseded(at)),
            ("discarded", Some(at)) => Some(Self::Discarded(at)),
            _ => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a parked scope ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The last state, with the position at which it ended.
    pub state: State,
    /// How many events it held when it ended.
    pub events: u64,
}

impl Ended {
    /// Returns the same end, but at `last` at the latest.
    pub fn no_later(self, last: Position) -> Self {
        let state = match self.state {
            State::Resolved(at) => State::Resolved(at.min(last)),
            State::Superseded(at) => State::Superseded(at.min(last)),
            State::Discarded(at) => State::Discarded(at.min(last)),
            open @ (State::Parked | State::Releasing) => open,
        };
        Self { state, ..self }
    }
}

/// A request by an operator: to release a scope, or to discard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Publish the scope, since the cause of the refusal was removed.
    Release,
    /// Give the scope up.
    Discard,
}

impl Request {
    /// Returns the word that the store and the API have for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Discard => "discard",
        }
    }

    /// Reads a request from a store's column.
    pub fn from_column(word: &str) -> Option<Self> {
        match word {
            "release" => Some(Self::Release),
            "discard" => Some(Self::Discard),
            _ => None,
        }
    }
}

/// A key of a topic, or a whole topic, that is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The event that was refused, by which the scope is named.
    pub event_id: EventId,
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The log's id.
    pub log_id: LogId,
    /// The position of that event, the first of the scope.
    pub position: Position,
    /// The topic of the scope.
    pub topic: Topic,
    /// The key of the scope; `None` stands for all keys of the topic.
    pub key: Option<Key>,
    /// The sink's reason.
    pub cause: String,
    /// When it was parked, by the store's clock.
    pub time: Time,
    /// The state.
    pub state: State,
    /// The position up to which its release has published it.
    pub released_to: Position,
    /// The position up to which its events are counted.
    pub counted_to: Position,
    /// The number of its parked events, or the number when it ended.
    pub events: u64,
    /// The request that an operator made, until the lane begins with it.
    pub requested: Option<Request>,
    /// The reason that the operator gave.
    pub reason: Option<String>,
    /// The number, in its log's ledger, of the scope's last transition.
    pub ledger: u64,
}

impl Parked {
    /// Returns how the scope ended, if it has ended.
    pub fn ended(&self) -> Option<Ended> {
        (!self.is_open()).then_some(Ended { state: self.state, events: self.events })
    }

    /// Ends the scope. One that is resolved is published up to its end.
    pub fn end(&mut self, ended: &Ended) {
        (self.state, self.events) = (ended.state, ended.events);
        if let State::Resolved(at) = ended.state {
            self.released_to = at;
        }
    }

    /// Returns whether the scope has not ended.
    pub fn is_open(&self) -> bool {
        self.state.ended().is_none()
    }

    /// Returns whether the event at that position is of this scope: its first event or a later one,
    /// even after the scope's end.
    pub fn concerns(&self, topic: &Topic, key: &Key, position: Position) -> bool {
        self.topic == *topic
            && self.key.as_ref().is_none_or(|its| its == key)
            && position >= self.position
    }

    /// Returns whether an event makes void what is of this scope and stands before it: a DELETE_ALL
    /// all of its topic, an ERASED event its own key.
    pub fn is_voided_by(&self, event: &Envelope) -> bool {
        self.topic == event.topic
            && match event.event_type {
                EventType::DeleteAll => true,
                EventType::Erased => self.key.as_ref().is_none_or(|key| *key == event.key),
                _ => false,
            }
    }

    /// Returns whether this scope is a key whose topic is parked as a whole by another scope of
    /// `all`. The key waits for the topic, since a DELETE_ALL parked with the topic may stand
    /// before it.
    pub fn waits_for_topic<'a>(&self, mut all: impl Iterator<Item = &'a Parked>) -> bool {
        self.key.is_some()
            && all.any(|other| other.is_open() && other.key.is_none() && other.topic == self.topic)
    }

    /// Returns whether the event at that position is not published, though the relay has passed it.
    pub fn holds(&self, log_id: LogId, topic: &Topic, key: &Key, position: Position) -> bool {
        let its = self.log_id == log_id
            && self.concerns(topic, key, position)
            && position > self.released_to;
        its && match self.state {
            State::Parked | State::Releasing => true,
            State::Resolved(_) => false,
            State::Superseded(at) => position < at,
            State::Discarded(at) => position <= at,
        }
    }
}

/// The members of a request about a parked scope.
pub const REASON_MEMBERS: [&str; 1] = ["reason"];

/// Parses the body of a request, `{reason?}`. A request to discard must have a reason.
pub fn reason(raw: &Raw, request: Request) -> Result<Option<String>, Vec<Violation>> {
    let mut members = ObjectReader::parse(raw, &REASON_MEMBERS, "")?;
    if request == Request::Discard {
        members.need("reason", "missing-reason", "must say why it is given up");
    }
    let reason = members.reason();
    members.finish(Some(reason))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::{
        EventId, Key, LogId, Parked, Position, Raw, Request, State, TenantId, Time, Topic, reason,
    };

    fn parked(state: State) -> Parked {
        Parked {
            event_id: EventId::new(Uuid::nil()),
            tenant: TenantId::parse("diku").unwrap(),
            log_id: LogId::new(Uuid::nil()),
            position: Position::from_column(5),
            topic: Topic::parse("a").unwrap(),
            key: Some(Key::parse("k").unwrap()),
            cause: String::new(),
            time: Time::ZERO,
            state,
            released_to: Position::from_column(4),
            counted_to: Position::from_column(9),
            events: 3,
            requested: None,
            reason: None,
            ledger: 1,
        }
    }

    #[test]
    fn what_is_parked_begins_with_its_first_event_and_ends_where_it_was_decided() {
        let at = Position::from_column;
        for (state, held) in [
            (State::Parked, vec![5, 7, 8, 9]),
            (State::Releasing, vec![5, 7, 8, 9]),
            (State::Resolved(at(7)), vec![]),
            (State::Superseded(at(8)), vec![5, 7]),
            (State::Discarded(at(8)), vec![5, 7, 8]),
        ] {
            let parked = parked(state);
            let holds = |position: &i64| {
                parked.holds(parked.log_id, &parked.topic, &Key::parse("k").unwrap(), at(*position))
            };
            assert_eq!(
                [1, 4, 5, 7, 8, 9].into_iter().filter(holds).collect::<Vec<_>>(),
                held,
                "{state}"
            );
        }
        let half = Parked { released_to: at(7), ..parked(State::Releasing) };
        let (key, other) = (Key::parse("k").unwrap(), Key::parse("other").unwrap());
        assert!(half.holds(half.log_id, &half.topic, &key, at(8)));
        assert!(!half.holds(half.log_id, &half.topic, &key, at(7)));
        assert!(!half.holds(half.log_id, &half.topic, &other, at(8)));
        assert!(!half.holds(half.log_id, &Topic::parse("b").unwrap(), &key, at(8)));
        assert!(!half.holds(LogId::new(Uuid::max()), &half.topic, &key, at(8)));
        assert!(Parked { key: None, ..half.clone() }.holds(
            half.log_id,
            &half.topic,
            &other,
            at(8)
        ));
    }

    #[test]
    fn who_gives_something_up_says_why() {
        let requested = |text: &'static str, requested| {
            let raw = Raw::parse(&Bytes::from_static(text.as_bytes())).unwrap();
            reason(&raw, requested).map_err(|violations| violations[0].code)
        };
        assert_eq!(
            requested(r#"{"reason":"test data"}"#, Request::Discard),
            Ok(Some("test data".to_owned()))
        );
        assert_eq!(requested("{}", Request::Discard), Err("missing-reason"));
        assert_eq!(requested("{}", Request::Release), Ok(None));
        assert_eq!(requested(r#"{"reason":""}"#, Request::Release), Err("illegal-reason"));
        assert_eq!(requested(r#"{"reason":7}"#, Request::Discard), Err("not-a-string"));
        assert_eq!(requested(r#"{"why":"x"}"#, Request::Discard), Err("unknown-member"));
    }
}
