//! Compares the logs with the topics, as each kind of consumer reads them.

use std::collections::{BTreeMap, HashMap, HashSet};

use event_gateway::domain::time::Time;

use super::erased::is_erased;
use super::index::NO_KEY;
use super::{Finding, Index, Kind};
use crate::evidence::Logged;
use crate::kafka::Record;
use crate::story::Story;

/// Finds the defects that a read_committed consumer sees: it sees each event of the live run once,
/// and a key's in order. After a log was restored, it sees some once more, under the log's new id.
pub(super) fn committed(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let (mut findings, mut seen, mut last) = (Vec::new(), HashMap::new(), HashMap::new());
    let mut again: BTreeMap<&str, u64> = BTreeMap::new();
    let live = story.committed.iter().filter(|it| !it.is_replayed() && !index.former.is_told(it));
    for record in live {
        let Some(event) = Event::of(record, index) else {
            findings.push(phantom(record));
            continue;
        };
        let log_id = record.header("log_id");
        let before = seen.insert(event.id, log_id);
        if index.tenant_of(&record.topic) != Some(event.tenant) {
            findings.push(misplaced(record, event.tenant));
            continue;
        }
        match before {
            Some(before) if before != log_id => *again.entry(event.tenant).or_default() += 1,
            Some(_) => findings.push(Kind::Duplicate.of(format!("committed, {}", name(record)))),
            None => {}
        }
        let place = (index.former.rank(log_id), event.position);
        let before = last.insert((&record.topic, &record.key), place).unwrap_or_default();
        if before > place {
            findings.push(Kind::Reordered.of(format!("{before:?}, then {}", name(record))));
        }
        findings.extend(event.logged.and_then(|it| differences(it, record, &it.topic, index)));
    }
    for (tenant, times) in again.into_iter().filter(|(it, times)| *times > index.former.again(it)) {
        findings.push(Kind::Duplicate.of(format!(
            "{times} events of {tenant} were published again, not {}",
            index.former.again(tenant)
        )));
    }
    for (id, (tenant, logged)) in &index.by_id {
        // What was erased before it was to be published again stays as it is.
        let Some(last) = seen.get(id).filter(|_| !logged.is_unsent()) else { continue };
        let wanted = index.former.rank_at(tenant, logged.position);
        if index.former.rank(*last) != wanted {
            findings.push(Kind::Bytes.of(format!(
                "the last record of {tenant}'s event has the log_id {last:?}: {logged:?}"
            )));
        }
    }
    findings.extend(lost(story, index, &seen.into_keys().collect(), "committed"));
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
        let place = (record.topic.as_str(), record.key.as_slice());
        let event = Event::of(record, index);
        if is_former(record, event.as_ref(), index) {
            last.insert(place, None);
            continue;
        }
        let Some(event) = event else {
            findings.push(phantom(record));
            continue;
        };
        seen.insert(event.id);
        if index.tenant_of(&record.topic) != Some(event.tenant) {
            findings.push(misplaced(record, event.tenant));
            continue;
        }
        last.insert(place, Some(event.position));
        findings.extend(event.logged.and_then(|it| differences(it, record, &it.topic, index)));
    }
    let mut newest: HashMap<_, _> = story
        .logs
        .values()
        .flatten()
        .filter(|event| event.is_sent())
        .map(|e| ((e.topic.as_str(), e.key.as_bytes()), e.position))
        .collect();
    for event in index.removed.values().filter(|event| event.is_sent) {
        let newest = newest.entry((event.topic.as_str(), event.key.as_bytes())).or_default();
        *newest = event.position.max(*newest);
    }
    // A replay ends with what it had sent of a key when a DELETE_ALL came, which voids it.
    let last_delete_all = |topic| newest.get(&(topic, NO_KEY.as_bytes())).copied();
    for (place, position) in last {
        let Some(newest) = newest.get(&place) else { continue };
        let common = index.tenant_of(place.0).map_or(0, |tenant| index.former.common(tenant));
        let is_right = match position {
            Some(position) => {
                *newest == position || last_delete_all(place.0).is_some_and(|it| it > *newest)
            }
            // An event that was lost is the last one, unless there was another one since.
            None => *newest <= common,
        };
        if !is_right {
            findings
                .push(Kind::Stale.of(format!("{position:?} of {place:?}, but {newest} is newer")));
        }
    }
    findings.extend(lost(story, index, &seen, "uncommitted"));
    findings
}

