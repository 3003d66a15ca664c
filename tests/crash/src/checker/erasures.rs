//! Compares erasures with the logs and the topics: each is complete, the events before its ERASED
//! event are empty and no others are, and nothing of the record is sent afterwards.

use std::collections::{HashMap, HashSet};

use super::erased::{Erased, Subject, erased_id, is_erased};
use super::{Finding, Index, Kind};
use crate::evidence::{Erasure, Logged};
use crate::kafka::Record;
use crate::story::{Story, Sums};

/// The headers of an event that has lost those that were posted with it.
const GATEWAY_HEADERS: [&str; 7] =
    ["x-okapi-tenant", "folio.tenantId", "type", "event_id", "log_id", "position", "epoch"];

/// Finds the defects of erasures.
pub(super) fn check(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let mut findings = requests(story, index);
    for erasure in &story.observed.erasures {
        findings.extend(of_erasure(story, index, erasure));
    }
    for it in index.erasures.iter() {
        findings.extend(
            it.logged.filter(|logged| !is_right(story, logged)).map(|logged| {
                Kind::Bytes.of(format!("{}'s ERASED event is {logged:?}", it.tenant))
            }),
        );
    }
    findings.extend(contents(story, index));
    findings.extend(sent_afterwards(story, index));
    findings.extend(restored(story, index));
    findings
}

/// Compares the erasures with the requests: each request is known, unless it may be lost, and each
/// erasure was asked for, by a module or by a restore.
fn requests(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let observed = &story.observed;
    let known: HashMap<_, _> =
        observed.erasures.iter().map(|it| (it.id.as_str(), it.position)).collect();
    let mut findings = Vec::new();
    let mut asked: HashMap<(&str, &str, &str), usize> = HashMap::new();
    for it in &observed.asked_erasures {
        *asked.entry((&it.tenant, &it.entity, &it.key)).or_default() += it.posts;
        let may_be_lost = observed.put_backs.iter().any(|put_back| put_back.may_lose(it.eras));
        let position = match known.get(it.id.as_str()) {
            None if may_be_lost => continue,
            None => {
                findings.push(Kind::Lost.of(format!("it is not among the erasures: {it:?}")));
                continue;
            }
            Some(position) => position.unwrap_or(u64::MAX),
        };
        // What was seen after the backup may be lost.
        let era = it.eras.first_sent;
        let is_lasting = !observed.put_backs.iter().any(|it| [it.era, it.era + 1].contains(&era));
        if position <= it.seen && is_lasting {
            let text = format!("its ERASED event at {position} leaves what was there: {it:?}");
            findings.push(Kind::Erasure.of(text));
        }
    }
    let told = observed.put_backs.iter().flat_map(|it| &it.restored);
    let told = told.flat_map(|it| &it.only_in_kafka).map(|it| it.event_id.as_str());
    let told: HashSet<_> = told.collect();
    for it in &observed.erasures {
        // A restore names an erasure after the ERASED event that the log lacks.
        let again = index.erasures.subject(&it.id).filter(|_| told.contains(it.id.as_str()));
        if again.is_some_and(|subject| *subject == subject_of(story, it)) {
            continue;
        }
        match asked.get_mut(&(it.tenant.as_str(), it.name.as_str(), it.key.as_str())) {
            Some(left) if *left > 0 => *left -= 1,
            _ => findings.push(Kind::Phantom.of(format!("nobody asked for it: {it:?}"))),
        }
    }
    findings
}

fn subject_of<'a>(story: &Story, Erasure { tenant, name, key, .. }: &'a Erasure) -> Subject<'a> {
    Subject { tenant, topic: story.topic_of(tenant, name), key }
}

/// Checks that an erasure is complete, and has its ERASED event where it says.
fn of_erasure(story: &Story, index: &Index<'_>, erasure: &Erasure) -> Option<Finding> {
    if !erasure.is_complete() {
        return Some(Kind::Erasure.of(format!("it is never complete: {erasure:?}")));
    }
    let id = erased_id(&erasure.id, &story.topic_of(&erasure.tenant, &erasure.name));
    let Some(event) = index.erasures.iter().find(|it| it.event_id == id) else {
        return Some(Kind::Lost.of(format!("there is no ERASED event of {erasure:?}")));
    };
    (erasure.position != Some(event.position)).then(|| {
        Kind::Receipt.of(format!("its ERASED event is at {}: {erasure:?}", event.position))
    })
}

