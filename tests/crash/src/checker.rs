//! The checker: the acknowledged changes, the log, the topics, the observed `published` and the
//! metrics must agree.
//!
//! It is pure: a `Story` goes in, and named findings come out.

mod finding;
mod log;
mod replays;
mod topics;

use std::collections::HashMap;

pub use finding::{Finding, Kind};

use crate::evidence::{Acknowledged, Logged};
use crate::kafka::Record;
use crate::story::Story;

/// Returns all findings of a story.
pub fn check(story: &Story) -> Vec<Finding> {
    let index = Index::new(story);
    let mut findings = log::check(story, &index);
    findings.extend(topics::committed(story, &index));
    findings.extend(topics::uncommitted(story, &index));
    findings.extend(replays::check(story, &index));
    findings.extend(told(story));
    findings.extend(sums(story, &index));
    findings
}

/// The indexes into a story.
struct Index<'a> {
    /// Each event of the logs, and its tenant.
    by_id: HashMap<&'a str, (&'a str, &'a Logged)>,
    /// The changes whose events have left the logs, as they may.
    removed: HashMap<&'a str, &'a Acknowledged>,
    /// The beginning of each tenant's topics.
    prefixes: Vec<(&'a str, String)>,
}

impl<'a> Index<'a> {
    fn new(story: &'a Story) -> Self {
        let mut newest: HashMap<_, u64> = HashMap::new();
        for change in &story.acknowledged {
            let newest = newest.entry(key_of(change)).or_default();
            *newest = change.position.max(*newest);
        }
        let events = story
            .logs
            .iter()
            .flat_map(|(tenant, log)| log.iter().map(move |e| (tenant.as_str(), e)));
        let by_id: HashMap<_, _> =
            events.map(|(tenant, event)| (event.event_id.as_str(), (tenant, event))).collect();
        let may_go = |change: &Acknowledged| {
            let entity = Some(change.entity.as_str());
            let is_replaced = newest[&key_of(change)] > change.position;
            entity == story.rules.expiring || entity == story.rules.compacted && is_replaced
        };
        let gone = story.acknowledged.iter().filter(|it| !by_id.contains_key(it.event_id.as_str()));
        let removed = gone.filter(|it| may_go(it)).map(|it| (it.event_id.as_str(), it)).collect();
        let prefix = |tenant: &'a String| (tenant.as_str(), format!("{}.{tenant}.", story.env));
        Self { by_id, removed, prefixes: story.logs.keys().map(prefix).collect() }
    }

    /// Returns the tenant that a topic belongs to.
    fn tenant_of(&self, topic: &str) -> Option<&'a str> {
        self.prefixes
            .iter()
            .find(|(_, prefix)| topic.starts_with(prefix))
            .map(|(tenant, _)| *tenant)
    }
}

/// The record that a change is of.
fn key_of(change: &Acknowledged) -> (&str, &str, &str) {
    (&change.tenant, &change.entity, &change.key)
}

/// Checks that each event that was shown as published has a committed record before the topic's end
/// that was asked for afterwards.
fn told(story: &Story) -> Vec<Finding> {
    let place = |record: &Record| (record.partition, record.offset);
    let by_position: HashMap<(&str, &str), (i32, i64)> = story
        .committed
        .iter()
        .filter(|record| record.header("replay_id").is_none())
        .filter_map(|record| {
            Some(((record.topic.as_str(), record.header("position")?), place(record)))
        })
        .collect();
    let mut findings = Vec::new();
    for told in &story.told {
        let position = told.position.to_string();
        let place = by_position.get(&(told.topic.as_str(), position.as_str()));
        let end = place.and_then(|(partition, _)| told.ends.get(usize::try_from(*partition).ok()?));
        if end.zip(place).is_none_or(|(end, (_, offset))| offset >= end) {
            findings.push(
                Kind::Published.of(format!("too early: {told:?}, but it stands at {place:?}")),
            );
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
