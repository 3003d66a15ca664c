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
        let Some(event) = Event::of(record, index) else {
            findings.push(phantom(record));
            continue;
        };
        let is_new = seen.insert(event.id);
        if index.tenant_of(&record.topic) != Some(event.tenant) {
            findings.push(misplaced(record, event.tenant));
            continue;
        }
        if !is_new {
            findings.push(Kind::Duplicate.of(format!("committed, {}", name(record))));
        }
        let before = last.insert((&record.topic, &record.key), event.position).unwrap_or_default();
        if before > event.position {
            findings.push(Kind::Reordered.of(format!("position {before}, then {}", name(record))));
        }
        findings.extend(event.logged.and_then(|logged| differences(logged, record, &logged.topic)));
    }
    findings.extend(lost(story, index, &seen, "committed"));
    findings
}

/// Finds the defects that a read_uncommitted consumer sees: it may see pages twice, but the last
/// record of a key is its newest.
pub(super) fn uncommitted(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let (mut findings, mut seen, mut last) = (Vec::new(), HashSet::new(), HashMap::new());
    // A replay to another topic is none of the topic's own consumer's business.
    let targets: HashSet<_> =
        story.observed.replayed.iter().filter_map(|it| it.target.as_deref()).collect();
    let of_own = |record: &&Record| !targets.contains(record.topic.as_str());
    for record in story.uncommitted.iter().filter(of_own) {
        let Some(event) = Event::of(record, index) else {
            findings.push(phantom(record));
            continue;
        };
        seen.insert(event.id);
        if index.tenant_of(&record.topic) != Some(event.tenant) {
            findings.push(misplaced(record, event.tenant));
            continue;
        }
        last.insert((record.topic.as_str(), record.key.as_slice()), event.position);
        findings.extend(event.logged.and_then(|logged| differences(logged, record, &logged.topic)));
    }
    let mut newest: HashMap<_, _> = story
        .logs
        .values()
        .flatten()
        .map(|e| ((e.topic.as_str(), e.key.as_bytes()), e.position))
        .collect();
    for event in index.removed.values() {
        let newest = newest.entry((event.topic.as_str(), event.key.as_bytes())).or_default();
        *newest = event.position.max(*newest);
    }
    for (place, position) in last {
        if let Some(newest) = newest.get(&place).filter(|newest| **newest != position) {
            findings
                .push(Kind::Stale.of(format!("{position} of {place:?}, but {newest} is newer")));
        }
    }
    findings.extend(lost(story, index, &seen, "uncommitted"));
    findings
}

/// The event of a record.
pub(super) struct Event<'a> {
    pub(super) id: &'a str,
    pub(super) tenant: &'a str,
    pub(super) position: u64,
    /// As the log has it, unless it has left the log, as it may.
    pub(super) logged: Option<&'a Logged>,
}

impl<'a> Event<'a> {
    /// Returns the event of a record; `None` if there is none.
    pub(super) fn of(record: &Record, index: &Index<'a>) -> Option<Self> {
        let id = record.header("event_id")?;
        if let Some((tenant, event)) = index.by_id.get(id) {
            let (id, position) = (event.event_id.as_str(), event.position);
            return Some(Self { id, tenant, position, logged: Some(event) });
        }
        let (id, event) = index.removed.get_key_value(id)?;
        Some(Self { id, tenant: event.tenant, position: event.position, logged: None })
    }
}

fn phantom(record: &Record) -> Finding {
    Kind::Phantom.of(format!("not in the log: {record:?}"))
}

fn misplaced(record: &Record, tenant: &str) -> Finding {
    Kind::Tenant.of(format!("{tenant}'s: {}", name(record)))
}

fn lost(story: &Story, index: &Index<'_>, seen: &HashSet<&str>, reader: &str) -> Vec<Finding> {
    let logged = story.logs.values().flatten().filter(|event| event.is_sent());
    let logged =
        logged.map(|event| (event.event_id.as_str(), event.topic.as_str(), event.position));
    let removed = index.removed.iter().filter(|(_, event)| event.is_sent);
    let removed = removed.map(|(id, event)| (*id, event.topic.as_str(), event.position));
    let find = |(_, topic, position)| {
        Kind::Lost.of(format!("not among the {reader} records of {topic}: {position}"))
    };
    logged.chain(removed).filter(|(id, ..)| !seen.contains(id)).map(find).collect()
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
