//! A change: what a module posts about one record.
//!
//! `intake` passes in one JSON object of a request and gets its draft. Only legal combinations of
//! old, new, type, id and key come out.

use super::draft::{Content, Draft, Posting};
use super::entity::Entity;
use super::event::EventId;
use super::json::{Raw, Shape};
use super::key::{Key, Pointer};
use super::object_reader::ObjectReader;
use super::states::States;
use super::violation::Violation;

/// The members of a change.
pub const MEMBERS: [&str; 6] = ["old", "new", "id", "eventId", "type", "headers"];

/// Checks one posted object, `{old?, new?, id?, eventId?, type?, headers?}`; `at` is the JSON
/// pointer to it. Returns its draft, with the module's own event id or else a new one; or every
/// violation.
pub fn parse(
    item: &Raw,
    at: &str,
    entity: &Entity,
    posting: &Posting,
    new_id: impl FnOnce() -> EventId,
) -> Result<Draft, Vec<Violation>> {
    let mut members = ObjectReader::parse(item, &MEMBERS, at)?;
    let states = states(&mut members);
    let key = states.as_ref().and_then(|states| members.keep(key(states, &entity.key, at)));
    let event_id = members.event_id();
    let headers = members.headers();
    if let Some(rule) = key.as_ref().and_then(|key| entity.wire_form.refuses_key(key)) {
        members.refuse_whole("illegal-key", rule);
    }
    if let (Some(states), Some(key)) = (&states, &key) {
        agree(&mut members, states, key);
    }
    let draft = states.zip(key).map(|(states, key)| {
        let content = Content::Change { states, wire_form: entity.wire_form };
        posting.draft(event_id.unwrap_or_else(new_id), key, content, headers)
    });
    members.finish(draft)
}

fn states(members: &mut ObjectReader) -> Option<States> {
    let mut are_objects = true;
    for name in ["old", "new"] {
        if members.value(name).is_some_and(|value| value.shape() != Shape::Object) {
            members.refuse(name, "not-an-object", "a state must be a JSON object");
            are_objects = false;
        }
    }
    if !are_objects {
        return None;
    }
    match (members.value("old").cloned(), members.value("new").cloned()) {
        (None, Some(new)) => Some(States::Create { new }),
        (Some(old), Some(new)) => Some(States::Update { old, new }),
        (Some(old), None) => Some(States::Delete { old }),
        (None, None) => {
            members.refuse_whole("no-state", "a change has old, new or both");
            None
        }
    }
}

/// Returns the key, which must be the same in both states.
fn key(states: &States, pointer: &Pointer, at: &str) -> Result<Key, Vec<Violation>> {
    let (mut all, mut keys) = (Vec::new(), Vec::new());
    for (name, state) in [("old", states.old()), ("new", states.new())] {
        let Some(state) = state else { continue };
        let at = format!("{at}/{name}{}", pointer.as_str());
        match state_key(state, pointer, at) {
            Ok(key) => keys.push(key),
            Err(violation) => all.push(violation),
        }
    }
    if let [old, new] = keys.as_slice()
        && old != new
    {
        let message = format!("the key is `{new}`, but `{old}` in old");
        all.push(Violation::new(format!("{at}/new{}", pointer.as_str()), "key-mismatch", message));
    }
    match (all.is_empty(), keys.pop()) {
        (true, Some(key)) => Ok(key),
        _ => Err(all),
    }
}

fn state_key(state: &Raw, pointer: &Pointer, at: String) -> Result<Key, Violation> {
    let illegal = |message: String| Violation::new(at.clone(), "illegal-key", message);
    let found = pointer.find(state).ok_or_else(|| illegal("the key is missing".to_owned()))?;
    let text = found.string().ok_or_else(|| illegal("the key must be a string".to_owned()))?;
    if text == Key::DELETE_ALL {
        return Err(illegal("the zero UUID is the key of DELETE_ALL".to_owned()));
    }
    Key::parse(&text).map_err(|e| illegal(e.to_string()))
}

