//! Compaction: keeps, of what is published of a compacted topic, the latest event of each key, and
//! nothing older than the last DELETE_ALL.
//!
//! It walks along what was published since it came here last: whatever an event there replaces is
//! found by its key, so that a long log of many keys is never gone over again. It ends before
//! whatever somebody holds, and before the first event of a scope that is parked, and goes on from
//! there later.

use std::collections::BTreeMap;

use super::view::LogView;
use super::{Reason, Step};
use crate::domain::event::EventType;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::settings::LogRule;
use crate::follow::store;
use crate::store::LogEntry;

/// The most events of one step, each of which is looked up by its key.
const ROWS_MAX: usize = 200;
/// The most events of one key before the step's own that are looked at; normally there is one.
const EACH_MAX: usize = 16;

impl LogView<'_> {
    /// Removes what the next published events of a topic replace; `None` if there are none.
    pub(super) async fn compact(
        &self,
        rule: &LogRule,
        rows: usize,
    ) -> Result<Option<Step>, store::Error> {
        let (topic, store) = (&rule.topic, &self.deps.store);
        let compacted_to = self.floor(topic).compacted_to;
        let before = self.before(topic);
        let before = self.first_parked(topic).map_or(before, |parked| parked.min(before));
        let new = self.range(topic, compacted_to, before);
        let entries = store.entries(&new, rows.min(ROWS_MAX)).await?;
        let Some(last) = entries.last() else { return Ok(None) };
        let published = entries.iter().filter(|entry| self.is_published(topic, entry));
        let is_delete_all =
            |it: &&LogEntry| EventType::from_column(&it.event_type) == EventType::DeleteAll;
        if let Some(delete_all) = published.clone().rfind(is_delete_all) {
            let older = self.range(topic, Position::START, delete_all.position);
            let older: Vec<_> = store.entries(&older, rows).await?;
            if let Some(last) = older.last() {
                // Nothing is left up to the last of them.
                let up_to = compacted_to.max(last.position);
                return self.replaced(rule, older, up_to).await;
            }
        }
        let mut latest: BTreeMap<Key, Position> = BTreeMap::new();
        latest.extend(published.map(|entry| (entry.key.clone(), entry.position)));
        let keys: Vec<_> = latest.keys().cloned().collect();
        let former = self.range(topic, Position::START, compacted_to.next());
        let mut replaced = store.newest_of_keys(&former, &keys, EACH_MAX).await?;
        let mut of_keys: BTreeMap<&Key, usize> = BTreeMap::new();
        replaced.iter().for_each(|entry| *of_keys.entry(&entry.key).or_default() += 1);
        if of_keys.values().any(|count| *count >= EACH_MAX) {
            keep_first_erased(&mut replaced);
            return self.replaced(rule, replaced, compacted_to).await;
        }
        let up_to = last.position;
        let is_replaced =
            |it: &LogEntry| latest.get(&it.key).is_some_and(|latest| it.position < *latest);
        replaced.extend(entries.into_iter().filter(is_replaced));
        self.replaced(rule, replaced, up_to).await
    }

    /// Removes these events; the topic is compacted up to a position by then, and none of them
    /// stands after it.
    async fn replaced(
        &self,
        rule: &LogRule,
        entries: Vec<LogEntry>,
        up_to: Position,
    ) -> Result<Option<Step>, store::Error> {
        let entries: Vec<_> = entries.iter().collect();
        let is_its = self.remove(&rule.topic, &entries, up_to, Reason::Compaction).await?;
        Ok(Some(if is_its { Step::More } else { Step::Rest(None) }))
    }
}

/// Takes the first ERASED event of each key out of what is replaced: the log may have events before
/// these, which the ERASED event has emptied, and it goes with the last of them.
fn keep_first_erased(replaced: &mut Vec<LogEntry>) {
    let is_erased = |it: &&LogEntry| EventType::from_column(&it.event_type) == EventType::Erased;
    let mut first: BTreeMap<Key, Position> = BTreeMap::new();
    for erased in replaced.iter().filter(is_erased) {
        let first = first.entry(erased.key.clone()).or_insert(erased.position);
        *first = erased.position.min(*first);
    }
    replaced.retain(|it| first.get(&it.key) != Some(&it.position));
}

#[cfg(test)]
mod tests {
    use super::{EventType, Key, LogEntry, Position, keep_first_erased};
    use crate::domain::time::Time;

    #[test]
    fn of_more_events_than_a_step_takes_the_first_erased_event_of_each_key_stays() {
        let entry = |position, of: &str, event_type: EventType| LogEntry {
            position: Position::from_column(position),
            key: Key::parse(of).unwrap(),
            event_type: event_type.as_str().to_owned(),
            time: Time::ZERO,
        };
        let mut replaced = vec![
            entry(9, "a", EventType::Update),
            entry(8, "a", EventType::Erased),
            entry(7, "a", EventType::Create),
            entry(4, "a", EventType::Erased),
            entry(3, "a", EventType::Create),
            entry(6, "b", EventType::Erased),
            entry(5, "c", EventType::Delete),
        ];
        keep_first_erased(&mut replaced);
        let left: Vec<_> = replaced.iter().map(|it| it.position.number()).collect();
        assert_eq!(left, [9, 8, 7, 3, 5]);
    }
}
