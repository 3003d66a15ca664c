//! A process event: an event that is not about one entity's record.
//!
//! `intake` passes in one JSON object of a request, `{key, payload, eventId?, headers?}`, and gets
//! its draft. The payload is published as it is, or in ASCII, as its wire form asks for.

use super::draft::{Content, Draft, Posting};
use super::entity::EventName;
use super::event::EventId;
use super::json::Raw;
use super::key::Key;
use super::object_reader::{ObjectReader, keep};
use super::violation::Violation;
use super::wire_form::WireForm;

/// Checks one posted object; `at` is the JSON pointer to it. Returns its draft, with the module's
/// own event id or else a new one; or every violation.
pub fn parse(
    item: &Raw,
    at: &str,
    event: (&EventName, WireForm),
    posting: &Posting,
    new_id: impl FnOnce() -> EventId,
) -> Result<Draft, Vec<Violation>> {
    let (event, wire_form) = event;
    let members = ObjectReader::parse(item, &["key", "payload", "eventId", "headers"], at)?;
    let mut all = Vec::new();
    let key = keep(&mut all, key(&members, wire_form));
    let event_id = keep(&mut all, members.event_id()).flatten();
    let headers = keep(&mut all, members.headers());
    let payload = members.value("payload").cloned();
    if payload.is_none() {
        all.extend(members.violation("payload", "no-payload", "a process event has a payload"));
    }
    match (key, payload, headers) {
        (Some(key), Some(payload), Some(headers)) if all.is_empty() => {
            let content = Content::Process { event: event.clone(), payload, wire_form };
            Ok(posting.draft(event_id.unwrap_or_else(new_id), key, content, headers))
        }
        _ => Err(all),
    }
}

fn key(members: &ObjectReader, wire_form: WireForm) -> Result<Key, Vec<Violation>> {
    let illegal = |message: &str| members.violation("key", "illegal-key", message);
    let text = members.string("key")?.ok_or_else(|| illegal("a process event has a key"))?;
    if text == Key::DELETE_ALL {
        return Err(illegal("the zero UUID is the key of DELETE_ALL"));
    }
    let key = Key::parse(&text).map_err(|e| illegal(&e.to_string()))?;
    wire_form.refuses_key(&key).map_or(Ok(key), |rule| Err(illegal(rule)))
}
