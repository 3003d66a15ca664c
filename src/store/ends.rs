//! The ends of the logs as this process left them, so that an append needn't ask for them first.
//!
//! Asked by an adapter's `append` before it asks the store, and fed with what it wrote once that is
//! committed; an append takes out what it goes by, so that nothing is remembered of one that failed. What
//! is remembered may have changed since: whoever goes by it writes nothing unless each head still has its
//! mark, nor if the store knows an event id. Where others were found to append to the same log, nothing is
//! expected until it was found once as this process left it.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::Receipt;
use super::judge::{Offer, Tail, Verdict};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// How long the store's clock is counted on by this machine's, which may run faster or slower.
const CLOCK_MAX: Duration = Duration::from_secs(10);
/// Tenants that are remembered: a few hundred bytes each.
const TENANTS_MAX: usize = 10_000;

/// What an append goes by.
pub(super) struct State<M> {
    /// The ends of the batches' tenants.
    pub(super) tails: HashMap<TenantId, Tail>,
    /// Their heads' marks: another one tells that a head has changed.
    pub(super) marks: HashMap<TenantId, M>,
    /// What time it is in the store.
    pub(super) now: Time,
}

/// What is remembered of all tenants.
pub(super) struct Ends<M>(Mutex<Memory<M>>);

/// What is remembered of the tenants of one append.
pub(super) struct Memory<M> {
    ends: HashMap<TenantId, End<M>>,
    /// What time it was in the store, and when.
    clock: Option<(Time, Instant)>,
}

struct End<M> {
    tail: Tail,
    mark: M,
    /// Of which topics the last DELETE_ALL is known, if there was one.
    topics: HashSet<Topic>,
    /// Whether it was found once as it had been left.
    alone: bool,
}

impl<M> Ends<M> {
    /// Of no log.
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Takes out what is remembered of the batches' tenants.
    pub(super) fn take(&self, offers: &[Offer]) -> Memory<M> {
        let mut all = self.all();
        let take = |tenant: &TenantId| all.ends.remove_entry(tenant);
        let ends = topics(offers).into_keys().filter_map(take).collect();
        Memory { ends, clock: all.clock }
    }

    /// Remembers how the logs end behind what was written, and the marks that their heads have got.
    pub(super) fn put(&self, memory: Memory<M>, verdict: &Verdict, mark: impl Fn(&M, Receipt) -> M) {
        let Memory { mut ends, clock } = memory;
        for (tenant, last) in &verdict.heads {
            if let Some(end) = ends.get_mut(tenant) {
                end.mark = mark(&end.mark, *last);
                (end.tail.position, end.tail.time) = (last.position, last.time);
            }
        }
        for ((tenant, topic), position) in &verdict.epochs {
            if let Some(end) = ends.get_mut(tenant) {
                end.tail.epochs.insert(topic.clone(), *position);
            }
        }
        let mut all = self.all();
        if all.ends.len() >= TENANTS_MAX {
            all.ends.clear();
        }
        all.ends.extend(ends);
        all.clock = clock;
    }

    fn all(&self) -> MutexGuard<'_, Memory<M>> {
        self.0.lock().expect("no holder panics")
    }
}

impl<M: Clone + PartialEq> Memory<M> {
    /// What the store is expected to hold, but for event ids: none is known.
    pub(super) fn expected(&self, offers: &[Offer]) -> Option<State<M>> {
        let (told, at) = self.clock?;
        let since = Some(at.elapsed()).filter(|since| *since < CLOCK_MAX)?;
        let now = Time::from_ms(told.as_ms() + i64::try_from(since.as_millis()).ok()?);
        let (mut tails, mut marks) = (HashMap::new(), HashMap::new());
        for (tenant, topics) in topics(offers) {
            let end = self.ends.get(tenant)?;
            if !end.alone || !topics.into_iter().all(|topic| end.topics.contains(topic)) {
                return None;
            }
            tails.insert(tenant.clone(), end.tail.clone());
            marks.insert(tenant.clone(), end.mark.clone());
        }
        Some(State { tails, marks, now })
    }

    /// What was found instead.
    pub(super) fn find(&mut self, offers: &[Offer], State { tails, marks, now }: &State<M>) {
        self.clock = Some((*now, Instant::now()));
        let mut before = mem::take(&mut self.ends);
        for (tenant, topics) in topics(offers) {
            let (Some(tail), Some(mark)) = (tails.get(tenant), marks.get(tenant)) else { continue };
            let before = before.remove(tenant).filter(|before| before.mark == *mark);
            let alone = before.is_some();
            let (mut epochs, mut all) = before.map(|end| (end.tail.epochs, end.topics)).unwrap_or_default();
            epochs.extend(tail.epochs.clone());
            all.extend(topics.into_iter().cloned());
            let tail = Tail { epochs, known: HashMap::new(), ..*tail };
            self.ends.insert(tenant.clone(), End { tail, mark: mark.clone(), topics: all, alone });
        }
    }
}

impl<M> Default for Memory<M> {
    fn default() -> Self {
        Self { ends: HashMap::new(), clock: None }
    }
}

/// The tenants of the batches, and their topics.
fn topics<'a>(offers: &'a [Offer]) -> HashMap<&'a TenantId, HashSet<&'a Topic>> {
    let mut topics = HashMap::<_, HashSet<_>>::new();
    for batch in offers.iter().map(Offer::batch) {
        topics.entry(&batch.tenant).or_default().extend(batch.drafts.iter().map(|draft| &draft.topic));
    }
    topics
}
