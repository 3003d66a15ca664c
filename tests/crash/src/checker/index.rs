//! The indexes into a story: its events by id, also those that have left the logs, as they may.

use std::collections::{HashMap, HashSet};

use super::deletes::Deletes;
use super::erased::Erasures;
use super::former::Former;
use crate::evidence::Logged;
use crate::story::{Rules, Story};

/// The indexes.
pub(super) struct Index<'a> {
    /// Each event of the logs, and its tenant.
    pub(super) by_id: HashMap<&'a str, (&'a str, &'a Logged)>,
    /// The events that have left the logs, as they may.
    pub(super) removed: HashMap<&'a str, Removed<'a>>,
    /// The DELETEs that DELETE_ALLs were expanded to.
    pub(super) deletes: Deletes<'a>,
    /// The ERASED events, and what they have taken.
    pub(super) erasures: Erasures<'a>,
    /// The positions that may be those of DELETEs which were erased before they were sent, and have
    /// left the log: nothing tells of them. So are those of ERASED events that nobody was given.
    pub(super) hidden: HashSet<(&'a str, u64)>,
    /// The events that the logs have lost.
    pub(super) former: Former<'a>,
    /// The beginning of each tenant's topics.
    prefixes: Vec<(&'a str, String)>,
}

/// An event that has left the log.
#[derive(Debug, Clone)]
pub(super) struct Removed<'a> {
    pub(super) tenant: &'a str,
    pub(super) topic: String,
    pub(super) key: &'a str,
    pub(super) position: u64,
    /// Whether it has a record in its topic.
    pub(super) is_sent: bool,
}

/// The key of a DELETE_ALL.
pub(super) const NO_KEY: &str = "00000000-0000-0000-0000-000000000000";

impl<'a> Index<'a> {
    pub(super) fn new(story: &'a Story) -> Self {
        let events = story
            .logs
            .iter()
            .flat_map(|(tenant, log)| log.iter().map(move |e| (tenant.as_str(), e)));
        let by_id: HashMap<_, _> =
            events.map(|(tenant, event)| (event.event_id.as_str(), (tenant, event))).collect();
        let former = Former::new(story, &by_id);
        let deletes = Deletes::new(story, &by_id, &former);
        let erasures = Erasures::new(story, &by_id, &former, &deletes);
        let mut known = known(story, &deletes, &erasures);
        known.retain(|(id, _)| !former.has_lost(id));
        for (id, event) in &mut known {
            event.position = former.position(id, event.position);
        }
        let mut newest: HashMap<(&str, &str), u64> = HashMap::new();
        for (_, event) in &known {
            let newest = newest.entry((&event.topic, event.key)).or_default();
            *newest = event.position.max(*newest);
        }
        let is_of = |topic: &str, entity: Option<&str>| {
            entity.is_some_and(|entity| topic.ends_with(&format!(".{entity}")))
        };
        let may_go = |event: &Removed<'_>| {
            let is_replaced = newest[&(event.topic.as_str(), event.key)] > event.position;
            is_of(&event.topic, story.rules.expiring)
                || is_of(&event.topic, story.rules.unstored)
                || is_of(&event.topic, story.rules.compacted) && is_replaced
        };
        let gone = known.iter().filter(|(id, event)| !by_id.contains_key(id) && may_go(event));
        let removed: HashMap<_, _> = gone.cloned().collect();
        let prefix = |tenant: &'a String| (tenant.as_str(), format!("{}.{tenant}.", story.env));
        let prefixes = story.logs.keys().map(prefix).collect();
        let hidden = HashSet::new();
        let mut index = Self { by_id, removed, deletes, erasures, hidden, former, prefixes };
        index.hidden = hidden_deletes(story, &index);
        index.hidden.extend(hidden_erased(story, &index));
        index
    }

    /// Returns whether an event has lost its content, as far as it ever had any.
    pub(super) fn is_erased(&self, topic: &str, key: &str, position: u64) -> bool {
        self.erasures.is_erased(topic, key, position)
    }

    /// Returns whether an event may be one that a log has lost, or has had before a loss.
    pub(super) fn may_be_former(&self, topic: &str, key: &str, event_id: &str) -> bool {
        !self.former.is_empty()
            && (self.former.may_have(event_id) || self.deletes.is_delete(topic, key, event_id))
    }

    /// Returns the tenant that a topic belongs to.
    pub(super) fn tenant_of(&self, topic: &str) -> Option<&'a str> {
        self.prefixes
            .iter()
            .find(|(_, prefix)| topic.starts_with(prefix))
            .map(|(tenant, _)| *tenant)
    }
}

