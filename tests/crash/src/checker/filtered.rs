//! The events that match a group's filter, to which what the group got is compared.

use std::collections::{BTreeMap, HashMap};

use super::index::NO_KEY;
use super::{Index, Kind};
use crate::evidence::{Delivered, Logged};
use crate::story::Story;

/// An event that matches the filter of a group.
pub(super) struct Matching<'a> {
    pub(super) event_id: &'a str,
    topic: &'a str,
    key: &'a str,
    /// As the log has it, unless it has left the log.
    logged: Option<&'a Logged>,
    /// Whether it may have left the log before it was read: a later event has replaced it.
    pub(super) is_replaced: bool,
}

/// The events of a tenant's log that match a group's filter, by position.
pub(super) struct Filtered<'a> {
    index: &'a Index<'a>,
    tenant: &'a str,
    topics: &'a [String],
    pub(super) events: BTreeMap<u64, Matching<'a>>,
}

/// The order of a group's events: which of them must be decided on before another one comes.
pub(super) struct Order<'a> {
    /// The positions of each topic and key.
    keys: HashMap<(&'a str, &'a str), Vec<u64>>,
    /// The positions of the DELETE_ALLs of each topic.
    wholes: HashMap<&'a str, Vec<u64>>,
}

impl Matching<'_> {
    /// Returns whether it concerns every key of its topic.
    fn is_whole(&self) -> bool {
        self.logged.map_or(self.key == NO_KEY, |logged| logged.is_of_type("DELETE_ALL"))
    }
}

impl<'a> Filtered<'a> {
    pub(super) fn new(
        story: &'a Story,
        index: &'a Index<'a>,
        tenant: &'a str,
        topics: &'a [String],
    ) -> Self {
        let is_of = |topic: &str| topics.iter().any(|it| it == topic);
        let log = story.logs.get(tenant).into_iter().flatten();
        let logged = log.filter(|it| is_of(&it.topic)).filter(|it| it.is_sent()).map(|event| {
            let Logged { event_id, topic, key, .. } = event;
            let logged = Some(event);
            (event.position, Matching { event_id, topic, key, logged, is_replaced: false })
        });
        let mut events: BTreeMap<_, _> = logged.collect();
        let removed = index.removed.iter();
        let removed =
            removed.filter(|(_, it)| it.tenant == tenant && is_of(&it.topic) && it.is_sent);
        for (event_id, event) in removed {
            let (topic, key) = (event.topic.as_str(), event.key);
            let compacted = story.rules.compacted;
            let is_replaced =
                compacted.is_some_and(|entity| topic.ends_with(&format!(".{entity}")));
            let matching = Matching { event_id, topic, key, logged: None, is_replaced };
            events.insert(event.position, matching);
        }
        Self { index, tenant, topics, events }
    }

    /// Returns the position up to which the log has what it had before the store was put back for a
    /// time, given the number of the times before that.
    pub(super) fn lasting(&self, put_backs: usize) -> u64 {
        self.index.former.lasting(self.tenant, put_backs)
    }

    /// Returns the order of those that have not been replaced.
    pub(super) fn order(&self) -> Order<'a> {
        let mut order = Order { keys: HashMap::new(), wholes: HashMap::new() };
        for (position, event) in self.events.iter().filter(|(_, event)| !event.is_replaced) {
            order.keys.entry((event.topic, event.key)).or_default().push(*position);
            if event.is_whole() {
                order.wholes.entry(event.topic).or_default().push(*position);
            }
        }
        order
    }

    /// Compares an event that was delivered with what the log has at its position.
    pub(super) fn compare(&self, event: &Delivered, put_backs: usize) -> Option<(Kind, String)> {
        let Delivered { position, event_id, key, payload } = event;
        let former = |topic: &String| self.index.may_be_former(topic, key, event_id);
        match self.events.get(position) {
            Some(matching) if matching.event_id == event_id => {
                let may_have = |logged: &Logged| self.may_have(logged, payload, put_backs);
                let is_other = matching.logged.is_some_and(|logged| !may_have(logged));
                is_other.then(|| (Kind::Bytes, format!("position {position}: {payload}")))
            }
            _ if self.topics.iter().any(former) || self.is_lost_erasure(event) => None,
            _ if self.topic_of_erased_delete(event).is_some() => None,
            _ => Some((Kind::Phantom, format!("no event of its filter: {event:?}"))),
        }
    }

    /// Returns whether it may be the ERASED event of an erasure whose row was lost, and with it what
    /// the event's id is derived from.
    fn is_lost_erasure(&self, event: &Delivered) -> bool {
        let is_known = self.index.by_id.contains_key(event.event_id.as_str());
        let is_erased = event.payload.starts_with(r#"{"type":"ERASED""#);
        is_erased && !is_known && !self.index.former.is_empty()
    }

    /// Returns the topic of an expanded DELETE_ALL whose DELETE an event is, if that has been erased
    /// since. Such a DELETE may be in neither the log nor the topic any more, whether it was
    /// delivered with its content or without.
    pub(super) fn topic_of_erased_delete(&self, event: &Delivered) -> Option<&'a String> {
        let Delivered { position, event_id, key, payload } = event;
        let (deletes, erasures) = (&self.index.deletes, &self.index.erasures);
        let is_its = |topic: &&String| {
            deletes.is_delete(topic, key, event_id) && erasures.is_erased(topic, key, *position)
        };
        let is_payload = payload == "null" || payload.starts_with(r#"{"old":"#);
        self.topics.iter().find(|topic| is_payload && is_its(topic))
    }

    /// Returns whether an event may have been delivered with a payload: it may have been erased since.
    fn may_have(&self, event: &Logged, payload: &str, put_backs: usize) -> bool {
        let is_former = || self.index.erasures.is_former_payload(event, payload);
        event.payload.get() == payload
            || event.erased.is_some() && is_former()
            || self.is_posted_again(event, payload, put_backs)
    }

    /// Returns whether what was delivered may have been lost since, with the store that was put
    /// back, and posted again: then it has the same content at another time.
    fn is_posted_again(&self, event: &Logged, payload: &str, put_backs: usize) -> bool {
        let is_same = || without_time(event.payload.get()) == without_time(payload);
        event.position > self.lasting(put_backs) && is_same()
    }
}

impl Order<'_> {
    /// Returns the last events before one that must be decided on before it comes: those of its key,
    /// or of all keys if it is a DELETE_ALL, and the last DELETE_ALL.
    pub(super) fn before(&self, position: u64, event: &Matching<'_>) -> Vec<u64> {
        let last = |positions: &Vec<u64>| {
            let end = positions.partition_point(|it| *it < position);
            positions[..end].last().copied()
        };
        let whole = self.wholes.get(event.topic).and_then(last);
        if event.is_whole() {
            let of_topic = self.keys.iter().filter(|((topic, _), _)| *topic == event.topic);
            return of_topic.filter_map(|(_, positions)| last(positions)).chain(whole).collect();
        }
        let key = self.keys.get(&(event.topic, event.key)).and_then(last);
        key.into_iter().chain(whole).collect()
    }
}

/// Returns a payload up to its time, which is the last member.
fn without_time(payload: &str) -> &str {
    payload.rfind(r#","ts":"#).map_or(payload, |at| &payload[..at])
}
