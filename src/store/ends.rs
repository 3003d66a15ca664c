//! The ends of the logs as this process left them, so that an append needn't ask for them first.
//!
//! Fed by an adapter's `append` with what it found in the store and with what it then wrote; feeds its next
//! append of the same tenants. What is remembered may have changed since: whoever goes by it writes nothing
//! unless each head still has its mark, nor if the store knows an event id. Where others were found to append
//! to the same log, nothing is expected until it was found once as this process left it.

use std::collections::{HashMap, HashSet};
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

/// What is remembered.
pub(super) struct Ends<M>(Mutex<Memory<M>>);

struct Memory<M> {
    ends: HashMap<TenantId, End<M>>,
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

impl<M: Clone + PartialEq> Ends<M> {
    /// Of no log.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Memory { ends: HashMap::new(), clock: None }))
    }

    /// What the store is expected to hold, but for event ids: none is known.
    pub(super) fn expected(&self, offers: &[Offer]) -> Option<State<M>> {
        let memory = self.memory();
        let (told, at) = memory.clock?;
        let since = Some(at.elapsed()).filter(|since| *since < CLOCK_MAX)?;
        let now = Time::from_ms(told.as_ms() + i64::try_from(since.as_millis()).ok()?);
        let (mut tails, mut marks) = (HashMap::new(), HashMap::new());
        for (tenant, topics) in asked(offers) {
            let end = memory.ends.get(tenant)?;
            if !end.alone || !topics.into_iter().all(|topic| end.topics.contains(topic)) {
                return None;
            }
            tails.insert(tenant.clone(), end.tail.clone());
            marks.insert(tenant.clone(), end.mark.clone());
        }
        Some(State { tails, marks, now })
    }

    /// Somebody else was there.
    pub(super) fn forget(&self, offers: &[Offer]) {
        let mut memory = self.memory();
        for tenant in asked(offers).keys() {
            memory.ends.remove(*tenant);
        }
    }

    /// What was found, before anything is written.
    pub(super) fn found(&self, offers: &[Offer], found: &State<M>) {
        let mut memory = self.memory();
        memory.clock = Some((found.now, Instant::now()));
        if memory.ends.len() > TENANTS_MAX {
            memory.ends.clear();
        }
        for (tenant, topics) in asked(offers) {
            let before = memory.ends.remove(tenant);
            let (Some(tail), Some(mark)) = (found.tails.get(tenant), found.marks.get(tenant)) else {
                continue;
            };
            let before = before.filter(|before| before.mark == *mark);
            let alone = before.is_some();
            let (mut epochs, mut all) = before.map(|end| (end.tail.epochs, end.topics)).unwrap_or_default();
            epochs.extend(tail.epochs.clone());
            all.extend(topics.into_iter().cloned());
            let tail = Tail { epochs, known: HashMap::new(), ..*tail };
            memory.ends.insert(tenant.clone(), End { tail, mark: mark.clone(), topics: all, alone });
        }
    }

    /// What was written by one who went by those marks, and the mark that a head has got.
    pub(super) fn written(
        &self,
        marks: &HashMap<TenantId, M>,
        verdict: &Verdict,
        mark: impl Fn(&TenantId, Receipt) -> M,
    ) {
        let mut memory = self.memory();
        for (tenant, last) in &verdict.heads {
            // Another append of this process may have come between.
            let Some(end) = memory.ends.get_mut(tenant).filter(|end| marks.get(tenant) == Some(&end.mark))
            else {
                continue;
            };
            let epochs = verdict.epochs.iter().filter(|((of, _), _)| of == tenant);
            end.tail.epochs.extend(epochs.map(|((_, topic), position)| (topic.clone(), *position)));
            (end.tail.position, end.tail.time) = (last.position, last.time);
            end.mark = mark(tenant, *last);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory<M>> {
        self.0.lock().expect("no holder panics")
    }
}

/// The tenants of the batches, and their topics.
fn asked<'a>(offers: &'a [Offer]) -> HashMap<&'a TenantId, HashSet<&'a Topic>> {
    let mut asked = HashMap::<_, HashSet<_>>::new();
    for batch in offers.iter().map(Offer::batch) {
        asked.entry(&batch.tenant).or_default().extend(batch.drafts.iter().map(|draft| &draft.topic));
    }
    asked
}