/// Returns all events that were ever appended, as far as they are known, by their ids.
fn known<'a>(
    story: &'a Story,
    deletes: &Deletes<'a>,
    erasures: &Erasures<'a>,
) -> Vec<(&'a str, Removed<'a>)> {
    let topic = |tenant: &str, entity: &str| story.topic_of(tenant, entity);
    let changes = story.observed.acknowledged.iter().map(|it| {
        let (tenant, key, topic) =
            (it.tenant.as_str(), it.key.as_str(), topic(&it.tenant, &it.entity));
        let event = Removed { tenant, topic, key, position: it.position, is_sent: true };
        (it.event_id.as_str(), event)
    });
    let delete_alls = story.observed.delete_alls.iter().map(|it| {
        let (tenant, topic) = (it.tenant.as_str(), topic(&it.tenant, &it.entity));
        let is_sent = story.rules.expanded != Some(it.entity.as_str());
        let event = Removed { tenant, topic, key: NO_KEY, position: it.position, is_sent };
        (it.event_id.as_str(), event)
    });
    let deletes = deletes.iter().map(|it| {
        let (tenant, topic) = (it.request.tenant.as_str(), it.topic.to_owned());
        let event = Removed { tenant, topic, key: it.key, position: it.position, is_sent: true };
        (it.event_id, event)
    });
    let erased = erasures.iter().map(|it| {
        let (tenant, topic) = (it.tenant, it.topic.to_owned());
        let event = Removed { tenant, topic, key: it.key, position: it.position, is_sent: true };
        (it.event_id, event)
    });
    changes.chain(delete_alls).chain(deletes).chain(erased).collect()
}

/// Returns the positions that no known event has, where a DELETE may have been appended, erased
/// before it was sent, and removed since the ERASED event replaces it.
fn hidden_deletes<'a>(story: &'a Story, index: &Index<'a>) -> HashSet<(&'a str, u64)> {
    let mut hidden = HashSet::new();
    let Some(entity) = story.rules.expanded.filter(|it| story.rules.compacted == Some(*it)) else {
        return hidden;
    };
    for (tenant, log) in &story.logs {
        let topic = story.topic_of(tenant, entity);
        let its = index.deletes.requests().filter(|it| it.posted.tenant == *tenant);
        let Some(first) = its.map(|it| it.posted.position).min() else { continue };
        let removed = index.removed.values().filter(|event| event.tenant == tenant);
        let removed = removed.map(|event| event.position);
        let there: HashSet<_> = removed.chain(log.iter().map(|event| event.position)).collect();
        let last = log.last().map_or(0, |event| event.position);
        let is_hidden = |position: &u64| {
            !there.contains(position)
                && !index.former.may_lack(tenant, *position)
                && index.erasures.any_after(&topic, *position)
        };
        hidden.extend((first..last).filter(is_hidden).map(|it| (tenant.as_str(), it)));
    }
    hidden
}

/// Returns the positions of ERASED events that have left the log, as they may, before anybody was
/// given them: those of an entity that is not stored, and, where groups read from the listener, those
/// that were erased themselves before a group came.
fn hidden_erased<'a>(story: &'a Story, index: &Index<'a>) -> HashSet<(&'a str, u64)> {
    let there = index.by_id.values().map(|(tenant, event)| (*tenant, event.position));
    let removed = index.removed.values().map(|event| (event.tenant, event.position));
    let known: HashSet<_> = there.chain(removed).collect();
    let is_listened = !story.observed.groups.is_empty();
    let may_go = |name: &str| {
        let of = |entity: Option<&str>| entity == Some(name);
        let Rules { compacted, expiring, unstored, .. } = story.rules;
        of(unstored) || is_listened && (of(compacted) || of(expiring))
    };
    let its = story.observed.erasures.iter().filter(|it| may_go(&it.name));
    let places = its.filter_map(|it| Some((it.tenant.as_str(), it.position?)));
    places.filter(|place| !known.contains(place)).collect()
}
