//! Compares the runs of replays with the logs: each event once, in order, and none left out.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::topics::{Event, differences};
use super::{Finding, Index, Kind};
use crate::evidence::{Logged, Replayed};
use crate::kafka::Record;
use crate::story::Story;

/// Finds the defects of the runs.
pub(super) fn check(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let mut runs: HashMap<&str, Vec<&Record>> = HashMap::new();
    for record in &story.committed {
        if let Some(id) = record.header("replay_id") {
            runs.entry(id).or_default().push(record);
        }
    }
    let mut findings = undone(story, index);
    for replay in &story.observed.replayed {
        let records = runs.remove(replay.id.as_str()).unwrap_or_default();
        findings.extend(of_run(story, index, replay, &records));
    }
    let unknown = runs.into_iter().map(|(id, records)| {
        Kind::Phantom
            .of(format!("{} records of a replay {id} that nobody asked for", records.len()))
    });
    findings.extend(unknown);
    findings
}

fn of_run(
    story: &Story,
    index: &Index<'_>,
    replay: &Replayed,
    records: &[&Record],
) -> Vec<Finding> {
    let (mut findings, mut sent) = (Vec::new(), BTreeSet::new());
    let mut last: HashMap<(&str, &[u8]), u64> = HashMap::new();
    let name = |record: &Record| {
        let position = record.header("position").unwrap_or("-");
        format!("replay {}, position {position} in {}", replay.id, record.topic)
    };
    for record in records {
        let Some(event) = Event::of(record, index) else {
            findings.push(Kind::Phantom.of(format!("not in the log: {record:?}")));
            continue;
        };
        if event.tenant != replay.tenant {
            findings.push(Kind::Tenant.of(format!("{}'s: {}", event.tenant, name(record))));
        }
        if !sent.insert(event.position) {
            findings.push(Kind::Duplicate.of(name(record)));
        }
        let place = (record.topic.as_str(), record.key.as_slice());
        let before = last.insert(place, event.position).unwrap_or_default();
        if before > event.position {
            findings.push(Kind::Reordered.of(format!("{before}, then {}", name(record))));
        }
        findings.extend(event.logged.and_then(|logged| {
            differences(logged, record, replay.target.as_deref().unwrap_or(&logged.topic), index)
        }));
    }
    if sent.len() as u64 != replay.messages_published {
        let (told, seen) = (replay.messages_published, sent.len());
        findings
            .push(Kind::Sums.of(format!("replay {} tells {told}, not {seen} events", replay.id)));
    }
    findings.extend(left_out(story, replay, &sent));
    findings
}

/// Finds records that stand after a DELETE_ALL that they should stand before: in its partition, or
/// that a replay has sent.
fn undone(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut last: HashMap<(&str, i32, Option<&str>), u64> = HashMap::new();
    // Another topic may have the events of several.
    let replayed = story.observed.replayed.iter();
    let targets: HashSet<_> = replayed.filter_map(|it| it.target.as_deref()).collect();
    let of_own = |it: &&Record| !targets.contains(it.topic.as_str()) && !index.former.is_told(it);
    for record in story.committed.iter().filter(of_own) {
        let Some(position) = record.header("position").and_then(|text| text.parse::<u64>().ok())
        else {
            continue;
        };
        let last = last
            .entry((record.topic.as_str(), record.partition, record.header("log_id")))
            .or_default();
        if record.header("type") == Some("DELETE_ALL") {
            *last = position.max(*last);
        } else if position < *last {
            findings.push(Kind::Stale.of(format!(
                "position {position} in {} stands after the DELETE_ALL at {last}",
                record.topic
            )));
        }
    }
    findings
}

/// Finds the events that a run should have sent: all that its plan matches, or, if it ended early
/// and went to its own topics, the later ones of each key that it has sent.
fn left_out(story: &Story, replay: &Replayed, sent: &BTreeSet<u64>) -> Vec<Finding> {
    let is_own = replay.target.is_none();
    // A replay to its own topics begins after the last DELETE_ALL that it finds published, and sends
    // none itself.
    let mut begins: HashMap<&str, u64> = HashMap::new();
    let delete_alls = story.logs.get(&replay.tenant).into_iter().flatten();
    for it in delete_alls.filter(|it| is_own && it.is_of_type("DELETE_ALL")) {
        if it.position <= replay.position {
            begins.insert(&it.topic, it.position);
        }
    }
    let matches = |event: &&Logged| {
        event.is_sent()
            && begins.get(event.topic.as_str()).is_none_or(|begin| event.position > *begin)
            && replay.topics.contains(&event.topic)
            && (replay.keys.is_empty() || replay.keys.contains(&event.key))
            && event.position > replay.after
            && event.position <= replay.until.unwrap_or(replay.position)
    };
    let wanted = story.logs.get(&replay.tenant).into_iter().flatten().filter(matches);
    let mut first: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut findings = Vec::new();
    for event in wanted {
        let is_sent = sent.contains(&event.position);
        let key = (event.topic.as_str(), event.key.as_str());
        if is_sent {
            first.entry(key).or_insert(event.position);
        }
        let is_missing = match replay.status.as_str() {
            // It may have been erased before the replay came to it.
            _ if is_sent || event.erased.is_some() => false,
            "Completed" => true,
            _ => replay.target.is_none() && first.contains_key(&key),
        };
        if is_missing {
            let Replayed { id, status, .. } = replay;
            let place = format!("position {} of {}", event.position, event.topic);
            findings.push(Kind::Lost.of(format!("{status} replay {id} has not sent {place}")));
        }
    }
    findings
}
