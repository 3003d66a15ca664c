//! The JSON Schemas of what callers send: of each noun once, with the limits that its parser has.
//!
//! The descriptions of handlers are made with it. What callers get is described by the types that
//! are serialised.

use serde_json::{Value, json};

use crate::domain::UUID_PATTERN;
use crate::domain::claim::Action;
use crate::domain::entity::EventName;
use crate::domain::event::EventId;
use crate::domain::filter::TopicPattern;
use crate::domain::headers;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::text;
use crate::domain::topic::Topic;

/// A JSON Schema.
pub(super) type Schema = Value;

/// Returns the schema of an object with those members, of which some must be given. `null` stands
/// for any other one that is absent. `of` gives the schema of each member.
pub(super) fn object(
    members: &[&'static str],
    needed: &[&str],
    of: impl Fn(&'static str) -> Schema,
) -> Schema {
    let properties: serde_json::Map<_, _> = members
        .iter()
        .map(|name| {
            let schema = of(name);
            ((*name).to_owned(), if needed.contains(name) { schema } else { or_null(schema) })
        })
        .collect();
    let mut schema =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !needed.is_empty() {
        schema["required"] = json!(needed);
    }
    schema
}

/// Returns the schema that takes `null`, too.
fn or_null(mut schema: Schema) -> Schema {
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    match schema.get("type").cloned() {
        Some(Value::String(name)) if name != "null" => schema["type"] = json!([name, "null"]),
        None if schema.get("oneOf").is_some() => {
            schema["oneOf"].as_array_mut().expect("a list").push(json!({ "type": "null" }));
        }
        _ => {}
    }
    schema
}

/// Returns the schema with a sentence about it.
pub(super) fn about(mut schema: Schema, sentence: &str) -> Schema {
    schema["description"] = json!(sentence);
    schema
}

/// Returns the schema of a list of at most so many items.
pub(super) fn list(items: &Schema, items_max: usize) -> Schema {
    json!({ "type": "array", "items": items, "maxItems": items_max })
}

/// Returns the schema of a whole number from `first` to `last`.
pub(super) fn whole(first: u64, last: u64) -> Schema {
    json!({ "type": "integer", "minimum": first, "maximum": last })
}

pub(super) fn any_whole() -> Schema {
    whole(0, u64::MAX)
}

pub(super) fn position() -> Schema {
    whole(0, Position::MAX.number())
}

/// Returns the schema of one of those words.
pub(super) fn words(words: &[&str]) -> Schema {
    json!({ "type": "string", "enum": words })
}

pub(super) fn flag() -> Schema {
    json!({ "type": "boolean" })
}

/// Returns the schema of any text but the empty one.
pub(super) fn some_text() -> Schema {
    json!({ "type": "string", "minLength": 1 })
}

pub(super) fn tenant() -> Schema {
    json!({
        "type": "string",
        "pattern": TenantId::PATTERN,
        "not": { "const": TenantId::RESERVED },
        "examples": ["diku"],
    })
}

pub(super) fn event_id() -> Schema {
    json!({ "type": "string", "format": "uuid", "pattern": EventId::PATTERN })
}

/// Returns the schema of an id that the gateway gives.
pub(super) fn own_id() -> Schema {
    json!({ "type": "string", "format": "uuid", "pattern": UUID_PATTERN })
}

pub(super) fn action() -> Schema {
    json!({
        "type": "string",
        "pattern": Action::PATTERN,
        "maxLength": Action::BYTES_MAX,
        "examples": ["index"],
    })
}

pub(super) fn key() -> Schema {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": Key::BYTES_MAX,
        "pattern": Key::PATTERN,
        "description": format!("A record's id, of at most {} bytes.", Key::BYTES_MAX),
    })
}

/// Returns the schema of a key that an event may have which is not about all records.
pub(super) fn record_key() -> Schema {
    let mut schema = key();
    schema["not"] = json!({ "const": Key::DELETE_ALL });
    schema
}

pub(super) fn topic() -> Schema {
    let (pattern, bytes_max) = (Topic::PATTERN, Topic::BYTES_MAX);
    json!({ "type": "string", "pattern": pattern, "minLength": 1, "maxLength": bytes_max })
}

pub(super) fn topic_pattern() -> Schema {
    let (pattern, bytes_max) = (TopicPattern::PATTERN, Topic::BYTES_MAX);
    json!({
        "type": "string",
        "pattern": pattern,
        "minLength": 1,
        "maxLength": bytes_max,
        "description": "A topic, where * is any run of characters without a dot, and ** any run.",
    })
}

pub(super) fn event_type() -> Schema {
    json!({ "type": "string", "pattern": EventName::PATTERN, "examples": ["UPDATE"] })
}

pub(super) fn time() -> Schema {
    json!({ "type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00Z"] })
}

pub(super) fn group() -> Schema {
    json!({
        "type": "string",
        "pattern": Group::PATTERN,
        "maxLength": Group::BYTES_MAX,
        "examples": ["cg.search"],
    })
}

pub(super) fn name() -> Schema {
    bounded_text(text::NAME_BYTES_MAX)
}

pub(super) fn reason() -> Schema {
    bounded_text(text::REASON_BYTES_MAX)
}

fn bounded_text(bytes_max: usize) -> Schema {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": bytes_max,
        "pattern": text::PATTERN,
        "description": format!("At most {bytes_max} bytes."),
    })
}

/// Returns the schema of the value of a header that is read once: printable ASCII, or nothing.
pub(super) fn printable() -> Schema {
    let (pattern, bytes_max) = (headers::VALUE_PATTERN, headers::VALUE_BYTES_MAX);
    json!({ "type": "string", "pattern": pattern, "maxLength": bytes_max })
}

/// Returns the schema of the headers that a change may have of its own.
pub(super) fn own_headers() -> Schema {
    let names = headers::RESERVED.iter().chain(&headers::CREDENTIALS);
    let names = names.map(|name| format!("{}$", any_case(name)));
    let prefixes = headers::RESERVED_PREFIXES.map(any_case);
    let reserved = names.chain(prefixes).collect::<Vec<_>>().join("|");
    json!({
        "type": "object",
        "maxProperties": headers::OWN_MAX,
        "propertyNames": {
            "pattern": headers::NAME_PATTERN,
            "maxLength": headers::NAME_BYTES_MAX,
            "not": { "pattern": format!("^({reserved})") },
        },
        "additionalProperties": printable(),
        "description": "Headers of the record besides the gateway's own. No name is given twice, in \
                        whatever case, and none carries a credential.",
    })
}

/// Returns the pattern of a text in whatever case.
fn any_case(text: &str) -> String {
    let one = |c: char| match c {
        'a'..='z' => format!("[{c}{}]", c.to_ascii_uppercase()),
        '.' => r"\.".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{any_case, flag, object, words};

    #[test]
    fn a_member_that_is_not_needed_may_be_null() {
        let of = |name| if name == "kind" { words(&["a"]) } else { flag() };
        let schema = object(&["kind", "given", "other"], &["given"], of);
        let of = |name: &str| schema["properties"][name].clone();
        assert_eq!(of("kind"), json!({ "type": ["string", "null"], "enum": ["a", null] }));
        assert_eq!(
            (of("given"), of("other")["type"].clone()),
            (flag(), json!(["boolean", "null"]))
        );
        assert_eq!(
            (&schema["required"], &schema["additionalProperties"]),
            (&json!(["given"]), &Value::Bool(false))
        );
        assert_eq!(any_case("x-a."), r"[xX]-[aA]\.");
    }
}
