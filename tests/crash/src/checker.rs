//! The checker: the acknowledged changes, the log, the topics, the observed `published` and the
//! metrics must agree.
//!
//! It is pure: a `Story` goes in, and named findings come out.

mod admissions;
mod delete_alls;
mod deletes;
mod documents;
mod finding;
mod index;
mod log;
mod replays;
mod subscriptions;
mod topics;

use std::collections::HashMap;

pub(crate) use admissions::overlaps;
pub use finding::{Finding, Kind};
use index::Index;

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
    findings.extend(documents::check(story, &index));
    findings.extend(subscriptions::check(story, &index));
    findings.extend(told(story, &index));
    findings.extend(sums(story, &index));
    findings
}

/// Checks that each event that was shown as published has a committed record before the topic's end
/// that was asked for afterwards; a DELETE_ALL that is expanded, that its DELETEs have one.
fn told(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let by_position: HashMap<(&str, &str), &Record> = story
        .committed
        .iter()
        .filter(|record| record.header("replay_id").is_none())
        .filter_map(|record| Some(((record.topic.as_str(), record.header("position")?), record)))
        .collect();
    let mut findings = Vec::new();
    for told in &story.observed.told {
        let of_request = index.deletes.of_request(&told.tenant, told.position);
        let positions = of_request.unwrap_or_else(|| vec![told.position]);
        for position in positions {
            let text = position.to_string();
            let record = by_position.get(&(told.topic.as_str(), text.as_str()));
            let end = record.and_then(|it| told.ends.get(usize::try_from(it.partition).ok()?));
            if end.zip(record).is_none_or(|(end, record)| record.offset >= *end) {
                let place = record.map(|record| (record.partition, record.offset));
                findings.push(Kind::Published.of(format!(
                    "too early: {told:?}, but position {position} stands at {place:?}"
                )));
            }
        }
    }
    findings
}

/// Checks that the metrics count the events of the logs, and that all of them are published.
fn sums(story: &Story, index: &Index<'_>) -> Vec<Finding> {
    let sums = &story.sums;
    // Events that were removed stay counted.
    let events = story.logs.values().map(Vec::len).sum::<usize>() + index.removed.len();
    let (events, told) = (events as u64, sums.log_events);
    let by_state: u64 = sums.states.values().sum();
    if (told, by_state, sums.of("published")) == (events, events, events) {
        return Vec::new();
    }
    vec![Kind::Sums.of(format!("the logs had {events} events, /metrics says {sums:?}"))]
}
