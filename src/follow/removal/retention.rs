//! Retention: removes the events of a topic that are older than the log keeps them, or that every
//! sink has, where the topic is not stored.
//!
//! It walks along a topic, from its oldest event on. In a compacted topic it removes only DELETEs:
//! the last event of a key is its state. Where a DELETE_ALL is expanded, the last event of a key
//! that was not deleted stays too. An event stays as long as an event of its key before it, and a
//! DELETE_ALL as long as any: who reads the log again, or a replay, would take the earlier one for
//! the record's state, or park the key of one that is empty, and wait for the ERASED event.

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
        if !going.is_empty() && !self.remove(topic, &going, Position::START, reason).await? {
            return Ok(Step::Rest(None));
        }
        walk.after = last.position;
        Ok(if next.is_none() && entries.len() >= rows { Step::More } else { Step::Rest(next) })
    }

    /// Returns those of the old events that go.
    async fn going<'o>(
        &self,
        rule: &LogRule,
        old: &'o [LogEntry],
    ) -> Result<Vec<&'o LogEntry>, store::Error> {
        let live = match rule.delete_all {
            DeleteAllMode::Expand => {
                let of = (&self.enabled.tenant, &rule.topic);
                newest(&*self.deps.store, of, old.iter().map(|entry| &entry.key)).await?
            }
            DeleteAllMode::Record => HashMap::new(),
        };
        let is_live = |it: &LogEntry| live.get(&it.key) == Some(&it.position);
        let mut staying = self.keys_before(rule, old).await?;
        let mut going = Vec::new();
        for entry in old {
            let is_replaced = match EventType::from_column(&entry.event_type) {
                EventType::Delete | EventType::Erased => true,
                EventType::DeleteAll => staying.is_empty(),
                _ => !(rule.compacted || is_live(entry)),
            };
            let follows = staying.contains(&entry.key);
            if is_replaced && !follows && !self.is_parked(&rule.topic, entry) {
                going.push(entry);
            } else {
                staying.insert(entry.key.clone());
            }
        }
        Ok(going)
    }

    /// Returns the keys of the events that the log has before all of `old`, as far as `old` has
    /// them; if `old` has a DELETE_ALL, at least one key that the log has there.
    async fn keys_before(
        &self,
        rule: &LogRule,
        old: &[LogEntry],
    ) -> Result<HashSet<Key>, store::Error> {
        let Some(first) = old.first() else { return Ok(HashSet::new()) };
        // Nearly always nothing is left there, and no key need be looked up.
        let before = self.range(&rule.topic, Position::START, first.position);
        let mut found = self.deps.store.entries(&before, 1).await?;
        if !found.is_empty() {
            let keys: HashSet<_> = old.iter().map(|entry| entry.key.clone()).collect();
            let keys: Vec<_> = keys.into_iter().collect();
            found.extend(self.deps.store.newest_of_keys(&before, &keys, 1).await?);
        }
        Ok(found.into_iter().map(|entry| entry.key).collect())
    }
}
