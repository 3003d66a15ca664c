//! Documents: an event in hexkit's own layout, and the ids under which hexkit knows it.
//!
//! `page_write` makes them before its transaction begins; only the ids may follow from what the
//! transaction reads. hexkit's models take UUIDs of version 4 alone: any other id becomes one that
//! is derived from it, and stands in the headers as it was.

use ::mongodb::bson::raw::CString;
use ::mongodb::bson::spec::BinarySubtype;
use ::mongodb::bson::{Binary, DateTime, RawDocumentBuf, rawdoc};
use sha2::{Digest as _, Sha256};
use uuid::{Uuid, Version};

use super::payload;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::json::Raw;
use crate::domain::tenant::TenantId;
use crate::sink::{Error, Mark};

/// The most bytes of a document, with room for the command that writes it.
const BYTES_MAX: usize = (16 << 20) - (64 << 10);
/// The header with the event's own id, if hexkit knows it under another.
const ORIGINAL_ID: &str = "original_event_id";
/// Headers that hexkit adds to a record by itself.
const OF_HEXKIT: [&str; 3] = ["type", "event_id", "correlation_id"];

/// The event's ids in a service's collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ids {
    /// The document's.
    pub(super) document: String,
    /// The event's, a UUID of version 4.
    pub(super) event: Uuid,
}

impl Ids {
    /// Returns the ids of an event of a compacted topic: one document for each key.
    pub(super) fn of_key(event: &Envelope) -> Self {
        let document = format!("{}:{}", event.topic, event.key);
        Self { document, event: Self::of_event(event).event }
    }

    /// Returns the ids of an event of any other topic.
    pub(super) fn of_event(event: &Envelope) -> Self {
        let own = Uuid::from_bytes(*event.event_id.as_bytes());
        if own.get_version() == Some(Version::Random) {
            return Self { document: own.to_string(), event: own };
        }
        Self::derived(event)
    }

    /// Returns the ids that no other tenant's event has, whatever ids their modules give.
    pub(super) fn derived(event: &Envelope) -> Self {
        let event = derived("event", &event.tenant, event.event_id);
        Self { document: event.to_string(), event }
    }
}

/// Derives a UUID of version 4. It is the same each time, also after the log got another id.
fn derived(of: &str, tenant: &TenantId, event_id: EventId) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(format!("{of} {tenant} {event_id}"));
    let hash: [u8; 32] = hash.finalize().into();
    let (bytes, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
    uuid::Builder::from_random_bytes(*bytes).into_uuid()
}

/// An event whose payload is BSON.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) event: &'a Envelope,
    payload: RawDocumentBuf,
}

impl<'a> Content<'a> {
    /// Parses an event's payload. Refuses an event with which hexkit would fail.
    pub(super) fn of(event: &'a Envelope) -> Result<Self, Error> {
        let named = |why: &str| {
            let Envelope { topic, key, position, .. } = event;
            Error::refused(format!("{topic}, key `{key}`, position {position}: {why}"))
        };
        if !event.key.as_str().is_ascii() {
            return Err(named("hexkit takes keys of ASCII characters only"));
        }
        let payload = match event.value() {
            None => RawDocumentBuf::new(),
            Some(value) => {
                let raw = Raw::parse(value).map_err(|e| named(&e.to_string()))?;
                payload::object(&raw).map_err(|why| named(&why))?
            }
        };
        let content = Self { event, payload };
        let bytes = content.document(&Ids::of_key(event), Mark::Pending).as_bytes().len();
        if bytes > BYTES_MAX {
            return Err(named(&format!(
                "its document has {bytes} bytes, and MongoDB takes 16 MiB"
            )));
        }
        Ok(content)
    }

    /// Returns the document.
    pub(super) fn document(&self, ids: &Ids, mark: Mark) -> RawDocumentBuf {
        let Self { event, payload } = self;
        rawdoc! {
            "_id": ids.document.as_str(),
            "topic": event.topic.as_str(),
            "payload": payload.clone(),
            "key": event.key.as_str(),
            "type_": event.event_type.as_str(),
            "event_id": binary(ids.event),
            "headers": headers(event, ids),
            "correlation_id": binary(correlation_id(event)),
            "created": DateTime::from_millis(event.time.as_ms()),
            "published": mark == Mark::Published,
        }
    }
}

/// Returns the headers of the event's record, without those that hexkit adds.
fn headers(event: &Envelope, ids: &Ids) -> RawDocumentBuf {
    let mut headers = RawDocumentBuf::new();
    let all = event.record_headers();
    for (name, value) in all.iter().filter(|(name, _)| !OF_HEXKIT.contains(name)) {
        headers.append(CString::try_from(name).expect("names have no NUL"), value);
    }
    if *ids.event.as_bytes() != *event.event_id.as_bytes() {
        let own = event.event_id.to_string();
        headers.append(CString::try_from(ORIGINAL_ID).expect("it has no NUL"), own);
    }
    headers
}

/// Returns the request's correlation id; one is derived if it is no UUID of version 4.
fn correlation_id(event: &Envelope) -> Uuid {
    let given = event.headers.value("correlation_id").and_then(|text| Uuid::try_parse(text).ok());
    let given = given.filter(|id| id.get_version() == Some(Version::Random));
    given.unwrap_or_else(|| derived("correlation", &event.tenant, event.event_id))
}

/// Returns a UUID as hexkit stores it.
pub(super) fn binary(id: Uuid) -> Binary {
    Binary { subtype: BinarySubtype::Uuid, bytes: id.into_bytes().to_vec() }
}
