//! The request for a replay, as it is posted.
//!
//! `http` passes in the body, and the subcommands fill it from their options. `follow::replay`
//! makes a plan of it.

use super::{Rate, Timestamp};
use crate::domain::Invalid;
use crate::domain::filter::TopicPattern;
use crate::domain::json::Raw;
use crate::domain::key::Key;
use crate::domain::object_reader::{ObjectReader, keep};
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
    /// Parses the body of a request; every member is optional.
    pub fn parse(raw: &Raw) -> Result<Self, Vec<Violation>> {
        const KNOWN: [&str; 12] = [
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
        let members = ObjectReader::parse(raw, &KNOWN, "")?;
        let mut all = Vec::new();
        let topics = keep(&mut all, members.list("topics", TopicPattern::parse));
        let keys = keep(&mut all, members.list("keys", Key::parse));
        let types = keep(&mut all, members.list("types", word));
        let from = keep(&mut all, members.noun("from", Time::parse));
        let to = keep(&mut all, members.noun("to", Time::parse));
        let positions = keep(&mut all, positions(&members));
        let pending_only = keep(&mut all, members.flag("pendingOnly"));
        let target = keep(&mut all, members.noun("target", Topic::parse));
        let timestamp = keep(&mut all, members.noun("timestamp", Timestamp::parse));
        let rate = keep(&mut all, Rate::member(&members));
        let skip_refused = keep(&mut all, members.flag("skipRefused"));
        let dry_run = keep(&mut all, members.flag("dryRun"));
        if !all.is_empty() {
            return Err(all);
        }
        Ok(Self {
            topics: topics.unwrap_or_default(),
            keys: keys.unwrap_or_default(),
            types: types.unwrap_or_default(),
            from: from.flatten(),
            to: to.flatten(),
            positions: positions.unwrap_or_default(),
            pending_only: pending_only.unwrap_or_default(),
            target: target.flatten(),
            timestamp: timestamp.flatten().unwrap_or_default(),
            rate: rate.unwrap_or_default(),
            skip_refused: skip_refused.unwrap_or_default(),
            dry_run: dry_run.unwrap_or_default(),
        })
    }
}

impl Rate {
    /// Parses the body of a request that changes only the rate, `{rate?}`; `None` without one.
    pub fn parse(raw: &Raw) -> Result<Option<Self>, Vec<Violation>> {
        let members = ObjectReader::parse(raw, &["rate"], "")?;
        members.value("rate").is_some().then(|| Self::member(&members)).transpose()
    }

    fn member(members: &ObjectReader) -> Result<Self, Vec<Violation>> {
        let Some(raw) = members.value("rate") else { return Ok(Self::default()) };
        let rate = ObjectReader::parse(raw, &["eventsPerSecond", "bytesPerSecond"], "/rate")?;
        Ok(Self {
            events_per_second: rate
                .number("eventsPerSecond", 1..=u64::from(u32::MAX))?
                .and_then(|number| u32::try_from(number).ok()),
            bytes_per_second: rate.number("bytesPerSecond", 1..=i64::MAX.cast_unsigned())?,
        })
    }
}

/// Checks the body of a request that has no members.
pub fn no_members(raw: &Raw) -> Result<Option<Rate>, Vec<Violation>> {
    ObjectReader::parse(raw, &[], "").map(|_| None)
}

fn positions(members: &ObjectReader) -> Result<Positions, Vec<Violation>> {
    let Some(raw) = members.value("positions") else { return Ok(Positions::default()) };
    let positions = ObjectReader::parse(raw, &["from", "to"], "/positions")?;
    let position = |name| {
        let number = positions.number(name, 1..=i64::MAX.cast_unsigned())?;
        Ok::<_, Vec<Violation>>(number.and_then(|number| Position::new(number).ok()))
    };
    Ok(Positions { from: position("from")?, to: position("to")? })
}

fn word(text: &str) -> Result<String, Invalid> {
    if text.is_empty() || text.len() > 128 || text.contains(char::is_control) {
        return Err(Invalid::new("type", text, "must have 1 to 128 bytes"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Position, Rate, Raw, ReplayRequest, Timestamp};

    fn raw(text: &str) -> Raw {
        Raw::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn everything_is_optional() {
        assert_eq!(ReplayRequest::parse(&raw("{}")).unwrap(), ReplayRequest::default());
    }

    #[test]
    fn all_members_are_read() {
        let text = r#"{"topics":["a.*"],"keys":["k"],"types":["UPDATE"],"from":"2026-01-31T12:00:00Z",
            "to":"2026-02-01T12:00:00Z","positions":{"from":3,"to":9},"pendingOnly":true,"target":"t",
            "timestamp":"now","rate":{"eventsPerSecond":100,"bytesPerSecond":2000},
            "skipRefused":true,"dryRun":true}"#;
        let request = ReplayRequest::parse(&raw(text)).unwrap();
        assert_eq!((request.topics.len(), request.keys.len(), request.types.len()), (1, 1, 1));
        assert_eq!(request.positions.from.map(Position::number), Some(3));
        assert_eq!(request.positions.to.map(Position::number), Some(9));
        assert!(request.from < request.to && request.pending_only && request.dry_run);
        assert!(request.skip_refused && request.timestamp == Timestamp::Now);
        assert_eq!(request.target.unwrap().as_str(), "t");
        let rate = Rate { events_per_second: Some(100), bytes_per_second: Some(2_000) };
        assert_eq!(request.rate, rate);
        let again = Rate::parse(&raw(r#"{"rate":{"eventsPerSecond":100,"bytesPerSecond":2000}}"#));
        assert_eq!(again.unwrap(), Some(rate));
        assert_eq!(Rate::parse(&raw("{}")).unwrap(), None);
    }

    #[test]
    fn what_is_illegal_is_named_by_pointer() {
        for (text, pointers) in [
            (r#"{"topic":[]}"#, vec!["/topic"]),
            (r#"{"topics":["a?"],"keys":[7,"k"]}"#, vec!["/topics/0", "/keys/0"]),
            (r#"{"keys":"k"}"#, vec!["/keys"]),
            (r#"{"positions":{"from":-1}}"#, vec!["/positions/from"]),
            (r#"{"positions":{"from":0}}"#, vec!["/positions/from"]),
            (r#"{"rate":{"eventsPerSecond":0}}"#, vec!["/rate/eventsPerSecond"]),
            (r#"{"rate":{"perSecond":1}}"#, vec!["/rate/perSecond"]),
            (r#"{"from":"yesterday","timestamp":"then"}"#, vec!["/from", "/timestamp"]),
            (r#"{"dryRun":"yes"}"#, vec!["/dryRun"]),
        ] {
            let named = ReplayRequest::parse(&raw(text)).unwrap_err();
            assert_eq!(named.iter().map(|v| v.pointer.as_str()).collect::<Vec<_>>(), pointers);
        }
    }
}
