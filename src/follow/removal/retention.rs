//! Retention: removes the events of a topic that are older than the log keeps them, or that every
//! sink has, where the topic is not stored.
//!
//! It walks along a topic, from its oldest event on. In a compacted topic it removes only DELETEs:
//! the last event of a key is its state. Where a DELETE_ALL is expanded, the last event of a key
//! that was not deleted stays too. An ERASED event stays as long as an event of its key before it,
//! which it has emptied: who reads the log again parks the key there, and waits for it.

use std::collections::{HashMap, HashSet};

use super::view::LogView;
use super::{Reason, Step, Walk};
use crate::domain::entity::DeleteAllMode;
use crate::domain::event::EventType;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::settings::LogRule;
use crate::domain::time::Time;
use crate::follow::newest::newest;
use crate::follow::store;
use crate::store::LogEntry;

impl LogView<'_> {
    /// Removes the next old events of a topic.
    pub(super) async fn retain(
        &self,
        rule: &LogRule,
        walk: &mut Walk,
        rows: usize,
        now: Time,
    ) -> Result<Step, store::Error> {
        let (retention_ms, reason) = match self.retention_ms(rule) {
            _ if !rule.stored => (0, Reason::NotStored),
            Some(retention_ms) => (retention_ms, Reason::Retention),
            None => return Ok(Step::Rest(None)),
        };
        let topic = &rule.topic;
        let mut before = self.before(topic);
        if rule.compacted {
            // Once a DELETE is gone, nothing may tell of its key but what compaction has left.
            before = before.min(self.floor(topic).compacted_to.next());
        }
        let range = self.range(topic, walk.after, before);
        let entries = self.deps.store.entries(&range, rows).await?;
        let is_old = |it: &LogEntry| !rule.stored || it.time.after(retention_ms) <= now;
        let old = entries.iter().take_while(|entry| is_old(entry)).count();
        let next = entries.get(old).map(|young| young.time.after(retention_ms));
        let old = &entries[..old];
        let Some(last) = old.last() else { return Ok(Step::Rest(next)) };
        let going = self.going(rule, old).await?;
        walk.has_left |= going.len() < old.len();
        if !going.is_empty() && !self.remove(topic, going, Position::START, reason).await? {
            return Ok(Step::Rest(None));
        }
        walk.after = last.position;
        Ok(if next.is_none() && entries.len() >= rows { Step::More } else { Step::Rest(next) })
    }

    /// Returns those of the old events that go.
    async fn going(&self, rule: &LogRule, old: &[LogEntry]) -> Result<Vec<Position>, store::Error> {
        let live = match rule.delete_all {
            DeleteAllMode::Expand => {
                let of = (&self.enabled.tenant, &rule.topic);
                newest(&*self.deps.store, of, old.iter().map(|entry| &entry.key)).await?
            }
            DeleteAllMode::Record => HashMap::new(),
        };
        let is_delete = |it: &LogEntry| {
            let event_type = EventType::from_column(&it.event_type);
            matches!(event_type, EventType::Delete | EventType::DeleteAll | EventType::Erased)
        };
        let is_live = |it: &LogEntry| live.get(&it.key) == Some(&it.position);
        let goes = |it: &LogEntry| {
            !self.is_parked(&rule.topic, it) && (is_delete(it) || !(rule.compacted || is_live(it)))
        };
        let mut staying = self.emptied_before(rule, old).await?;
        let mut going = Vec::new();
        for entry in old {
            if goes(entry) && !(is_erased(entry) && staying.contains(&entry.key)) {
                going.push(entry.position);
            } else {
                staying.insert(entry.key.clone());
            }
        }
        Ok(going)
    }

    /// Returns the keys of those ERASED events that have emptied an event which the log has before
    /// all of `old`.
    async fn emptied_before(
        &self,
        rule: &LogRule,
        old: &[LogEntry],
    ) -> Result<HashSet<Key>, store::Error> {
        let erased: HashSet<_> =
            old.iter().filter(|it| is_erased(it)).map(|it| it.key.clone()).collect();
        let (Some(first), false) = (old.first(), erased.is_empty()) else {
            return Ok(HashSet::new());
        };
        let before = self.range(&rule.topic, Position::START, first.position);
        let keys: Vec<_> = erased.into_iter().collect();
        let emptied = self.deps.store.newest_of_keys(&before, &keys, 1).await?;
        Ok(emptied.into_iter().map(|entry| entry.key).collect())
    }
}

/// Returns whether it is the event by which an erasure is told.
pub(super) fn is_erased(entry: &LogEntry) -> bool {
    EventType::from_column(&entry.event_type) == EventType::Erased
}
