//! The ends of the logs as this process left them, so that an append needn't ask for them first.
//!
//! Asked by an adapter's `append` before it asks the store, and fed with what it wrote once that is
//! committed; an append takes out what it goes by, so that nothing is remembered of one that
//! failed. What is remembered may have changed since: whoever goes by it writes nothing unless each
//! head still shows what was seen of it, nor if the store knows an event id. Where others were
//! found to append to the same log, nothing is expected until it was found once as this process
//! left it. A lane may be remembered from before a resize: then another lane is woken, and the
//! right one finds the events at its next look.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::plan::{AppendPlan, FingerprintedBatch, LogState};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::Receipt;

/// How long the store's clock is counted on by this machine's, which may run faster or slower.
const CLOCK_MAX: Duration = Duration::from_secs(10);
/// Tenants that are remembered: a few hundred bytes each, and their topics.
const TENANTS_MAX: usize = 10_000;

/// What an append goes by.
pub(in crate::store) struct Snapshot<S> {
    /// The ends of the batches' tenants.
    pub(in crate::store) logs: HashMap<TenantId, LogState>,
    /// What was seen of their heads: a head that has changed shows something else.
    pub(in crate::store) versions: HashMap<TenantId, S>,
    /// What time it is in the store; of no tenant: any.
    pub(in crate::store) now: Time,
}

/// What is remembered of all tenants.
pub(in crate::store) struct HeadCache<S>(Mutex<Checkout<S>>);

/// What is remembered of the tenants of one append.
pub(in crate::store) struct Checkout<S> {
    ends: HashMap<TenantId, CachedHead<S>>,
    /// When it was what time in the store.
    clock: Option<(Instant, Time)>,
}

struct CachedHead<S> {
    log: LogState,
    version: S,
    /// Of which topics the last DELETE_ALL is known, if there was one.
    topics: HashSet<Topic>,
    /// Whether it was found once as it had been left.
    alone: bool,
}

impl<S> HeadCache<S> {
    /// Of no log.
    pub(in crate::store) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Takes out what is remembered of the batches' tenants.
    pub(in crate::store) fn checkout(&self, batches: &[FingerprintedBatch]) -> Checkout<S> {
        let mut all = self.all();
        let ends = batches
            .iter()
            .filter_map(|batch| all.ends.remove_entry(&batch.batch().tenant))
            .collect();
        Checkout { ends, clock: all.clock }
    }

    /// Remembers how the logs end behind what was written, and what is then seen of their heads.
    pub(in crate::store) fn commit(
        &self,
        checkout: Checkout<S>,
        plan: &AppendPlan,
        version: impl Fn(&S, Receipt) -> S,
    ) {
        let Checkout { mut ends, clock } = checkout;
        for (tenant, last) in &plan.heads {
            if let Some(end) = ends.get_mut(tenant) {
                end.version = version(&end.version, *last);
                (end.log.position, end.log.time) = (last.position, last.time);
            }
        }
        for ((tenant, topic), position) in &plan.epochs {
            if let Some(end) = ends.get_mut(tenant) {
                end.log.epochs.insert(topic.clone(), *position);
            }
        }
        let mut all = self.all();
        if all.ends.len() >= TENANTS_MAX {
            all.ends.clear();
        }
        all.ends.extend(ends);
        all.clock = all.clock.max(clock);
    }

    fn all(&self) -> MutexGuard<'_, Checkout<S>> {
        self.0.lock().expect("no holder panics")
    }
}

