//! Compares hexkit's collection with the logs: each stored event once, of a compacted topic the last of
//! each key, and nothing else, least of all what was erased.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{Finding, Index, Kind};
use crate::evidence::{Logged, Persisted};
use crate::story::Story;

/// An event that the collection may have.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    topic: &'a str,
    key: &'a str,
    position: u64,
    /// Whether it has no content: it was erased, or tells a compacted topic of an erasure.
    is_empty: bool,
    /// As the log has it, unless it has left the log.
    logged: Option<&'a Logged>,
}

/// Finds the defects of the collection, if there is one.
pub(super) fn check(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let Some(documents) = &story.observed.documents else { return Vec::new() };
    let is_of = |topic: &str, entity: Option<&str>| {
        entity.is_some_and(|entity| topic.ends_with(&format!(".{entity}")))
    };
    let sent = sent(story, index);
    let mut newest: HashMap<(&str, &str), u64> = HashMap::new();
    for event in sent.values().filter(|it| is_of(it.topic, story.rules.compacted)) {
        let newest = newest.entry((event.topic, event.key)).or_default();
        *newest = event.position.max(*newest);
    }
    let is_wanted = |event: &Wanted<'_>| {
        let newest = newest.get(&(event.topic, event.key));
        !event.is_empty
            && !is_of(event.topic, story.rules.unstored)
            && newest.is_none_or(|it| *it == event.position)
    };
    let (mut findings, mut seen) = (Vec::new(), HashSet::new());
    for document in documents {
        let original = document.headers.get("original_event_id").unwrap_or(&document.event_id);
        let name = || format!("hexkit's document {}: {}", document.id, document.event_id);
        let Persisted { topic, key, .. } = document;
        let is_former = index.may_be_former(topic, key, original);
        let Some((id, event)) = sent.get_key_value(original.as_str()) else {
            if is_former {
                continue;
            }
            findings.push(Kind::Phantom.of(format!("of no event: {}", name())));
            continue;
        };
        if !seen.insert(*id) {
            findings.push(Kind::Duplicate.of(name()));
        }
        if event.is_empty && !is_former {
            findings.push(Kind::Erasure.of(format!("it was erased: {}", name())));
            continue;
        }
        if is_of(event.topic, story.rules.unstored) {
            findings.push(Kind::Phantom.of(format!("of an event that is not stored: {}", name())));
        } else if !is_wanted(event) {
            findings.push(Kind::Stale.of(format!("there is a newer event: {}", name())));
        }
        if !is_former && event.logged.is_some_and(|logged| !is_same(document, logged, index)) {
            findings.push(Kind::Bytes.of(format!("{document:?} is {:?}", event.logged)));
        }
    }
    let missing = sent.iter().filter(|(id, event)| is_wanted(event) && !seen.contains(*id));
    findings.extend(missing.map(|(_, Wanted { topic, position, .. })| {
        Kind::Lost.of(format!("not in hexkit's collection: {position} of {topic}"))
    }));
    findings
}

/// Returns the events that the sink was sent, by their ids.
fn sent<'a>(story: &'a Story, index: &'a Index<'_>) -> HashMap<&'a str, Wanted<'a>> {
    let logged = story.logs.values().flatten().filter(|it| it.is_sent()).map(|it| {
        let Logged { topic, key, position, .. } = it;
        let is_empty = it.erased.is_some()
            || it.is_of_type("ERASED") && it.payload.get() == "null"
            || index.is_erased(topic, key, *position);
        let wanted = Wanted { topic, key, position: *position, is_empty, logged: Some(it) };
        (it.event_id.as_str(), wanted)
    });
    let removed = index.removed.iter().filter(|(_, it)| it.is_sent).map(|(id, it)| {
        let (topic, key, position) = (it.topic.as_str(), it.key, it.position);
        let is_empty = index.is_erased(topic, key, position);
        (*id, Wanted { topic, key, position, is_empty, logged: None })
    });
    logged.chain(removed).collect()
}

/// Returns whether a document has what the log has. hexkit keeps three headers as fields.
fn is_same(document: &Persisted, logged: &Logged, index: &Index<'_>) -> bool {
    let mut headers = document.headers.clone();
    // Documents of events that a log has had before it was restored stay as they are.
    let log_id = logged.headers.get("log_id");
    if let Some(log_id) = log_id.filter(|_| !index.former.is_empty()) {
        headers.insert("log_id".to_owned(), log_id.clone());
    }
    headers.remove("original_event_id");
    let of_hexkit = |name: &str| ["type", "event_id", "correlation_id"].contains(&name);
    let wanted = logged.headers.iter().filter(|(name, _)| !of_hexkit(name));
    let payload = serde_json::from_str::<Value>(logged.payload.get());
    document.topic == logged.topic
        && document.key == logged.key
        && Some(&document.event_type) == logged.headers.get("type")
        && headers.iter().eq(wanted)
        && payload.is_ok_and(|payload| is_same_value(&payload, &document.payload))
        && document.published
}

/// Returns whether two values are the same. BSON has no whole number -0.
fn is_same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| is_same_value(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value)| other.get(name).is_some_and(|it| is_same_value(value, it));
            one.len() == other.len() && one.iter().all(same)
        }
        (one, other) => one == other,
    }
}
