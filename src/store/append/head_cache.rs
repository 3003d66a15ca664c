//! The cache of the logs' heads as this process left them, so that an append needn't read them
//! first.
//!
//! `append` asks it before it reads the store, and caches the heads that it wrote once they are
//! committed. An append checks out the heads that it uses, so that nothing stays cached after a
//! failure. A cached head may be outdated: an append that uses it writes nothing unless each head
//! has the cached version, or if the store knows an event id. If other processes append to the same
//! log, nothing is predicted until the head was found once as this process left it. A cached lane
//! may be from before a resize: then another lane is woken, and the right one finds the events at
//! its next look.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::batch::{FingerprintedBatch, topics};
use super::plan::AppendPlan;
use super::snapshot::{LogState, Snapshot};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// The longest time for which the store's clock is continued by this machine's, which may run
/// faster or slower.
const CLOCK_MAX: Duration = Duration::from_secs(10);
/// The most tenants in the cache: a few hundred bytes each, and their topics.
const TENANTS_MAX: usize = 10_000;

/// The heads of all tenants that this process has appended to.
pub(in crate::store) struct HeadCache<V>(Mutex<Checkout<V>>);

/// The heads of the tenants of one append.
pub(in crate::store) struct Checkout<V> {
    heads: HashMap<TenantId, CachedHead<V>>,
    /// The store's time, and when it was read.
    clock: Option<(Instant, Time)>,
}

struct CachedHead<V> {
    log: LogState,
    version: V,
    /// The topics of which the last DELETE_ALL is known, or the fact that there was none.
    topics: HashSet<Topic>,
    /// Whether the head was found once as this process left it.
    ours_alone: bool,
}

impl<V> HeadCache<V> {
    /// Makes an empty cache.
    pub(in crate::store) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Takes the heads of the batches' tenants out of the cache.
    pub(in crate::store) fn checkout(&self, batches: &[FingerprintedBatch]) -> Checkout<V> {
        let mut all = self.all();
        let heads = batches
            .iter()
            .filter_map(|batch| all.heads.remove_entry(&batch.batch().tenant))
            .collect();
        Checkout { heads, clock: all.clock }
    }

    /// Caches the heads as a committed plan left them, with their versions.
    pub(in crate::store) fn commit(
        &self,
        checkout: Checkout<V>,
        plan: &AppendPlan,
        mut versions: HashMap<TenantId, V>,
    ) {
        let Checkout { mut heads, clock } = checkout;
        for (tenant, last) in &plan.heads {
            if let (Some(cached), Some(version)) = (heads.get_mut(tenant), versions.remove(tenant))
            {
                cached.version = version;
                (cached.log.head.position, cached.log.head.time) = (last.position, last.time);
            }
        }
        for ((tenant, topic), position) in &plan.delete_alls {
            if let Some(cached) = heads.get_mut(tenant) {
                cached.log.delete_alls.insert(topic.clone(), *position);
            }
        }
        let mut all = self.all();
        if all.heads.len() >= TENANTS_MAX {
            all.heads.clear();
        }
        all.heads.extend(heads);
        all.clock = all.clock.max(clock);
    }

    fn all(&self) -> MutexGuard<'_, Checkout<V>> {
        self.0.lock().expect("no holder panics")
    }
}

impl<V: Clone + PartialEq> Checkout<V> {
    /// Returns the state that the store is expected to have, and assumes that no event id is known.
    pub(in crate::store) fn predict(&self, batches: &[FingerprintedBatch]) -> Option<Snapshot<V>> {
        let (at, told) = self.clock?;
        let since = Some(at.elapsed()).filter(|since| *since < CLOCK_MAX)?;
        let now = Time::from_ms(told.as_ms() + i64::try_from(since.as_millis()).ok()?);
        let (mut logs, mut versions) = (HashMap::new(), HashMap::new());
        for (tenant, topics) in topics(batches) {
            let cached = self.heads.get(tenant)?;
            if !cached.ours_alone || !topics.into_iter().all(|topic| cached.topics.contains(topic))
            {
                return None;
            }
            logs.insert(tenant.clone(), cached.log.clone());
            versions.insert(tenant.clone(), cached.version.clone());
        }
        Some(Snapshot { logs, versions, now })
    }

    /// Replaces the cached heads by those that were read.
    pub(in crate::store) fn refresh(
        &mut self,
        batches: &[FingerprintedBatch],
        Snapshot { logs, versions, now }: &Snapshot<V>,
    ) {
        if !logs.is_empty() {
            self.clock = Some((Instant::now(), *now));
        }
        let mut before = mem::take(&mut self.heads);
        for (tenant, topics) in topics(batches) {
            let (Some(read), Some(version)) = (logs.get(tenant), versions.get(tenant)) else {
                continue;
            };
            let before = before.remove(tenant).filter(|before| before.version == *version);
            let ours_alone = before.is_some();
            let (mut delete_alls, mut all) =
                before.map(|cached| (cached.log.delete_alls, cached.topics)).unwrap_or_default();
            delete_alls.extend(read.delete_alls.clone());
            all.extend(topics.into_iter().cloned());
            let log = LogState { delete_alls, ..LogState::from(read.head.clone()) };
            let version = version.clone();
            self.heads.insert(tenant.clone(), CachedHead { log, version, topics: all, ours_alone });
        }
    }
}

