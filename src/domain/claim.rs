//! Claims: the effect that an action has had for an event, so that it is not had again, however
//! often the event comes.
//!
//! A claim goes by the root event's id: an event that is sent on or tried again under a new id
//! names the first one in the header `HEXA_ROOT_EVENT_ID`. A group's handler claims by its form,
//! and a module by `POST /claims`.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::Invalid;
use super::envelope::Envelope;
use super::json::Raw;
use super::object_reader::ObjectReader;
use super::replay::ReplayId;
use super::violation::Violation;

/// The header with an event's id, as hexa has it.
pub const EVENT_ID: &str = "HEXA_EVENT_ID";
/// The header with the action that an event is brought to, as hexa has it.
pub const ACTION: &str = "HEXA_EVENT_HANDLER_ACTION_NAME";
/// The header with the id of the first event of a chain, as hexa has it.
pub const ROOT_EVENT_ID: &str = "HEXA_ROOT_EVENT_ID";
/// The header with the action of the first event of a chain, as hexa has it.
pub const ROOT_ACTION: &str = "HEXA_ROOT_EVENT_HANDLER_ACTION_NAME";

/// The days for which a claim is kept, if none are given.
const DAYS: u64 = 7;

/// The name of an action: what is done for an event once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action(String);

/// The id of the first event of a chain: a UUID in its usual form, or what another system calls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootId(String);

/// An action, apart for each replay that is to have its effects again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActionRun {
    /// The action.
    pub action: Action,
    /// The replay whose claims are apart.
    pub replay: Option<ReplayId>,
}

/// The deduplication of a group: its events are claimed for an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deduplicate {
    /// The action.
    pub run: ActionRun,
    /// The days for which a claim is kept.
    pub days: u64,
}

/// A request to claim an event, or to give a claim back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The action.
    pub run: ActionRun,
    /// The event.
    pub root: RootId,
    /// The days for which the claim is kept.
    pub days: u64,
}