/// Returns whether an ERASED event is what it should be.
fn is_right(story: &Story, event: &Logged) -> bool {
    let entity = event.topic.rsplit('.').next();
    let tenant = event.headers.get("x-okapi-tenant").map(String::as_str).unwrap_or_default();
    let payload = if story.rules.compacted == entity {
        "null".to_owned()
    } else {
        format!("{{\"type\":\"ERASED\",\"tenant\":\"{tenant}\"}}")
    };
    event.payload.get() == payload && event.erased.is_none()
}

/// Finds events that still have content before the ERASED event of their record, and those that
/// have lost it though none follows.
fn contents(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let live = live(story);
    let mut findings = Vec::new();
    let mut find = |what: &str, event: &Logged| {
        findings.push(Kind::Erasure.of(format!("{what}: {event:?}")));
    };
    let of_records = |it: &&Logged| !it.is_of_type("ERASED");
    for event in story.logs.values().flatten().filter(of_records) {
        let is_erased = index.is_erased(&event.topic, &event.key, event.position);
        match (&event.erased, is_erased) {
            (None, false) => {}
            (None, true) => find("it was erased, and is not empty", event),
            (Some(_), false) => find("no erasure has emptied it", event),
            (Some(_), true) => {
                let of_gateway = |name: &String| GATEWAY_HEADERS.contains(&name.as_str());
                if event.payload.get() != "null" || !event.headers.keys().all(of_gateway) {
                    find("it is not empty", event);
                }
                // After a restore, what was sent before may count as never sent.
                let is_live = live.contains(event.event_id.as_str());
                if event.is_unsent() && is_live && index.former.is_empty() {
                    find("it was sent, and counts as discarded", event);
                }
            }
        }
    }
    findings
}

/// Finds records of events that were sent though their erasure was complete before.
fn sent_afterwards(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, records) in [("committed", &story.committed), ("uncommitted", &story.uncommitted)] {
        for record in records {
            let id = record.header("event_id").unwrap_or_default();
            let mut completed = index.erasures.completed_of(id);
            let end = |ends: &Vec<i64>| ends.get(usize::try_from(record.partition).ok()?).copied();
            let is_after = completed.any(|it| {
                let end = it.ends.get(&record.topic).and_then(end);
                record.offset >= end.unwrap_or_default()
            });
            if is_after {
                findings.push(Kind::Erasure.of(format!("{name}, and erased before: {record:?}")));
            }
        }
    }
    findings
}

/// Checks that what Kafka has as erased and a log lacked was erased again by the restore.
fn restored(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let erased = story.committed.iter().filter(is_erased);
    let erased: HashMap<_, _> =
        erased.map(|it| ((it.topic.as_str(), it.partition, it.offset), it)).collect();
    for restored in story.observed.put_backs.iter().flat_map(|it| &it.restored) {
        for it in &restored.only_in_kafka {
            let place = (it.topic.as_str(), it.partition, it.offset);
            let Some(Record { key, .. }) = erased.get(&place) else { continue };
            let is_again = |it: &&Erased<'_>| {
                (it.topic, it.key.as_bytes()) == (place.0, key) && it.position > restored.common
            };
            if !index.erasures.iter().any(|it| is_again(&it)) {
                findings.push(Kind::Erasure.of(format!("it was not erased again: {it:?}")));
            }
        }
    }
    findings
}

/// Returns the ids of the events that were sent, but for replays.
fn live(story: &Story) -> HashSet<&str> {
    let live = story.committed.iter().filter(|it| !it.is_replayed());
    live.filter_map(|record| record.header("event_id")).collect()
}

/// Returns the least and the most events of the logs that are not published, and never will be.
pub(super) fn unsent(story: &Story, index: &Index<'_>) -> (u64, u64) {
    let live = live(story);
    let logged = story.logs.values().flatten().filter(|it| it.is_unsent()).count();
    let removed = index.removed.iter();
    let removed = removed
        .filter(|(_, it)| it.is_sent && index.is_erased(&it.topic, it.key, it.position))
        .map(|(id, _)| *id);
    let (sent, unsent): (Vec<_>, Vec<_>) = removed.partition(|id| live.contains(id));
    let least = (logged + unsent.len() + index.hidden.len()) as u64;
    // After a restore, what was sent before may count as never sent.
    let again = if index.former.is_empty() { 0 } else { sent.len() as u64 };
    (least, least + again)
}

/// Returns whether the metrics count the events that are not published, which are so many: those
/// before a DELETE_ALL are superseded by it, and the others discarded.
pub(super) fn adds_up(story: &Story, sums: &Sums, (least, most): (u64, u64)) -> bool {
    let (discarded, superseded) = (sums.of("discarded"), sums.of("superseded"));
    let delete_alls = || story.committed.iter().any(|it| it.header("type") == Some("DELETE_ALL"));
    (least..=most).contains(&(discarded + superseded)) && (superseded == 0 || delete_alls())
}
