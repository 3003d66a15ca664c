//! Erasures: a record whose content is taken out of a tenant's log.
//!
//! `http` and the subcommands pass in a request; the store keeps the erasure, `follow::erasure`
//! carries it out, and every reader of the log meets the events that it has emptied.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::draft::{Content, Draft, Origin};
use super::event::EventId;
use super::headers::Headers;
use super::json::Raw;
use super::key::Key;
use super::object_reader::ObjectReader;
use super::position::Position;
use super::subject::Subject;
use super::tenant::TenantId;
use super::text::{name, reason};
use super::time::Time;
use super::topic::Topic;
use super::topic::TopicSpec;
use super::violation::Violation;
use super::wire_form::WireForm;
use super::{Invalid, hyphenated};

/// The id of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErasureId(Uuid);

impl ErasureId {
    /// Wraps a UUID that the clock's room made.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// Returns the id of the erasure that is known by an ERASED event alone.
    pub fn of_event(event_id: EventId) -> Self {
        Self(Uuid::from_bytes(*event_id.as_bytes()))
    }

    /// Parses hyphenated text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        hyphenated("erasure id", text).map(Self)
    }

    /// Returns the id of the ERASED event for a topic. It is the same whenever it is made again.
    fn event_id(self, topic: &Topic, wire_form: WireForm) -> EventId {
        let derived = EventId::new(self.0).derived(topic.as_str());
        if wire_form.wants_random_ids() { derived.as_random() } else { derived }
    }
}

impl fmt::Display for ErasureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The request for an erasure, as it is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureRequest {
    /// The module's name or id, or the producer's name.
    pub producer: String,
    /// The entity of the record, or the name of a process event.
    pub name: String,
    /// The record's id.
    pub key: Key,
    /// The reason, which is kept.
    pub reason: String,
}

impl ErasureRequest {
    /// The members of a request.
    pub const MEMBERS: [&str; 5] = ["producer", "entity", "event", "key", "reason"];

    /// Parses the body of a request, `{producer, entity, key, reason}`; `event` instead of `entity`
    /// names a process event.
    pub fn parse(raw: &Raw) -> Result<Self, Vec<Violation>> {
        let mut members = ObjectReader::parse(raw, &Self::MEMBERS, "")?;
        for name in ["producer", "key", "reason"] {
            members.need(name, "missing", "must be given");
        }
        let producer = members.noun("producer", name);
        let name = subject_name(&mut members);
        let key = members.noun("key", key);
        let reason = members.noun("reason", reason);
        let request = match (producer, name, key, reason) {
            (Some(producer), Some(name), Some(key), Some(reason)) => {
                Some(Self { producer, name, key, reason })
            }
            _ => None,
        };
        members.finish(request)
    }
}

fn subject_name(members: &mut ObjectReader) -> Option<String> {
    match (members.value("entity").is_some(), members.value("event").is_some()) {
        (true, true) => {
            members.refuse("event", "illegal-value", "entity is given, which excludes it");
            None
        }
        (true, false) => members.noun("entity", name),
        (false, true) => members.noun("event", name),
        (false, false) => {
            members.refuse("entity", "missing", "must be given, or event for a process event");
            None
        }
    }
}

/// Parses the key of a record that may be erased.
pub fn key(text: &str) -> Result<Key, Invalid> {
    if text == Key::DELETE_ALL {
        let rule = "must not be the key of DELETE_ALL, which has no content";
        return Err(Invalid::new("key", text, rule));
    }
    Key::parse(text)
}

/// An erasure of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The id.
    pub id: ErasureId,
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The entity or process event.
    pub subject: Subject,
    /// The record's id.
    pub key: Key,
    /// The reason that was given.
    pub reason: String,
    /// Every topic that the subject has had.
    pub topics: Vec<Topic>,
    /// The time of the request.
    pub submitted: Time,
    /// How far it is.
    pub progress: Progress,
}

/// How far an erasure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The number of events that were emptied.
    pub events: u64,
    /// The position up to which the record has no event with content.
    pub erased_to: Position,
    /// The position of the last ERASED event; `None` before all older events are empty.
    pub last: Option<Position>,
    /// The time at which every sink had passed it.
    pub completed: Option<Time>,
}

impl Erasure {
    /// Returns the status, in FOLIO's words.
    pub fn status(&self) -> &'static str {
        if self.progress.completed.is_some() { "Completed" } else { "In progress" }
    }

    /// Makes the ERASED event for a topic that the record has events on.
    pub fn draft(&self, spec: &TopicSpec, wire_form: WireForm) -> Draft {
        Draft {
            event_id: self.id.event_id(&spec.topic, wire_form),
            subject: Subject::new("event-gateway", "erasure"),
            topic: spec.topic.clone(),
            key: self.key.clone(),
            content: Content::Erased { wire_form, is_compacted: spec.compacted },
            own_headers: Headers::default(),
            origin: Origin { tenant: self.tenant.clone(), headers: Arc::default() },
            act: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::ErasureRequest;
    use crate::domain::json::Raw;

    fn parse(text: &str) -> Result<ErasureRequest, Vec<String>> {
        let raw = Raw::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
        ErasureRequest::parse(&raw).map_err(|all| all.into_iter().map(|v| v.pointer).collect())
    }

    #[test]
    fn a_request_names_one_record_and_says_why() {
        let request = parse(r#"{"producer":"users","entity":"user","key":"a","reason":"asked"}"#);
        assert_eq!(request.unwrap().name, "user");
        let process = parse(r#"{"producer":"audit","event":"LOGIN","key":"a","reason":"asked"}"#);
        assert_eq!(process.unwrap().name, "LOGIN");
    }

    #[test]
    fn whatever_is_missing_or_illegal_is_named_at_once() {
        assert_eq!(parse("{}").unwrap_err(), ["/producer", "/key", "/reason", "/entity"]);
        let zero = "00000000-0000-0000-0000-000000000000";
        let both =
            format!(r#"{{"producer":"p","entity":"e","event":"E","key":"{zero}","reason":""}}"#);
        assert_eq!(parse(&both).unwrap_err(), ["/event", "/key", "/reason"]);
    }
}
