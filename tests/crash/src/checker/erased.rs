//! Finds the ERASED events, in the logs and, where they have left these, in the topics; and the
//! events whose content they have taken.

use std::collections::HashMap;

use event_gateway::domain::event::EventId;

use super::deletes::Deletes;
use super::former::Former;
use crate::evidence::{Acknowledged, AskedErasure, Completed, Logged};
use crate::kafka::Record;
use crate::story::Story;

/// An ERASED event.
#[derive(Debug)]
pub(super) struct Erased<'a> {
    pub(super) event_id: &'a str,
    pub(super) tenant: &'a str,
    pub(super) topic: &'a str,
    pub(super) key: &'a str,
    pub(super) position: u64,
    /// As the log has it, unless it has left the log.
    pub(super) logged: Option<&'a Logged>,
}

/// The record of an erasure, and the topic that it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject<'a> {
    pub(super) tenant: &'a str,
    pub(super) topic: String,
    pub(super) key: &'a str,
}

/// The place of an event that may have been erased.
struct Place<'a> {
    topic: String,
    key: &'a str,
    position: u64,
    /// The era in which it was there for certain.
    era: u32,
}

/// The ERASED events of a story.
#[derive(Default)]
pub(super) struct Erasures<'a> {
    /// The records of the erasures, by the ids of their ERASED events.
    subjects: HashMap<String, Subject<'a>>,
    events: Vec<Erased<'a>>,
    /// The position of the last ERASED event of each topic and key.
    last: HashMap<(&'a str, &'a str), u64>,
    changes: HashMap<&'a str, &'a Acknowledged>,
    /// The places of changes and DELETEs, by their ids.
    places: HashMap<&'a str, Place<'a>>,
    /// The observed completions, by topic and key.
    completed: HashMap<(String, &'a str), Vec<&'a Completed>>,
}

/// Returns the id of the ERASED event that an erasure appends to a topic.
pub(super) fn erased_id(erasure: &str, topic: &str) -> String {
    EventId::parse(erasure).map(|id| id.derived(topic).to_string()).unwrap_or_default()
}

impl<'a> Erasures<'a> {
    /// Finds the ERASED events by their ids, which are derived from the erasure's and the topic.
    pub(super) fn new(
        story: &'a Story,
        by_id: &HashMap<&str, (&'a str, &'a Logged)>,
        former: &Former<'a>,
        deletes: &Deletes<'a>,
    ) -> Self {
        let mut all = Self { subjects: subjects(story), ..Self::default() };
        let logged = story.logs.values().flatten().filter(|it| it.is_of_type("ERASED"));
        for it in logged {
            all.find(&it.event_id, &it.topic, &it.key, it.position, Some(it));
        }
        let is_gone = |it: &&Record| {
            it.header("event_id").is_some_and(|id| !by_id.contains_key(id))
                && !it.is_replayed()
                && !former.is_told(it)
        };
        for record in story.committed.iter().filter(is_erased).filter(is_gone) {
            let (id, position) = (record.header("event_id"), record.header("position"));
            let position = position.and_then(|text| text.parse().ok()).unwrap_or_default();
            let key = std::str::from_utf8(&record.key).unwrap_or_default();
            all.find(id.unwrap_or_default(), &record.topic, key, position, None);
        }
        for it in &all.events {
            let last = all.last.entry((it.topic, it.key)).or_default();
            *last = it.position.max(*last);
        }
        for it in &story.observed.acknowledged {
            let topic = story.topic_of(&it.tenant, &it.entity);
            let (key, position, era) = (it.key.as_str(), it.position, it.eras.acknowledged);
            all.changes.insert(&it.event_id, it);
            // It is unknown in which era a request that was given up has appended a change again.
            if former.position(&it.event_id, position) == position {
                all.places.insert(&it.event_id, Place { topic, key, position, era });
            }
        }
        // DELETEs may have been lost and made again.
        for it in deletes.iter().filter(|_| former.is_empty()) {
            let (topic, key, position) = (it.topic.to_owned(), it.key, it.position);
            all.places.insert(it.event_id, Place { topic, key, position, era: 0 });
        }
        for AskedErasure { tenant, entity, key, completed, .. } in &story.observed.asked_erasures {
            let subject = (story.topic_of(tenant, entity), key.as_str());
            all.completed.entry(subject).or_default().extend(completed);
        }
        all
    }

