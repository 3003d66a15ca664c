//! The checker: the acknowledged changes, the log, the topics, the observed `published` and the
//! metrics must agree.
//!
//! It is pure: a `Story` goes in, and named findings come out.

mod admissions;
mod delete_alls;
mod deletes;
mod documents;
mod erased;
mod erasures;
mod filtered;
mod finding;
mod former;
mod groups;
mod handlers;
mod index;
mod log;
mod purges;
mod replays;
mod subscriptions;
mod topics;

use std::collections::HashMap;

pub(crate) use admissions::overlaps;
use deletes::Delete;
pub use finding::{Finding, Kind};
use index::Index;

use crate::evidence::Logged;
use crate::kafka::Record;
use crate::story::Story;

/// Returns all findings of a story.
pub fn check(story: &Story) -> Vec<Finding> {
    let index = Index::new(story);
    let mut findings = log::check(story, &index);
    findings.extend(topics::committed(story, &index));
    findings.extend(topics::uncommitted(story, &index));
    findings.extend(replays::check(story, &index));
    findings.extend(admissions::check(story));
    findings.extend(delete_alls::check(story, &index));
    findings.extend(erasures::check(story, &index));
    findings.extend(documents::check(story, &index));
    findings.extend(purges::check(story));
    findings.extend(subscriptions::check(story, &index));
    findings.extend(handlers::check(story, &index));
    findings.extend(groups::check(story, &index));
    findings.extend(told(story, &index));
    findings.extend(sums(story, &index));
    findings
}

/// Returns all findings of a story without a Kafka, in which groups have read from the listener.
pub fn check_listened(story: &Story) -> Vec<Finding> {
    let index = Index::new(story);
    let mut findings = log::check(story, &index);
    findings.extend(delete_alls::check(story, &index));
    findings.extend(groups::check(story, &index));
    findings.extend(listed(story));
    findings
}

/// Checks that the listener tells of no topic whose events are not kept for its groups.
fn listed(story: &Story) -> Vec<Finding> {
    let Some(entity) = story.rules.unstored else { return Vec::new() };
    let is_unstored = |topic: &&String| topic.ends_with(&format!(".{entity}"));
    let unstored = story.observed.listed.iter().filter(is_unstored);
    unstored.map(|topic| Kind::Phantom.of(format!("a topic that is not stored: {topic}"))).collect()
}

/// Checks that each event that was shown as published has a committed record before the topic's end
/// that was asked for afterwards; a DELETE_ALL that is expanded, that its DELETEs have one.
fn told(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let mut by_id: HashMap<&str, Vec<&Record>> = HashMap::new();
    for record in story.committed.iter().filter(|record| !record.is_replayed()) {
        by_id.entry(record.header("event_id").unwrap_or_default()).or_default().push(record);
    }
    let mut findings = Vec::new();
    for told in &story.observed.told {
        let ids = match index.deletes.of_request(&told.event_id) {
            // Its DELETEs may have been lost and made again.
            Some(_) if !index.former.is_empty() => continue,
            Some(deletes) => {
                let is_unsent = |it: &&Delete<'_>| it.logged.is_some_and(Logged::is_unsent);
                let sent = deletes.iter().filter(|it| !is_unsent(it));
                sent.map(|delete| delete.event_id).collect()
            }
            None => vec![told.event_id.as_str()],
        };
        for id in ids {
            let its = by_id.get(id).map(Vec::as_slice).unwrap_or_default();
            let stands_before = |record: &&Record| {
                let end = usize::try_from(record.partition).ok().and_then(|at| told.ends.get(at));
                end.is_some_and(|end| record.offset < *end)
            };
            if !its.iter().any(stands_before) {
                let places: Vec<_> = its.iter().map(|it| (it.partition, it.offset)).collect();
                findings.push(
                    Kind::Published.of(format!("too early: {told:?}, but {id} is at {places:?}")),
                );
            }
        }
    }
    findings
}

/// Checks that the metrics count the events of the logs, and that all of them are published, but for
/// those that were erased before.
fn sums(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let sums = &story.sums;
    // Events that were removed stay counted; what was lost is not.
    let events = story.logs.values().map(Vec::len).sum::<usize>();
    let events = events + index.removed.len() + index.hidden.len();
    let heads = story.logs.values().filter_map(|log| log.last()).map(|event| event.position);
    let events = if index.former.is_empty() { events as u64 } else { heads.sum() };
    let told = sums.log_events;
    let by_state: u64 = sums.states.values().sum();
    let ended = ["published", "discarded", "superseded"].map(|state| sums.of(state)).iter().sum();
    let unsent = erasures::unsent(story, index);
    if (told, by_state, ended) == (events, events, events) && erasures::adds_up(story, sums, unsent)
    {
        return Vec::new();
    }
    vec![Kind::Sums.of(format!(
        "the logs had {events} events, {unsent:?} of them never sent, /metrics says {sums:?}"
    ))]
}
