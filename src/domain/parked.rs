//! Parked scopes: a key of a topic, or a whole topic, that the sink refuses.
//!
//! Made by the lane that meets the refusal; kept by the store, so that whoever holds the lane next,
//! and whoever asks what is published, knows of it. The rest of the log goes on.

use std::fmt;

use super::change::ObjectReader;
use super::event::EventId;
use super::json::Raw;
use super::key::Key;
use super::position::{LogId, Position};
use super::tenant::TenantId;
use super::time::Time;
use super::topic::Topic;
use super::violation::Violation;

const REASON_BYTES_MAX: usize = 1_000;

/// The state of a parked scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The events of the scope are not published; what is appended to it is parked too.
    Parked,
    /// It is being published, from its first event on.
    Releasing,
    /// It was published up to here, and goes on with the rest.
    Resolved(Position),
    /// The DELETE_ALL at this position made it void.
    Superseded(Position),
    /// It was given up, up to here.
    Discarded(Position),
}

impl State {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Releasing => "releasing",
            Self::Resolved(_) => "resolved",
            Self::Superseded(_) => "superseded",
            Self::Discarded(_) => "discarded",
        }
    }

    /// Where it ended, if it has.
    pub const fn ended(self) -> Option<Position> {
        match self {
            Self::Parked | Self::Releasing => None,
            Self::Resolved(at) | Self::Superseded(at) | Self::Discarded(at) => Some(at),
        }
    }

    /// From a store's columns.
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
    /// The same end, at `last` at the latest.
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

/// A request of somebody: to release a scope, or to discard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Publish it: what stood in its way is gone.
    Release,
    /// Give it up.
    Discard,
}

impl Request {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Discard => "discard",
        }
    }

    /// From a store's column.
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
    /// The event that was refused: it names what is parked.
    pub event_id: EventId,
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The log's id.
    pub log_id: LogId,
    /// The position of that event: the first that is parked.
    pub position: Position,
    /// The topic of the scope.
    pub topic: Topic,
    /// The key of the scope; `None`: all keys of the topic.
    pub key: Option<Key>,
    /// The sink's reason.
    pub cause: String,
    /// When it was parked, by the store's clock.
    pub time: Time,
    /// The state.
    pub state: State,
    /// Up to here it is published, by its release.
    pub released_to: Position,
    /// Up to here its events are counted.
    pub counted_to: Position,
    /// How many of them are parked, or were when it ended.
    pub events: u64,
    /// The request of somebody, until it is begun.
    pub requested: Option<Request>,
    /// Why they want it.
    pub reason: Option<String>,
    /// The number, in its log's ledger, of the transition that was written last.
    pub ledger: u64,
}

impl Parked {
    /// How it ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        (!self.is_open()).then_some(Ended { state: self.state, events: self.events })
    }

    /// Ends it. One that has joined the rest is published up to there.
    pub fn end(&mut self, ended: &Ended) {
        (self.state, self.events) = (ended.state, ended.events);
        if let State::Resolved(at) = ended.state {
            self.released_to = at;
        }
    }

    /// Whether it is not over.
    pub fn is_open(&self) -> bool {
        self.state.ended().is_none()
    }

    /// Whether an event at that place is one of its, from the first on, wherever it ended.
    pub fn concerns(&self, topic: &Topic, key: &Key, position: Position) -> bool {
        self.topic == *topic
            && self.key.as_ref().is_none_or(|its| its == key)
            && position >= self.position
    }

    /// Whether it is a key that waits for its topic, which is among `all` and parked as a whole:
    /// there a DELETE_ALL may stand before it.
    pub fn waits_for_topic<'a>(&self, mut all: impl Iterator<Item = &'a Parked>) -> bool {
        self.key.is_some()
            && all.any(|other| other.is_open() && other.key.is_none() && other.topic == self.topic)
    }

    /// Whether an event at that place is not published, though the relay has passed it.
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

/// Why somebody wants something done with it: `{reason?}`; who gives something up says why.
pub fn reason(raw: &Raw, request: Request) -> Result<Option<String>, Vec<Violation>> {
    let members = ObjectReader::parse(raw, &["reason"], "")?;
    match members.string("reason")? {
        None if request == Request::Discard => {
            Err(members.violation("reason", "missing-reason", "must say why it is given up"))
        }
        Some(reason)
            if reason.is_empty() || reason.len() > REASON_BYTES_MAX || reason.contains('\0') =>
        {
            Err(members.violation(
                "reason",
                "illegal-reason",
                "must have 1 to 1,000 bytes and no NUL",
            ))
        }
        reason => Ok(reason),
    }
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