impl<S: Clone + PartialEq> Checkout<S> {
    /// What the store is expected to hold, but for event ids: none is known.
    pub(in crate::store) fn predict(&self, batches: &[FingerprintedBatch]) -> Option<Snapshot<S>> {
        let (at, told) = self.clock?;
        let since = Some(at.elapsed()).filter(|since| *since < CLOCK_MAX)?;
        let now = Time::from_ms(told.as_ms() + i64::try_from(since.as_millis()).ok()?);
        let (mut logs, mut versions) = (HashMap::new(), HashMap::new());
        for (tenant, topics) in topics(batches) {
            let end = self.ends.get(tenant)?;
            if !end.alone || !topics.into_iter().all(|topic| end.topics.contains(topic)) {
                return None;
            }
            logs.insert(tenant.clone(), end.log.clone());
            versions.insert(tenant.clone(), end.version.clone());
        }
        Some(Snapshot { logs, versions, now })
    }

    /// What was found instead.
    pub(in crate::store) fn refresh(
        &mut self,
        batches: &[FingerprintedBatch],
        Snapshot { logs, versions, now }: &Snapshot<S>,
    ) {
        if !logs.is_empty() {
            self.clock = Some((Instant::now(), *now));
        }
        let mut before = mem::take(&mut self.ends);
        for (tenant, topics) in topics(batches) {
            let (Some(log), Some(version)) = (logs.get(tenant), versions.get(tenant)) else {
                continue;
            };
            let before = before.remove(tenant).filter(|before| before.version == *version);
            let alone = before.is_some();
            let (mut epochs, mut all) =
                before.map(|end| (end.log.epochs, end.topics)).unwrap_or_default();
            epochs.extend(log.epochs.clone());
            all.extend(topics.into_iter().cloned());
            let log = LogState { epochs, known: HashMap::new(), ..*log };
            self.ends.insert(
                tenant.clone(),
                CachedHead { log, version: version.clone(), topics: all, alone },
            );
        }
    }
}

impl<S> Default for Checkout<S> {
    fn default() -> Self {
        Self { ends: HashMap::new(), clock: None }
    }
}

