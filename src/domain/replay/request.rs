//! The request for a replay, as it is posted.
//!
//! `http` passes in the body, and the subcommands fill it from their options. `follow::replay`
//! makes a plan of it.

use super::{Rate, Timestamp};
use crate::domain::filter::{TopicPattern, event_type};
use crate::domain::json::{Raw, Shape};
use crate::domain::key::Key;
use crate::domain::object_reader::ObjectReader;
use crate::domain::position::Position;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::violation::Violation;

/// The positions of the events that are asked for; both are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Positions {
    /// The first one.
    pub from: Option<Position>,
    /// The last one.
    pub to: Option<Position>,
}

/// The request for a replay: of each list that isn't empty, one item must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplayRequest {
    /// Patterns of the topics.
    pub topics: Vec<TopicPattern>,
    /// The keys.
    pub keys: Vec<Key>,
    /// The types, such as `UPDATE`.
    pub types: Vec<String>,
    /// The earliest time.
    pub from: Option<Time>,
    /// The time before which events must be.
    pub to: Option<Time>,
    /// The positions.
    pub positions: Positions,
    /// Whether only events are asked for that the relay has not reached.
    pub pending_only: bool,
    /// Another topic to send them to.
    pub target: Option<Topic>,
    /// The time of the records.
    pub timestamp: Timestamp,
    /// How fast the replay may be.
    pub rate: Rate,
    /// Whether records that the sink refuses are skipped.
    pub skip_refused: bool,
    /// Whether events are only counted.
    pub dry_run: bool,
}

impl ReplayRequest {
    /// The most items of each list.
    pub const ITEMS_MAX: usize = 1_000;

    /// The members of a request.
    pub const MEMBERS: [&str; 12] = [
        "topics",
        "keys",
        "types",
        "from",
        "to",
        "positions",
        "pendingOnly",
        "target",
        "timestamp",
        "rate",
        "skipRefused",
        "dryRun",
    ];

    /// The members of `positions`.
    pub const POSITIONS: [&str; 2] = ["from", "to"];

    /// Parses the body of a request; every member is optional. `target_prefix` is as in
    /// [`contradictions`](Self::contradictions).
    pub fn parse(raw: &Raw, target_prefix: &str) -> Result<Self, Vec<Violation>> {
        let mut members = ObjectReader::parse(raw, &Self::MEMBERS, "")?;
        for name in ["topics", "keys", "types"] {
            // A program that has found no key would replay everything else.
            if members.value(name).is_some_and(is_empty_list) {
                members.refuse(name, "empty-list", "must not be empty: leave it out for all");
            }
        }
        let request = Self {
            topics: members.list("topics", Self::ITEMS_MAX, TopicPattern::parse),
            keys: members.list("keys", Self::ITEMS_MAX, Key::parse),
            types: members.list("types", Self::ITEMS_MAX, event_type),
            from: members.noun("from", Time::parse),
            to: members.noun("to", Time::parse),
            positions: positions(&mut members),
            pending_only: members.flag("pendingOnly"),
            target: members.noun("target", Topic::parse),
            timestamp: members.noun("timestamp", Timestamp::parse).unwrap_or_default(),
            rate: Rate::member(&mut members).unwrap_or_default(),
            skip_refused: members.flag("skipRefused"),
            dry_run: members.flag("dryRun"),
        };
        members.refuse_all(request.contradictions(target_prefix));
        members.finish(Some(request))
    }