    /// Adds an event, if it is the ERASED event of an erasure.
    fn find(
        &mut self,
        event_id: &'a str,
        topic: &'a str,
        key: &'a str,
        position: u64,
        logged: Option<&'a Logged>,
    ) {
        let Some(subject) = self.subjects.get(event_id) else { return };
        let is_known = self.events.iter().any(|it| it.event_id == event_id);
        if (subject.topic.as_str(), subject.key) == (topic, key) && !is_known {
            let tenant = subject.tenant;
            self.events.push(Erased { event_id, tenant, topic, key, position, logged });
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Erased<'a>> {
        self.events.iter()
    }

    /// Returns the record whose erasure has an ERASED event with that id.
    pub(super) fn subject(&self, event_id: &str) -> Option<&Subject<'a>> {
        self.subjects.get(event_id)
    }

    /// Returns whether the event at a position has lost its content: an ERASED event of its record
    /// follows.
    pub(super) fn is_erased(&self, topic: &str, key: &str, position: u64) -> bool {
        self.last.get(&(topic, key)).is_some_and(|last| position < *last)
    }

    /// Returns whether there is an ERASED event of any record of a topic after a position.
    pub(super) fn any_after(&self, topic: &str, position: u64) -> bool {
        self.events.iter().any(|it| it.topic == topic && it.position > position)
    }

    /// Returns whether a payload may be what an event had before it was erased.
    pub(super) fn is_former_payload(&self, event: &Logged, payload: &str) -> bool {
        match self.changes.get(event.event_id.as_str()) {
            Some(change) => is_payload_of(change, payload),
            None => event.is_of_type("DELETE") && payload.starts_with("{\"old\":"),
        }
    }

    /// Returns the header `seq` that an event was posted with, if it was.
    pub(super) fn former_seq(&self, event_id: &str) -> Option<String> {
        self.changes.get(event_id).map(|change| change.seq.to_string())
    }

    /// Returns the observed completions of erasures that have taken an event's content.
    pub(super) fn completed_of(&self, event_id: &str) -> impl Iterator<Item = &'a Completed> {
        let place = self.places.get(event_id).into_iter();
        place.flat_map(|it| self.completed_at(&it.topic, it.key, it.position, it.era))
    }

    /// Returns those that have taken the content of the event at a position, which was there in an
    /// era for certain: after the store was put back, a position may be another event's.
    pub(super) fn completed_at(
        &self,
        topic: &str,
        key: &'a str,
        position: u64,
        era: u32,
    ) -> impl Iterator<Item = &'a Completed> + use<'a> {
        let its = self.completed.get(&(topic.to_owned(), key)).cloned().unwrap_or_default();
        its.into_iter().filter(move |it| position < it.position && era <= it.era)
    }
}

/// Returns the records that were to be erased, by the ids of their ERASED events. An erasure that was
/// lost may have left its ERASED event in Kafka.
fn subjects(story: &Story) -> HashMap<String, Subject<'_>> {
    let listed = story.observed.erasures.iter().map(|it| (&it.id, &it.tenant, &it.name, &it.key));
    let asked = story.observed.asked_erasures.iter();
    let asked = asked.map(|it| (&it.id, &it.tenant, &it.entity, &it.key));
    let all = listed.chain(asked).map(|(id, tenant, entity, key)| {
        let topic = story.topic_of(tenant, entity);
        (erased_id(id, &topic), Subject { tenant, topic, key })
    });
    all.collect()
}

/// Returns whether a record is that of an ERASED event.
pub(super) fn is_erased(record: &&Record) -> bool {
    record.header("type") == Some("ERASED")
}

/// Returns whether a payload is the wire form of exactly the states that were posted.
pub(super) fn is_payload_of(change: &Acknowledged, payload: &str) -> bool {
    let state = |name: &str, state: &Option<String>| {
        state.as_ref().map(|s| format!("\"{name}\":{s},")).unwrap_or_default()
    };
    let event_type = match (&change.old, &change.new) {
        (None, _) => "CREATE",
        (_, None) => "DELETE",
        _ => "UPDATE",
    };
    let states = state("old", &change.old) + &state("new", &change.new);
    let start =
        format!("{{{states}\"type\":\"{event_type}\",\"tenant\":\"{}\",\"ts\":\"", change.tenant);
    let ts = payload.strip_prefix(&start).and_then(|rest| rest.strip_suffix("\"}"));
    ts.is_some_and(|ts| ts.len() == 13 && ts.bytes().all(|b| b.is_ascii_digit()))
}