/// Returns whether a record is of an event that the log has lost, or had at another position before
/// that: `restore` has told so, or its page was aborted.
fn is_former(record: &Record, event: Option<&Event<'_>>, index: &Index<'_>) -> bool {
    if index.former.is_told(record) {
        return true;
    }
    let position = record.header("position").and_then(|text| text.parse().ok());
    let time = Time::from_ms(record.timestamp_ms).to_string();
    let is_its = event.is_some_and(|event| {
        position == Some(event.position) && event.logged.is_none_or(|logged| logged.time == time)
    });
    let (key, id) = (String::from_utf8_lossy(&record.key), record.header("event_id"));
    // The row of its erasure may be lost, and with it its id.
    if event.is_none() && is_erased(&record) && !index.former.is_empty() {
        return true;
    }
    !is_its && id.is_some_and(|id| index.may_be_former(&record.topic, &key, id))
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
    let is_sent = |event: &&Logged| event.is_sent() && !event.is_unsent();
    let logged = story.logs.values().flatten().filter(is_sent);
    let logged =
        logged.map(|event| (event.event_id.as_str(), event.topic.as_str(), event.position));
    // Nothing but the sums tells whether what was erased had been sent before.
    let removed = index.removed.iter().filter(|(_, event)| {
        event.is_sent && !index.is_erased(&event.topic, event.key, event.position)
    });
    let removed = removed.map(|(id, event)| (*id, event.topic.as_str(), event.position));
    let find = |(_, topic, position)| {
        Kind::Lost.of(format!("not among the {reader} records of {topic}: {position}"))
    };
    logged.chain(removed).filter(|(id, ..)| !seen.contains(id)).map(find).collect()
}

/// Compares a record with its event, which goes to that topic. A replay adds one header. After a log
/// was restored, records that are older have its former id.
pub(super) fn differences(
    event: &Logged,
    record: &Record,
    topic: &str,
    index: &Index<'_>,
) -> Option<Finding> {
    let mut headers: BTreeMap<String, String> = record.headers.iter().cloned().collect();
    let log_id = event.headers.get("log_id");
    let is_former = headers.get("log_id") != log_id;
    let is_of_lost = index.may_be_former(&event.topic, &event.key, &event.event_id)
        || (!index.former.is_empty() && is_erased_again(event, record));
    if is_former && is_of_lost {
        // The event was lost and appended again: the record is of the one that was lost.
        return None;
    }
    if let Some(log_id) = log_id.filter(|_| !index.former.is_empty()) {
        headers.entry("log_id".to_owned()).and_modify(|it| it.clone_from(log_id));
    }
    let is_once = headers.len() == record.headers.len();
    headers.remove("replay_id");
    let mut is_as_posted = true;
    if event.erased.is_some() {
        let seq = index.erasures.former_seq(&event.event_id);
        is_as_posted = headers.remove("seq") == seq;
        headers.remove("correlation_id");
    }
    let same_headers = headers == event.headers && is_once && is_as_posted;
    let wrong: Vec<&str> = [
        ("topic", record.topic == topic),
        ("key", record.key == event.key.as_bytes()),
        ("payload", has_payload(record, event, index)),
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

/// Returns whether a record may be of an ERASED event that was lost: the erasure went on with the same
/// id once the store was put back.
fn is_erased_again(event: &Logged, record: &Record) -> bool {
    let is_erased = event.is_of_type("ERASED") && record.header("type") == Some("ERASED");
    is_erased && record.key == event.key.as_bytes()
}

/// Returns whether a record has the payload of its event, or the one that it had before it was erased.
/// An ERASED event without content has a record without a value.
fn has_payload(record: &Record, event: &Logged, index: &Index<'_>) -> bool {
    let payload = event.payload.get();
    if event.erased.is_some() {
        let value = std::str::from_utf8(&record.value).unwrap_or_default();
        return index.erasures.is_former_payload(event, value);
    }
    let is_empty = event.is_of_type("ERASED") && payload == "null";
    record.value == if is_empty { "" } else { payload }.as_bytes()
}

fn name(record: &Record) -> String {
    let (position, key) =
        (record.header("position").unwrap_or("-"), String::from_utf8_lossy(&record.key));
    let Record { topic, partition, offset, .. } = record;
    format!("position {position} of key {key} in {topic}, partition {partition}, offset {offset}")
}