/// The tenants of the batches, and their topics.
fn topics<'a>(batches: &'a [FingerprintedBatch]) -> HashMap<&'a TenantId, HashSet<&'a Topic>> {
    let mut topics = HashMap::<_, HashSet<_>>::new();
    for batch in batches.iter().map(FingerprintedBatch::batch) {
        topics
            .entry(&batch.tenant)
            .or_default()
            .extend(batch.drafts.iter().map(|draft| &draft.topic));
    }
    topics
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use uuid::Uuid;

    use super::{Checkout, HeadCache, Snapshot};
    use crate::domain::draft::{Draft, Origin, Place};
    use crate::domain::event::EventId;
    use crate::domain::headers::Headers;
    use crate::domain::lane::Lane;
    use crate::domain::position::{LogId, Position};
    use crate::domain::subject::Subject;
    use crate::domain::tenant::TenantId;
    use crate::domain::time::Time;
    use crate::domain::topic::Topic;
    use crate::domain::wire_form::WireForm;
    use crate::store::Batch;
    use crate::store::append::plan::{FingerprintedBatch, LogState, plan};

    fn diku() -> TenantId {
        TenantId::parse("diku").unwrap()
    }

    /// A batch of one DELETE_ALL of a topic.
    fn batch(topic: &str) -> Batch {
        let origin = Origin { tenant: diku(), headers: Arc::new(Headers::default()) };
        let id = EventId::new(Uuid::from_u128(1));
        let place = Place {
            subject: Subject::new("inventory", "item"),
            topic: Topic::parse(topic).unwrap(),
        };
        let draft = Draft::delete_all(place, WireForm::Convention, id, &origin);
        Batch { tenant: diku(), drafts: vec![draft] }
    }

    /// A store whose log of `diku` ends at a position, which is all that is seen of it.
    fn snapshot(end: i64) -> Snapshot<i64> {
        let log = LogState {
            log_id: LogId::new(Uuid::nil()),
            lane: Lane::new(3),
            position: Position::from_column(end),
            time: Time::from_ms(1_000),
            epochs: HashMap::new(),
            known: HashMap::new(),
        };
        Snapshot {
            logs: HashMap::from([(diku(), log)]),
            versions: HashMap::from([(diku(), end)]),
            now: Time::from_ms(2_000),
        }
    }

    /// Appends a batch to a log that ends there; tells whether it was found and not expected.
    fn append(head_cache: &HeadCache<i64>, topic: &str, end: i64) -> bool {
        let batch = batch(topic);
        let batches = [FingerprintedBatch::new(&batch)];
        let mut checkout = head_cache.checkout(&batches);
        let predicted = checkout.predict(&batches);
        let found = predicted.is_none();
        let Snapshot { logs, versions, now } = predicted.unwrap_or_else(|| {
            let snapshot = snapshot(end);
            checkout.refresh(&batches, &snapshot);
            snapshot
        });
        assert_eq!((logs[&diku()].position.as_column(), versions[&diku()]), (end, end));
        assert!(now >= Time::from_ms(2_000));
        let plan = plan(&batches, logs, now);
        head_cache.commit(checkout, &plan, |_, last| last.position.as_column());
        found
    }

    const ITEM: &str = "diku.inventory.item";
    const OTHER: &str = "diku.inventory.other";

    #[test]
    fn an_end_is_expected_once_it_was_found_as_it_was_left() {
        let head_cache = HeadCache::new();
        let found: Vec<_> = (1..=5).map(|end| append(&head_cache, ITEM, end)).collect();
        assert_eq!(found, [true, true, false, false, false]);
    }

    #[test]
    fn a_topic_s_epoch_is_expected_once_it_was_asked_for() {
        let head_cache = HeadCache::new();
        let topics = [ITEM, ITEM, ITEM, OTHER, OTHER, ITEM];
        let found: Vec<_> =
            (1..).zip(topics).map(|(end, topic)| append(&head_cache, topic, end)).collect();
        assert_eq!(found, [true, true, false, true, false, false]);
        let [item, other] = [batch(ITEM), batch(OTHER)];
        let batches = [FingerprintedBatch::new(&item), FingerprintedBatch::new(&other)];
        let snapshot = head_cache.checkout(&batches).predict(&batches).unwrap();
        let epochs = &snapshot.logs[&diku()].epochs;
        let of = |topic| epochs[&Topic::parse(topic).unwrap()].number();
        assert_eq!((of(ITEM), of(OTHER)), (7, 6));
    }

    #[test]
    fn nothing_is_expected_where_others_append_too() {
        let head_cache = HeadCache::new();
        let found = [1, 5, 9, 13, 17].map(|end| append(&head_cache, ITEM, end));
        assert_eq!(found, [true; 5]);
    }

    #[test]
    fn who_is_not_enabled_tells_no_time() {
        let head_cache = HeadCache::new();
        assert_eq!([1, 2].map(|end| append(&head_cache, ITEM, end)), [true; 2]);
        let nobody = Batch { tenant: TenantId::parse("nobody").unwrap(), drafts: vec![] };
        let batches = [FingerprintedBatch::new(&nobody)];
        let mut checkout = head_cache.checkout(&batches);
        let nothing = Snapshot { logs: HashMap::new(), versions: HashMap::new(), now: Time::ZERO };
        checkout.refresh(&batches, &nothing);
        head_cache.commit(checkout, &plan(&batches, nothing.logs, nothing.now), |_, last| {
            last.position.as_column()
        });
        assert!(!append(&head_cache, ITEM, 3));
    }

    #[test]
    fn nothing_is_remembered_of_an_append_that_came_to_nothing() {
        let head_cache = HeadCache::new();
        let found = [1, 2, 3].map(|end| append(&head_cache, ITEM, end));
        assert_eq!(found, [true, true, false]);
        let batch = batch(ITEM);
        let batches = [FingerprintedBatch::new(&batch)];
        let Checkout { ends: taken, .. } = head_cache.checkout(&batches);
        assert_eq!(taken.len(), 1);
        assert!(head_cache.checkout(&batches).predict(&batches).is_none());
    }
}
