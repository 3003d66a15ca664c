//! A process event: an event that is not about one entity's record.
//!
//! `intake` passes in one JSON object of a request, `{key, payload, eventId?, headers?}`, and gets
//! its draft. The payload is published as it is, or in ASCII, as its wire form asks for.

use super::draft::{Content, Draft, Posting};
use super::entity::EventName;
use super::event::EventId;
use super::json::Raw;
use super::key::Key;
use super::object_reader::ObjectReader;
use super::violation::Violation;
use super::wire_form::WireForm;

/// The members of a process event.
pub const MEMBERS: [&str; 4] = ["key", "payload", "eventId", "headers"];

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
    let mut members = ObjectReader::parse(item, &MEMBERS, at)?;
    let key = key(&mut members, wire_form);
    let event_id = members.event_id();
    let headers = members.headers();
    members.need("payload", "no-payload", "a process event has a payload");
    let draft = key.zip(members.value("payload").cloned()).map(|(key, payload)| {
        let content = Content::Process { event: event.clone(), payload, wire_form };
        posting.draft(event_id.unwrap_or_else(new_id), key, content, headers)
    });
    members.finish(draft)
}

fn key(members: &mut ObjectReader, wire_form: WireForm) -> Option<Key> {
    members.need("key", "illegal-key", "a process event has a key");
    let text = members.string("key")?;
    let key = match Key::parse(&text) {
        _ if text == Key::DELETE_ALL => Err("the zero UUID is the key of DELETE_ALL".to_owned()),
        Err(invalid) => Err(invalid.to_string()),
        Ok(key) => wire_form.refuses_key(&key).map_or(Ok(key), |rule| Err(rule.to_owned())),
    };
    key.map_err(|rule| members.refuse("key", "illegal-key", rule)).ok()
}