impl<V> Default for Checkout<V> {
    fn default() -> Self {
        Self { heads: HashMap::new(), clock: None }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Checkout, HeadCache, Snapshot};
    use crate::domain::tenant::TenantId;
    use crate::domain::time::Time;
    use crate::domain::topic::Topic;
    use crate::store::Batch;
    use crate::store::append::batch::FingerprintedBatch;
    use crate::store::append::fixture::{ITEM, batch, delete_all, diku, head};
    use crate::store::append::plan::{AppendPlan, plan};
    use crate::store::append::snapshot::LogState;

    const OTHER: &str = "diku.inventory.other";

    /// Makes the state of a store whose log of `diku` ends at a position, which is also its head's
    /// version.
    fn snapshot(end: i64) -> Snapshot<i64> {
        Snapshot {
            logs: HashMap::from([(diku(), LogState::from(head(end, 1_000)))]),
            versions: HashMap::from([(diku(), end)]),
            now: Time::from_ms(2_000),
        }
    }

    /// Returns the versions of the heads that a plan raised.
    fn versions(plan: &AppendPlan) -> HashMap<TenantId, i64> {
        let raised = plan.heads.iter();
        raised.map(|(tenant, last)| (tenant.clone(), last.position.as_column())).collect()
    }

    /// Appends a batch to a log that ends at `end`; returns whether the head was read, not
    /// predicted.
    fn append(head_cache: &HeadCache<i64>, topic: &str, end: i64) -> bool {
        let batch = batch(vec![delete_all(1, topic)]);
        let batches = [FingerprintedBatch::new(&batch)];
        let mut checkout = head_cache.checkout(&batches);
        let predicted = checkout.predict(&batches);
        let read = predicted.is_none();
        let Snapshot { logs, versions: predicted_on, now } = predicted.unwrap_or_else(|| {
            let snapshot = snapshot(end);
            checkout.refresh(&batches, &snapshot);
            snapshot
        });
        assert_eq!((logs[&diku()].head.position.as_column(), predicted_on[&diku()]), (end, end));
        assert!(now >= Time::from_ms(2_000));
        let plan = plan(&batches, logs, now);
        head_cache.commit(checkout, &plan, versions(&plan));
        read
    }

    #[test]
    fn a_head_is_predicted_once_it_was_read_as_it_was_left() {
        let head_cache = HeadCache::new();
        let read: Vec<_> = (1..=5).map(|end| append(&head_cache, ITEM, end)).collect();
        assert_eq!(read, [true, true, false, false, false]);
    }

    #[test]
    fn a_topic_s_last_delete_all_is_predicted_once_it_was_read() {
        let head_cache = HeadCache::new();
        let topics = [ITEM, ITEM, ITEM, OTHER, OTHER, ITEM];
        let read: Vec<_> =
            (1..).zip(topics).map(|(end, topic)| append(&head_cache, topic, end)).collect();
        assert_eq!(read, [true, true, false, true, false, false]);
        let [item, other] = [ITEM, OTHER].map(|topic| batch(vec![delete_all(1, topic)]));
        let batches = [FingerprintedBatch::new(&item), FingerprintedBatch::new(&other)];
        let snapshot = head_cache.checkout(&batches).predict(&batches).unwrap();
        let delete_alls = &snapshot.logs[&diku()].delete_alls;
        let of = |topic| delete_alls[&Topic::parse(topic).unwrap()].number();
        assert_eq!((of(ITEM), of(OTHER)), (7, 6));
    }

    #[test]
    fn nothing_is_predicted_where_others_append_too() {
        let head_cache = HeadCache::new();
        let read = [1, 5, 9, 13, 17].map(|end| append(&head_cache, ITEM, end));
        assert_eq!(read, [true; 5]);
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
        let plan = plan(&batches, nothing.logs, nothing.now);
        head_cache.commit(checkout, &plan, versions(&plan));
        assert!(!append(&head_cache, ITEM, 3));
    }

    #[test]
    fn nothing_is_remembered_of_an_append_that_came_to_nothing() {
        let head_cache = HeadCache::new();
        let read = [1, 2, 3].map(|end| append(&head_cache, ITEM, end));
        assert_eq!(read, [true, true, false]);
        let batch = batch(vec![delete_all(1, ITEM)]);
        let batches = [FingerprintedBatch::new(&batch)];
        let Checkout { heads: taken, .. } = head_cache.checkout(&batches);
        assert_eq!(taken.len(), 1);
        assert!(head_cache.checkout(&batches).predict(&batches).is_none());
    }
}
