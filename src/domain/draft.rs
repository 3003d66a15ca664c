//! A draft: a checked event with its tenant, topic, key and headers, not yet in the log.
//!
//! Drafts are made of changes and process events. A store gives a draft its place in the log and
//! calls `seal`, a pure function: the same draft and stamp always give the same envelope.

use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use super::content::Content;
use super::entity::DeleteAllMode;
use super::envelope::{Envelope, gateway_header_bytes_max, record_bytes};
use super::event::{EventId, EventType};
use super::headers::Headers;
use super::key::Key;
use super::position::{LogId, Position};
use super::subject::Subject;
use super::tenant::TenantId;
use super::time::Time;
use super::topic::Topic;
use super::trail::TrailEntry;
use super::wire_form::WireForm;

/// Who posted: the tenant, and the headers that the request's context adds to its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The tenant whose log the events go to.
    pub tenant: TenantId,
    /// Headers such as `x-okapi-request-id`, shared by all drafts of a request.
    pub headers: Arc<Headers>,
}

/// The subject of a request, and the topic that it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The subject, made of the request's path.
    pub subject: Subject,
    /// The topic that the settings name for it.
    pub topic: Topic,
}

/// The parts that all drafts of a request have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The subject and the topic.
    pub place: Place,
    /// The tenant that posts, and the headers of its request.
    pub origin: Origin,
}

impl Posting {
    /// Makes one draft of the request.
    pub(super) fn draft(
        &self,
        event_id: EventId,
        key: Key,
        content: Content,
        own_headers: Headers,
    ) -> Draft {
        let Self { place: Place { subject, topic }, origin } = self.clone();
        Draft { event_id, subject, topic, key, content, own_headers, origin, act: None }
    }
}

/// An event on its way into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The module's own event id, or one that the gateway made.
    pub event_id: EventId,
    /// The subject that it was posted about.
    pub subject: Subject,
    /// The topic that it will be published to.
    pub topic: Topic,
    /// The record's id.
    pub key: Key,
    /// The content.
    pub content: Content,
    /// The headers given in the change.
    pub own_headers: Headers,
    /// Who posted it.
    pub origin: Origin,
    /// The entry for the trail, if it is an act. It is no part of the event.
    pub act: Option<Arc<TrailEntry>>,
}

/// The place that a store gives to a draft, under the tenant's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The tenant's log.
    pub log_id: LogId,
    /// The position in that log.
    pub position: Position,
    /// The time by the store's clock, never earlier than that of the previous event.
    pub time: Time,
    /// The position of the topic's last DELETE_ALL before this event.
    pub last_delete_all: Option<Position>,
}

impl Draft {
    /// Makes the draft of a topic's DELETE_ALL.
    pub fn delete_all(
        place: Place,
        wire_form: WireForm,
        event_id: EventId,
        origin: &Origin,
    ) -> Self {
        let Place { subject, topic } = place;
        Self {
            event_id,
            subject,
            topic,
            key: Key::delete_all(),
            content: Content::DeleteAll { wire_form, mode: DeleteAllMode::Record },
            own_headers: Headers::default(),
            origin: origin.clone(),
            act: None,
        }
    }

    /// Returns the draft of an act, with its entry for the trail.
    pub fn by(self, entry: TrailEntry) -> Self {
        Self { act: Some(Arc::new(entry)), ..self }
    }

    /// Sets how it is published, if it is a DELETE_ALL.
    pub fn published_as(mut self, new_mode: DeleteAllMode) -> Self {
        if let Content::DeleteAll { mode, .. } = &mut self.content {
            *mode = new_mode;
        }
        self
    }

    /// Returns the event's type.
    pub fn event_type(&self) -> EventType {
        match &self.content {
            Content::Change { states, .. } => states.event_type(),
            Content::DeleteAll { mode: DeleteAllMode::Record, .. } => EventType::DeleteAll,
            Content::DeleteAll { mode: DeleteAllMode::Expand, .. } => EventType::DeleteAllExpanded,
            Content::Erased { .. } => EventType::Erased,
            Content::Process { event, .. } => EventType::Process(event.as_str().to_owned()),
        }
    }

    /// Seals the draft: makes its final bytes, which nothing serialises again.
    pub fn seal(&self, stamp: &Stamp) -> Envelope {
        let tenant = &self.origin.tenant;
        let payload = match &self.content {
            Content::Change { states, wire_form } => wire_form.change(states, tenant, stamp.time),
            Content::DeleteAll { wire_form, .. } => wire_form.delete_all(tenant),
            Content::Erased { wire_form, is_compacted } => wire_form.erased(tenant, *is_compacted),
            Content::Process { payload, wire_form, .. } => wire_form.payload(payload),
        };
        let mut headers = self.own_headers.clone();
        headers.extend(&self.origin.headers);
        Envelope {
            log_id: stamp.log_id,
            tenant: tenant.clone(),
            position: stamp.position,
            time: stamp.time,
            last_delete_all: stamp.last_delete_all,
            erased: None,
            event_id: self.event_id,
            topic: self.topic.clone(),
            key: self.key.clone(),
            event_type: self.event_type(),
            headers,
            payload,
        }
    }

