//! A process event: news that is not about one entity's record.
//!
//! Parsed from one JSON object of a request, `{key, payload, eventId?, headers?}`; the payload is
//! published as it is. Feeds `draft`.

use super::change::{ObjectReader, keep};
use super::draft::{Content, Draft, Origin, Place};
use super::entity::EventName;
use super::event::EventId;
use super::headers::Headers;
use super::json::Raw;
use super::key::Key;
use super::violation::Violation;

/// A legal process event, once checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessEvent {
    key: Key,
    payload: Raw,
    event_id: Option<EventId>,
    headers: Headers,
}

impl ProcessEvent {
    /// Checks one posted object; `at` is the JSON pointer to it. All that is illegal is named.
    pub fn parse(raw: &Raw, at: &str) -> Result<Self, Vec<Violation>> {
        let members = ObjectReader::parse(raw, &["key", "payload", "eventId", "headers"], at)?;
        let mut all = Vec::new();
        let key = keep(&mut all, key(&members));
        let event_id = keep(&mut all, members.event_id()).flatten();
        let headers = keep(&mut all, members.headers());
        let payload = members.value("payload").cloned();
        if payload.is_none() {
            all.extend(members.violation("payload", "no-payload", "a process event has a payload"));
        }
        match (key, payload, headers) {
            (Some(key), Some(payload), Some(headers)) if all.is_empty() => {
                Ok(Self { key, payload, event_id, headers })
            }
            _ => Err(all),
        }
    }

    /// The draft of this process event; `event_id` is used unless the module gave its own.
    pub fn draft(
        self,
        place: Place,
        event: &EventName,
        event_id: EventId,
        origin: &Origin,
    ) -> Draft {
        Draft {
            event_id: self.event_id.unwrap_or(event_id),
            subject: place.subject,
            topic: place.topic,
            key: self.key,
            content: Content::Process { event: event.clone(), payload: self.payload },
            own_headers: self.headers,
            origin: origin.clone(),
        }
    }
}

fn key(members: &ObjectReader) -> Result<Key, Vec<Violation>> {
    let illegal = |message: &str| members.violation("key", "illegal-key", message);
    let text = members.string("key")?.ok_or_else(|| illegal("a process event has a key"))?;
    if text == Key::DELETE_ALL {
        return Err(illegal("the zero UUID is the key of DELETE_ALL"));
    }
    Key::parse(&text).map_err(|e| illegal(&e.to_string()))
}