impl Action {
    /// The most bytes of a name.
    pub const BYTES_MAX: usize = 100;
    /// The form of a name.
    pub const PATTERN: &str = "^[A-Za-z0-9._-]+$";

    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if text.is_empty() || text.len() > Self::BYTES_MAX || !text.bytes().all(legal) {
            let rule = "must have 1 to 100 of A-Z a-z 0-9 . _ -";
            return Err(Invalid::new("action", text, rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RootId {
    /// The most bytes of an id.
    pub const BYTES_MAX: usize = 100;
    /// The form of an id.
    pub const PATTERN: &str = "^[!-~]+$";

    /// Parses an id. A UUID is the same in either case.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_legal = (1..=Self::BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        if !is_legal {
            let rule = "must have 1 to 100 printable ASCII characters without spaces";
            return Err(Invalid::new("event id", text, rule));
        }
        let id = Uuid::parse_str(text).map(|id| id.to_string());
        // Another form of a UUID is another text.
        let id = id.ok().filter(|id| id.eq_ignore_ascii_case(text));
        Ok(Self(id.unwrap_or_else(|| text.to_owned())))
    }

    /// Returns the id by which an event is claimed: that of its chain's first event, if its headers
    /// name one, or its own.
    pub fn of(event: &Envelope) -> Self {
        let named = event.headers.value(ROOT_EVENT_ID).and_then(|text| Self::parse(text).ok());
        named.unwrap_or_else(|| Self(event.event_id.to_string()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ActionRun {
    /// Returns the text for the store's column of the replay: empty without one.
    pub fn replay_column(&self) -> String {
        self.replay.map(|id| id.to_string()).unwrap_or_default()
    }

    fn read(object: &mut ObjectReader) -> Option<Self> {
        object.need("action", "missing", "must be given: what is done for an event once");
        let action = object.noun("action", Action::parse);
        let replay = object.noun("replayId", ReplayId::parse);
        Some(Self { action: action?, replay })
    }
}

impl Deduplicate {
    /// The members of a group's deduplication.
    pub const MEMBERS: [&str; 3] = ["action", "days", "replayId"];
    /// The days for which a claim may be kept.
    pub const DAYS: RangeInclusive<u64> = 1..=366;

    /// Reads the member `name`.
    pub(super) fn read(object: &mut ObjectReader, name: &str) -> Option<Self> {
        object.object(name, &Self::MEMBERS, |object| {
            let run = ActionRun::read(object);
            let days = object.number("days", Self::DAYS).unwrap_or(DAYS);
            Some(Self { run: run?, days })
        })?
    }

    /// Returns the deduplication as JSON.
    pub fn to_json(&self) -> Value {
        let mut json = json!({ "action": self.run.action.as_str(), "days": self.days });
        if let Some(replay) = self.run.replay {
            json["replayId"] = json!(replay.to_string());
        }
        json
    }

    /// Returns the headers that a handler gets with an event, under hexa's names.
    pub fn headers(&self, event: &Envelope) -> [(&'static str, String); 4] {
        let action = self.run.action.as_str();
        let root_action = event.headers.value(ROOT_ACTION).unwrap_or(action);
        [
            (EVENT_ID, event.event_id.to_string()),
            (ACTION, action.to_owned()),
            (ROOT_EVENT_ID, RootId::of(event).to_string()),
            (ROOT_ACTION, root_action.to_owned()),
        ]
    }

    /// Returns the time for which a claim is kept.
    pub fn ttl(&self) -> Duration {
        ttl(self.days)
    }
}

impl ClaimRequest {
    /// The members of a request to claim.
    pub const MEMBERS: [&str; 4] = ["action", "eventId", "days", "replayId"];
    /// The members of a request to give a claim back.
    pub const RELEASE_MEMBERS: [&str; 3] = ["action", "eventId", "replayId"];

    /// Parses a request to claim, `{action, eventId, days?, replayId?}`.
    pub fn parse(raw: &Raw) -> Result<Self, Vec<Violation>> {
        let mut object = ObjectReader::parse(raw, &Self::MEMBERS, "")?;
        let days = object.number("days", Deduplicate::DAYS).unwrap_or(DAYS);
        Self::read(object, days)
    }

    /// Parses a request to give a claim back, `{action, eventId, replayId?}`.
    pub fn parse_release(raw: &Raw) -> Result<Self, Vec<Violation>> {
        let object = ObjectReader::parse(raw, &Self::RELEASE_MEMBERS, "")?;
        Self::read(object, DAYS)
    }

    fn read(mut object: ObjectReader, days: u64) -> Result<Self, Vec<Violation>> {
        let run = ActionRun::read(&mut object);
        object.need("eventId", "missing", "must be given: the id of the event, or of its root");
        let root = object.noun("eventId", RootId::parse);
        object.finish(run.zip(root).map(|(run, root)| Self { run, root, days }))
    }

    /// Returns the id, as the store takes them.
    pub fn roots(&self) -> BTreeSet<RootId> {
        BTreeSet::from([self.root.clone()])
    }

    /// Returns the time for which the claim is kept.
    pub fn ttl(&self) -> Duration {
        ttl(self.days)
    }
}

fn ttl(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

#[cfg(test)]
mod tests {
    use super::{Action, ClaimRequest, RootId};
    use crate::domain::json::Raw;

    const ID: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";

    fn raw(text: &str) -> Raw {
        Raw::parse(&text.to_owned().into()).unwrap()
    }

    #[test]
    fn a_uuid_is_the_same_in_either_case_and_any_other_text_is_itself() {
        assert_eq!(RootId::parse(&ID.to_uppercase()), RootId::parse(ID));
        let simple = ID.replace('-', "");
        assert_eq!(RootId::parse(&simple).unwrap().as_str(), simple);
        assert_eq!(RootId::parse("Order-7").unwrap().as_str(), "Order-7");
        for illegal in ["", "a b", "é", "a\n", &"a".repeat(101)] {
            assert!(RootId::parse(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn an_action_is_a_short_name() {
        for legal in ["index", "mod-search.Index_2", &"a".repeat(100)] {
            assert_eq!(Action::parse(legal).unwrap().as_str(), legal);
        }
        for illegal in ["", "a b", "a/b", "é", &"a".repeat(101)] {
            assert!(Action::parse(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn what_is_illegal_in_a_request_is_named() {
        let whole = format!(r#"{{"action":"index","eventId":"{ID}","days":3,"replayId":"{ID}"}}"#);
        let request = ClaimRequest::parse(&raw(&whole)).unwrap();
        assert_eq!((request.root.as_str(), request.days), (ID, 3));
        assert_eq!(request.run.replay_column(), ID);
        assert_eq!(request.ttl().as_secs(), 3 * 86_400);
        for (text, place, code) in [
            (r#"{"eventId":"a"}"#, "/action", "missing"),
            (r#"{"action":"a"}"#, "/eventId", "missing"),
            (r#"{"action":"a b","eventId":"a"}"#, "/action", "illegal-value"),
            (r#"{"action":"a","eventId":""}"#, "/eventId", "illegal-value"),
            (r#"{"action":"a","eventId":"a","days":0}"#, "/days", "illegal-number"),
            (r#"{"action":"a","eventId":"a","replayId":"7"}"#, "/replayId", "illegal-value"),
            (r#"{"action":"a","eventId":"a","ttl":1}"#, "/ttl", "unknown-member"),
        ] {
            let violations = ClaimRequest::parse(&raw(text)).unwrap_err();
            assert_eq!((&*violations[0].pointer, violations[0].code), (place, code), "{text}");
        }
        assert!(ClaimRequest::parse_release(&raw(r#"{"action":"a","eventId":"b"}"#)).is_ok());
        let days = r#"{"action":"a","eventId":"b","days":1}"#;
        assert_eq!(ClaimRequest::parse_release(&raw(days)).unwrap_err()[0].code, "unknown-member");
    }
}
