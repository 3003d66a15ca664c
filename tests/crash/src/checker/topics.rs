//! Compares the logs with the topics, as each kind of consumer reads them.

use std::collections::{BTreeMap, HashMap, HashSet};

use event_gateway::domain::time::Time;

use super::{Finding, Index, Kind};
use crate::evidence::Logged;
use crate::kafka::Record;
use crate::story::Story;

/// Finds the defects that a read_committed consumer sees: it sees each event of the live run once,
/// and a key's in order.
pub(super) fn committed(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let (mut findings, mut seen, mut last) = (Vec::new(), HashSet::new(), HashMap::new());
    for record in story.committed.iter().filter(|record| record.header("replay_id").is_none()) {
        let Some((tenant, event)) = event_of(record, index) else {
            findings.push(phantom(record));
            continue;
        };
        let is_new = seen.insert(event.event_id.as_str());
        if index.tenant_of(&record.topic) != Some(tenant) {
            findings.push(misplaced(record, tenant));
            continue;
        }
        if !is_new {
            findings.push(Kind::Duplicate.of(format!("committed, {}", name(record))));
        }
        let before = last.insert((&record.topic, &record.key), event.position).unwrap_or_default();
        if before > event.position {
            findings.push(Kind::Reordered.of(format!("position {before}, then {}", name(record))));
        }
        findings.extend(differences(event, record, &event.topic));
    }
    findings.extend(lost(story, &seen, "committed"));
    findings
}

/// Finds the defects that a read_uncommitted consumer sees: it may see pages twice, but the last
/// record of a key is its newest.
pub(super) fn uncommitted(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let (mut findings, mut seen, mut last) = (Vec::new(), HashSet::new(), HashMap::new());
    // A replay to another topic is none of the topic's own consumer's business.
    let targets: HashSet<_> = story.replayed.iter().filter_map(|it| it.target.as_deref()).collect();
    let of_own = |record: &&Record| !targets.contains(record.topic.as_str());
    for record in story.uncommitted.iter().filter(of_own) {
        let Some((tenant, event)) = event_of(record, index) else {
            findings.push(phantom(record));
            continue;
        };
        seen.insert(event.event_id.as_str());
        if index.tenant_of(&record.topic) != Some(tenant) {
            findings.push(misplaced(record, tenant));
            continue;
        }
        last.insert((record.topic.as_str(), record.key.as_slice()), event.position);
        findings.extend(differences(event, record, &event.topic));
    }
    let newest: HashMap<_, _> =
        story.logs.values().flatten().map(|e| ((e.topic.as_str(), e.key.as_bytes()), e)).collect();
    for (place, position) in last {
        if let Some(newest) = newest.get(&place).filter(|newest| newest.position != position) {
            findings.push(Kind::Stale.of(format!("{position}, and the newest is {newest:?}")));
        }
    }
    findings.extend(lost(story, &seen, "uncommitted"));
    findings
}

/// Returns the event of a record, and its tenant.
pub(super) fn event_of<'a>(record: &Record, index: &Index<'a>) -> Option<(&'a str, &'a Logged)> {
    record.header("event_id").and_then(|id| index.by_id.get(id)).copied()
}

fn phantom(record: &Record) -> Finding {
    Kind::Phantom.of(format!("not in the log: {record:?}"))
}

fn misplaced(record: &Record, tenant: &str) -> Finding {
    Kind::Tenant.of(format!("{tenant}'s: {}", name(record)))
}

fn lost<'a>(story: &'a Story, seen: &HashSet<&str>, reader: &str) -> Vec<Finding> {
    let events =
        story.logs.values().flatten().filter(|event| !seen.contains(event.event_id.as_str()));
    let find = |event: &'a Logged| {
        Kind::Lost
            .of(format!("not among the {reader} records of {}: {}", event.topic, event.position))
    };
    events.map(find).collect()
}

/// Compares a record with its event, which goes to that topic. A replay adds one header.
pub(super) fn differences(event: &Logged, record: &Record, topic: &str) -> Option<Finding> {
    let mut headers: BTreeMap<String, String> = record.headers.iter().cloned().collect();
    let is_once = headers.len() == record.headers.len();
    headers.remove("replay_id");
    let same_headers = headers == event.headers && is_once;
    let wrong: Vec<&str> = [
        ("topic", record.topic == topic),
        ("key", record.key == event.key.as_bytes()),
        ("payload", record.value == event.payload.get().as_bytes()),
        ("headers", same_headers),
        ("time", Time::from_ms(record.timestamp_ms).to_string() == event.time),
        ("position", record.header("position") == Some(event.position.to_string().as_str())),
    ]
    .into_iter()
    .filter_map(|(what, same)| (!same).then_some(what))
    .collect();
    (!wrong.is_empty())
        .then(|| Kind::Bytes.of(format!("{wrong:?} of {record:?}, which is {event:?}")))
}

fn name(record: &Record) -> String {
    let (position, key) =
        (record.header("position").unwrap_or("-"), String::from_utf8_lossy(&record.key));
    let Record { topic, partition, offset, .. } = record;
    format!("position {position} of key {key} in {topic}, partition {partition}, offset {offset}")
}