    /// Returns what no replay can do, whatever the log has; `target_prefix` is that of
    /// [`Settings::target_prefix`](crate::domain::settings::Settings::target_prefix).
    pub fn contradictions(&self, target_prefix: &str) -> Vec<Violation> {
        let mut all = Vec::new();
        let mut refuse = |pointer: &str, code, message: String| {
            all.push(Violation::new(pointer.to_owned(), code, message));
        };
        if let (Some(from), Some(to)) = (self.from, self.to)
            && to <= from
        {
            let message = format!("events before {to} are none from {from} on");
            refuse("/to", "empty-range", message);
        }
        if let Positions { from: Some(from), to: Some(to) } = self.positions
            && to < from
        {
            let message = format!("positions up to {to} are none from {from} on");
            refuse("/positions/to", "empty-range", message);
        }
        match &self.target {
            Some(target) if !has_prefix(target, target_prefix) => {
                refuse(
                    "/target",
                    "illegal-target",
                    format!("a target begins with `{target_prefix}`"),
                );
            }
            Some(target) if target.is_reserved() => {
                refuse(
                    "/target",
                    "illegal-target",
                    format!("`{target}` is reserved for the gateway"),
                );
            }
            Some(_) => {}
            None => all.extend(self.needs_target(target_prefix)),
        }
        all
    }

    /// Returns what breaks the order of the tenant's own topics: there, a replay goes on for every
    /// key until it has sent the newest event.
    fn needs_target(&self, target_prefix: &str) -> impl Iterator<Item = Violation> {
        let asked = [
            ("/types", !self.types.is_empty(), "events of some types"),
            ("/to", self.to.is_some(), "events up to a time"),
            ("/positions/to", self.positions.to.is_some(), "events up to a position"),
            ("/pendingOnly", self.pending_only, "events that are not published yet"),
        ];
        let violation = move |(pointer, _, events): (&str, bool, &str)| {
            let message = format!(
                "a replay of {events} would leave other records as the last ones of their keys: \
                 give a target, such as `{target_prefix}replay`"
            );
            Violation::new(pointer.to_owned(), "needs-target", message)
        };
        asked.into_iter().filter(|(_, is_asked, _)| *is_asked).map(violation)
    }
}

fn is_empty_list(value: &Raw) -> bool {
    value.shape() == Shape::Array && value.elements().next().is_none()
}

fn has_prefix(target: &Topic, prefix: &str) -> bool {
    target.as_str().strip_prefix(prefix).is_some_and(|rest| !rest.is_empty())
}

impl Rate {
    /// The members of a rate.
    pub const MEMBERS: [&str; 2] = ["eventsPerSecond", "bytesPerSecond"];

    /// Parses the body of a request that changes only the rate, `{rate?}`; `None` without one.
    pub fn parse(raw: &Raw) -> Result<Option<Self>, Vec<Violation>> {
        let mut members = ObjectReader::parse(raw, &["rate"], "")?;
        let rate = Self::member(&mut members);
        members.finish(Some(rate))
    }

    fn member(members: &mut ObjectReader) -> Option<Self> {
        members.object("rate", &Self::MEMBERS, |rate| Self {
            events_per_second: rate
                .number("eventsPerSecond", 1..=u64::from(u32::MAX))
                .and_then(|number| u32::try_from(number).ok()),
            bytes_per_second: rate.number("bytesPerSecond", 1..=i64::MAX.cast_unsigned()),
        })
    }
}

/// Checks the body of a request that has no members.
pub fn no_members(raw: &Raw) -> Result<Option<Rate>, Vec<Violation>> {
    ObjectReader::parse(raw, &[], "")?.finish(Some(None))
}