/// Checks that an explicit type or id agrees with the states.
fn agree(members: &mut ObjectReader, states: &States, key: &Key) {
    let event_type = states.event_type();
    if let Some(given) = members.string("type").filter(|t| t != event_type.as_str()) {
        let message = format!("the states make it `{event_type}`, not `{given}`");
        members.refuse("type", "type-mismatch", message);
    }
    if let Some(given) = members.string("id").filter(|id| id != key.as_str()) {
        members.refuse("id", "id-mismatch", format!("the key is `{key}`, not `{given}`"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::parse as parse_change;
    use crate::domain::draft::{Draft, Origin, Place, Posting};
    use crate::domain::entity::{Entity, TopicSettings};
    use crate::domain::event::{EventId, EventType};
    use crate::domain::json::Raw;
    use crate::domain::key::Pointer;
    use crate::domain::subject::Subject;
    use crate::domain::tenant::TenantId;
    use crate::domain::topic::Topic;
    use crate::domain::wire_form::WireForm;

    fn posting() -> Posting {
        let topic = Topic::parse("folio.diku.inventory.item").unwrap();
        let place = Place { subject: Subject::new("inventory", "item"), topic };
        let tenant = TenantId::parse("diku").unwrap();
        Posting { place, origin: Origin { tenant, headers: Arc::default() } }
    }

    fn parse(text: &str) -> Result<Draft, Vec<(String, &'static str)>> {
        let entity = Entity {
            key: Pointer::parse("/id").unwrap(),
            wire_form: WireForm::Convention,
            topic: TopicSettings::default(),
        };
        let raw = Raw::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
        parse_change(&raw, "/0", &entity, &posting(), || EventId::NONE)
            .map_err(|all| all.into_iter().map(|v| (v.pointer, v.code)).collect())
    }

    #[test]
    fn the_states_tell_the_type_and_null_is_absent() {
        let cases = [
            (r#"{"new":{"id":"a"}}"#, EventType::Create),
            (r#"{"old":null,"new":{"id":"a"},"type":"CREATE","id":"a"}"#, EventType::Create),
            (r#"{"old":{"id":"a"},"new":{"id":"a","x":1},"headers":null}"#, EventType::Update),
            (r#"{"old":{"id":"a"},"new":null,"eventId":null}"#, EventType::Delete),
        ];
        for (text, expected) in cases {
            let draft = parse(text).unwrap();
            assert_eq!((draft.event_type(), draft.key.as_str()), (expected, "a"));
        }
    }

    #[test]
    fn what_is_illegal_is_named_by_pointer() {
        let cases = [
            ("[]", "/0", "not-an-object"),
            ("{}", "/0", "no-state"),
            (r#"{"new":{"id":"a"},"nwe":1}"#, "/0/nwe", "unknown-member"),
            (r#"{"new":[]}"#, "/0/new", "not-an-object"),
            (r#"{"new":{}}"#, "/0/new/id", "illegal-key"),
            (r#"{"new":{"id":7}}"#, "/0/new/id", "illegal-key"),
            (r#"{"new":{"id":"\ud800"}}"#, "/0/new/id", "illegal-key"),
            (r#"{"old":{"id":"a"},"new":{"id":"b"}}"#, "/0/new/id", "key-mismatch"),
            (r#"{"new":{"id":"a"},"type":"DELETE"}"#, "/0/type", "type-mismatch"),
            (r#"{"new":{"id":"a"},"id":"b"}"#, "/0/id", "id-mismatch"),
            (r#"{"new":{"id":"a"},"eventId":"1"}"#, "/0/eventId", "illegal-event-id"),
            (r#"{"new":{"id":"a","x":{"y":1,"\u0079":2}}}"#, "/0/new/x/y", "duplicate-name"),
        ];
        for (text, pointer, code) in cases {
            assert_eq!(parse(text).unwrap_err(), [(pointer.to_owned(), code)], "{text}");
        }
    }

    #[test]
    fn all_that_is_illegal_is_named_at_once() {
        let text = r#"{"old":{"id":1},"new":{"id":2},"eventId":3,"headers":{"type":"x"}}"#;
        let pointers: Vec<_> =
            parse(text).unwrap_err().into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/0/old/id", "/0/new/id", "/0/eventId", "/0/headers/type"]);
    }

    #[test]
    fn a_state_may_nest_64_deep() {
        let nested = |depth: usize| {
            format!(r#"{{"new":{{"id":"a","x":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth))
        };
        assert!(parse(&nested(63)).is_ok());
        assert_eq!(parse(&nested(64)).unwrap_err()[0].1, "too-deep");
    }
}