    /// Returns a digest by which two drafts with one event id are compared: of producer and entity
    /// (or process event), type, the headers given in the change, old and new, and the key if it
    /// was posted. Values that the gateway derives from its settings (the topic, a change's key,
    /// the wire form, how a DELETE_ALL is published) are left out, since a setting may change
    /// before a retry. Each field is hashed with its length, so that none runs into the next.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut field = |bytes: Option<&[u8]>| {
            hash.update(bytes.map_or(u64::MAX, |b| b.len() as u64).to_be_bytes());
            hash.update(bytes.unwrap_or_default());
        };
        field(Some(self.subject.as_str().as_bytes()));
        let posted_key =
            matches!(self.content, Content::Process { .. }).then(|| self.key.as_str().as_bytes());
        field(posted_key);
        let event_type = match self.event_type() {
            EventType::DeleteAllExpanded => EventType::DeleteAll,
            event_type => event_type,
        };
        field(Some(event_type.as_str().as_bytes()));
        field(Some(self.own_headers.as_column().as_bytes()));
        let (old, new) = match &self.content {
            Content::Change { states, .. } => (states.old(), states.new()),
            Content::DeleteAll { .. } | Content::Erased { .. } => (None, None),
            Content::Process { payload, .. } => (None, Some(payload)),
        };
        field(old.map(|raw| &raw.as_bytes()[..]));
        field(new.map(|raw| &raw.as_bytes()[..]));
        hash.finalize().into()
    }

    /// Returns the most bytes that its Kafka record can have, at any position of the log: a sum of
    /// lengths, for which nothing is sealed.
    pub fn record_bytes_max(&self) -> usize {
        let tenant = &self.origin.tenant;
        let payload = match &self.content {
            Content::Change { states, wire_form } => wire_form.change_bytes_max(states, tenant),
            Content::DeleteAll { wire_form, .. } | Content::Erased { wire_form, .. } => {
                wire_form.delete_all_bytes_max(tenant)
            }
            Content::Process { payload, wire_form, .. } => wire_form.payload_bytes(payload),
        };
        let headers = self.own_headers.iter().chain(self.origin.headers.iter());
        record_bytes(&self.key, payload, headers.map(|(name, value)| (name, value.len())))
            + gateway_header_bytes_max(tenant, &self.event_type())
    }

    /// Returns roughly the bytes of memory that it holds, by which a queue of drafts is measured.
    pub fn memory_bytes(&self) -> usize {
        let body = match &self.content {
            Content::Change { states, .. } => states.bytes(),
            Content::DeleteAll { .. } | Content::Erased { .. } => 0,
            Content::Process { payload, .. } => payload.as_bytes().len(),
        };
        let own = self.own_headers.iter().map(|(name, value)| name.len() + value.len() + 64);
        512 + body + self.key.as_str().len() + own.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use uuid::Uuid;

    use super::{Content, Draft, Origin, Place, Stamp};
    use crate::domain::entity::EventName;
    use crate::domain::event::EventId;
    use crate::domain::headers::Headers;
    use crate::domain::json::Raw;
    use crate::domain::key::Key;
    use crate::domain::position::{LogId, Position};
    use crate::domain::states::States;
    use crate::domain::subject::Subject;
    use crate::domain::tenant::TenantId;
    use crate::domain::time::Time;
    use crate::domain::topic::Topic;
    use crate::domain::wire_form::WireForm;

    fn raw(text: &str) -> Raw {
        Raw::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn update(old: &str, new: &str) -> Draft {
        let mut context = Headers::default();
        context.push("x-okapi-request-id", "1/users");
        let origin =
            Origin { tenant: TenantId::parse("diku").unwrap(), headers: Arc::new(context) };
        let mut own_headers = Headers::default();
        own_headers.push("mine", "1");
        let states = States::Update { old: raw(old), new: raw(new) };
        Draft {
            event_id: EventId::new(Uuid::from_u128(7)),
            subject: Subject::new("inventory", "item"),
            topic: Topic::parse("folio.diku.inventory.item").unwrap(),
            key: Key::parse("a").unwrap(),
            content: Content::Change { states, wire_form: WireForm::Convention },
            own_headers,
            origin,
            act: None,
        }
    }

    fn stamp() -> Stamp {
        Stamp {
            log_id: LogId::new(Uuid::from_u128(9)),
            position: Position::new(12).unwrap(),
            time: Time::from_ms(1_625_832_841_003),
            last_delete_all: Some(Position::new(3).unwrap()),
        }
    }

    #[test]
    fn the_wire_form_is_the_convention_s_and_keeps_the_states_bytes() {
        let sealed = update(r#"{"id":"a", "n":1.10}"#, r#"{"n":-0,"id":"a"}"#).seal(&stamp());
        let expected = r#"{"old":{"id":"a", "n":1.10},"new":{"n":-0,"id":"a"},"type":"UPDATE","tenant":"diku","ts":"1625832841003"}"#;
        assert_eq!(sealed.payload, expected);
    }

    #[test]
    fn the_wire_form_of_hexkit_is_the_convention_s_in_ascii() {
        let mut draft = update(r#"{"id":"a"}"#, r#"{"id":"a","title":"Détente 😀"}"#);
        let convention = draft.seal(&stamp()).payload;
        let Content::Change { wire_form, .. } = &mut draft.content else { unreachable!() };
        *wire_form = WireForm::Hexkit;
        let sealed = draft.seal(&stamp()).payload;
        assert!(sealed.is_ascii() && !convention.is_ascii());
        let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        assert_eq!(value(&sealed), value(&convention));
        assert!(draft.record_bytes_max() >= draft.seal(&stamp()).record_bytes());
    }

    #[test]
    fn a_delete_all_is_exactly_type_and_tenant() {
        let Draft { subject, topic, event_id, origin, .. } = update("{}", "{}");
        let place = Place { subject, topic };
        let sealed =
            Draft::delete_all(place, WireForm::Convention, event_id, &origin).seal(&stamp());
        assert_eq!(sealed.payload, r#"{"type":"DELETE_ALL","tenant":"diku"}"#);
        assert_eq!(sealed.key.as_str(), "00000000-0000-0000-0000-000000000000");
    }

    #[test]
    fn record_headers_are_own_then_the_request_s_then_the_gateway_s() {
        let envelope = update("{}", "{}").seal(&stamp());
        let headers = envelope.record_headers();
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        let expected = [
            "mine",
            "x-okapi-request-id",
            "x-okapi-tenant",
            "folio.tenantId",
            "type",
            "event_id",
            "log_id",
            "position",
            "epoch",
        ];
        assert_eq!(names, expected);
        assert_eq!((headers.value("position"), headers.value("epoch")), (Some("12"), Some("3")));
    }

    #[test]
    fn sealing_again_gives_the_same_envelope() {
        let draft = update("{}", "{}");
        assert_eq!(draft.seal(&stamp()), draft.seal(&stamp()));
    }

    #[test]
    fn the_fingerprint_tells_every_field_of_the_content() {
        let base = update(r#"{"a":1}"#, r#"{"b":1}"#);
        let mut other_request = base.clone();
        other_request.origin.headers = Arc::default();
        assert_eq!(base.fingerprint(), other_request.fingerprint());
        let mut others =
            vec![update(r#"{"a":1}"#, r#"{"b":2}"#), update(r#"{"b":1}"#, r#"{"a":1}"#)];
        others.push(Draft { subject: Subject::new("inventory", "other"), ..base.clone() });
        others.push(Draft { subject: Subject::new("other", "item"), ..base.clone() });
        others.push(Draft { own_headers: Headers::default(), ..base.clone() });
        for other in others {
            assert_ne!(base.fingerprint(), other.fingerprint());
        }
    }

    #[test]
    fn what_settings_derive_is_no_content_and_a_key_that_was_posted_is() {
        let base = update(r#"{"a":1}"#, r#"{"b":1}"#);
        let derived = [
            Draft { topic: Topic::parse("folio.ALL.inventory.item").unwrap(), ..base.clone() },
            Draft { key: Key::parse("b").unwrap(), ..base.clone() },
        ];
        assert!(derived.iter().all(|same| same.fingerprint() == base.fingerprint()));
        let event = EventName::parse("CHECKED").unwrap();
        let wire_form = WireForm::Convention;
        let content = Content::Process { event, payload: raw("{}"), wire_form };
        let process = Draft { content, ..base };
        let escaped = Content::Process {
            event: EventName::parse("CHECKED").unwrap(),
            payload: raw("{}"),
            wire_form: WireForm::Hexkit,
        };
        let escaped = Draft { content: escaped, ..process.clone() };
        assert_eq!(process.fingerprint(), escaped.fingerprint(), "a form is no content");
        let other = Draft { key: Key::parse("b").unwrap(), ..process.clone() };
        assert_ne!(process.fingerprint(), other.fingerprint());
    }

    #[test]
    fn no_sealed_record_is_larger_than_foretold() {
        let draft = update(r#"{"id":"a"}"#, r#"{"id":"a","x":"yyyyyyyyyyyy"}"#);
        let last = Position::from_column(i64::MAX);
        let sealed = draft.seal(&Stamp { position: last, last_delete_all: Some(last), ..stamp() });
        let (foretold, real) = (draft.record_bytes_max(), sealed.record_bytes());
        assert!(foretold >= real && foretold < real + 200, "{foretold} for {real}");
    }
}