fn positions(members: &mut ObjectReader) -> Positions {
    let read = members.object("positions", &ReplayRequest::POSITIONS, |positions| Positions {
        from: positions.position("from", 1),
        to: positions.position("to", 1),
    });
    read.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Position, Rate, Raw, ReplayRequest, Timestamp};

    fn raw(text: &str) -> Raw {
        Raw::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    /// Returns the request, or the pointers to what is illegal.
    fn parse(text: &str) -> Result<ReplayRequest, Vec<String>> {
        let parsed = ReplayRequest::parse(&raw(text), "folio.diku.");
        parsed.map_err(|all| all.into_iter().map(|violation| violation.pointer).collect())
    }

    #[test]
    fn everything_is_optional() {
        assert_eq!(parse("{}").unwrap(), ReplayRequest::default());
    }

    #[test]
    fn all_members_are_read() {
        let text = r#"{"topics":["a.*"],"keys":["k"],"types":["UPDATE"],"from":"2026-01-31T12:00:00Z",
            "to":"2026-02-01T12:00:00Z","positions":{"from":3,"to":9},"pendingOnly":true,
            "target":"folio.diku.t","timestamp":"now",
            "rate":{"eventsPerSecond":100,"bytesPerSecond":2000},"skipRefused":true,"dryRun":true}"#;
        let request = parse(text).unwrap();
        assert_eq!((request.topics.len(), request.keys.len(), request.types.len()), (1, 1, 1));
        assert_eq!(request.positions.from.map(Position::number), Some(3));
        assert_eq!(request.positions.to.map(Position::number), Some(9));
        assert!(request.from < request.to && request.pending_only && request.dry_run);
        assert!(request.skip_refused && request.timestamp == Timestamp::Now);
        assert_eq!(request.target.unwrap().as_str(), "folio.diku.t");
        let rate = Rate { events_per_second: Some(100), bytes_per_second: Some(2_000) };
        assert_eq!(request.rate, rate);
        let again = Rate::parse(&raw(r#"{"rate":{"eventsPerSecond":100,"bytesPerSecond":2000}}"#));
        assert_eq!(again.unwrap(), Some(rate));
        assert_eq!(Rate::parse(&raw("{}")).unwrap(), None);
        assert!(Rate::parse(&raw(r#"{"rate":{"eventsPerSecond":0}}"#)).is_err());
    }

    #[test]
    fn what_is_illegal_is_named_by_pointer() {
        for (text, pointers) in [
            (r#"{"topic":[]}"#, vec!["/topic"]),
            (r#"{"topics":["a?"],"keys":[7,"k"]}"#, vec!["/topics/0", "/keys/0"]),
            (r#"{"keys":"k"}"#, vec!["/keys"]),
            (r#"{"keys":[],"topics":[],"types":[]}"#, vec!["/topics", "/keys", "/types"]),
            (r#"{"positions":{"from":-1}}"#, vec!["/positions/from"]),
            (r#"{"positions":{"from":0}}"#, vec!["/positions/from"]),
            (r#"{"rate":{"eventsPerSecond":0}}"#, vec!["/rate/eventsPerSecond"]),
            (r#"{"rate":{"perSecond":1}}"#, vec!["/rate/perSecond"]),
            (r#"{"from":"yesterday","timestamp":"then"}"#, vec!["/from", "/timestamp"]),
            (r#"{"dryRun":"yes"}"#, vec!["/dryRun"]),
        ] {
            assert_eq!(parse(text).unwrap_err(), pointers, "{text}");
        }
    }

    #[test]
    fn all_that_is_illegal_is_named_at_once_and_what_contradicts_itself_too() {
        let text = r#"{"topic":1,"rate":{"eventsPerSecond":0,"x":1},"positions":{"from":9,"to":3},
            "types":["UPDATE"],"target":"college.t","keys":[1]}"#;
        let named = ["/topic", "/keys/0", "/rate/x", "/rate/eventsPerSecond", "/positions/to"];
        assert_eq!(parse(text).unwrap_err(), [&named[..], &["/target"]].concat());
        let to_own = r#"{"types":["UPDATE"],"pendingOnly":true,"positions":{"from":9,"to":3}}"#;
        let named = ["/positions/to", "/types", "/positions/to", "/pendingOnly"];
        assert_eq!(parse(to_own).unwrap_err(), named);
        let times = r#"{"from":"2026-01-31T12:00:00Z","to":"2026-01-31T12:00:00Z",
            "target":"folio.diku.event-gateway"}"#;
        assert_eq!(parse(times).unwrap_err(), ["/to"]);
    }
}
