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

use super::Receipt;
use super::judge::{Offer, Tail, Verdict};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// How long the store's clock is counted on by this machine's, which may run faster or slower.
const CLOCK_MAX: Duration = Duration::from_secs(10);
/// Tenants that are remembered: a few hundred bytes each, and their topics.
const TENANTS_MAX: usize = 10_000;

/// What an append goes by.
pub(super) struct State<S> {
    /// The ends of the batches' tenants.
    pub(super) tails: HashMap<TenantId, Tail>,
    /// What was seen of their heads: a head that has changed shows something else.
    pub(super) seen: HashMap<TenantId, S>,
    /// What time it is in the store; of no tenant: any.
    pub(super) now: Time,
}

/// What is remembered of all tenants.
pub(super) struct Ends<S>(Mutex<Memory<S>>);

/// What is remembered of the tenants of one append.
pub(super) struct Memory<S> {
    ends: HashMap<TenantId, End<S>>,
    /// When it was what time in the store.
    clock: Option<(Instant, Time)>,
}

struct End<S> {
    tail: Tail,
    seen: S,
    /// Of which topics the last DELETE_ALL is known, if there was one.
    topics: HashSet<Topic>,
    /// Whether it was found once as it had been left.
    alone: bool,
}

impl<S> Ends<S> {
    /// Of no log.
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Takes out what is remembered of the batches' tenants.
    pub(super) fn take(&self, offers: &[Offer]) -> Memory<S> {
        let mut all = self.all();
        let ends = offers
            .iter()
            .filter_map(|offer| all.ends.remove_entry(&offer.batch().tenant))
            .collect();
        Memory { ends, clock: all.clock }
    }

    /// Remembers how the logs end behind what was written, and what is then seen of their heads.
    pub(super) fn put(
        &self,
        memory: Memory<S>,
        verdict: &Verdict,
        seen: impl Fn(&S, Receipt) -> S,
    ) {
        let Memory { mut ends, clock } = memory;
        for (tenant, last) in &verdict.heads {
            if let Some(end) = ends.get_mut(tenant) {
                end.seen = seen(&end.seen, *last);
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
        all.clock = all.clock.max(clock);
    }

    fn all(&self) -> MutexGuard<'_, Memory<S>> {
        self.0.lock().expect("no holder panics")
    }
}

impl<S: Clone + PartialEq> Memory<S> {
    /// What the store is expected to hold, but for event ids: none is known.
    pub(super) fn expected(&self, offers: &[Offer]) -> Option<State<S>> {
        let (at, told) = self.clock?;
        let since = Some(at.elapsed()).filter(|since| *since < CLOCK_MAX)?;
        let now = Time::from_ms(told.as_ms() + i64::try_from(since.as_millis()).ok()?);
        let (mut tails, mut seen) = (HashMap::new(), HashMap::new());
        for (tenant, topics) in topics(offers) {
            let end = self.ends.get(tenant)?;
            if !end.alone || !topics.into_iter().all(|topic| end.topics.contains(topic)) {
                return None;
            }
            tails.insert(tenant.clone(), end.tail.clone());
            seen.insert(tenant.clone(), end.seen.clone());
        }
        Some(State { tails, seen, now })
    }

    /// What was found instead.
    pub(super) fn find(&mut self, offers: &[Offer], State { tails, seen, now }: &State<S>) {
        if !tails.is_empty() {
            self.clock = Some((Instant::now(), *now));
        }
        let mut before = mem::take(&mut self.ends);
        for (tenant, topics) in topics(offers) {
            let (Some(tail), Some(seen)) = (tails.get(tenant), seen.get(tenant)) else { continue };
            let before = before.remove(tenant).filter(|before| before.seen == *seen);
            let alone = before.is_some();
            let (mut epochs, mut all) =
                before.map(|end| (end.tail.epochs, end.topics)).unwrap_or_default();
            epochs.extend(tail.epochs.clone());
            all.extend(topics.into_iter().cloned());
            let tail = Tail { epochs, known: HashMap::new(), ..*tail };
            self.ends.insert(tenant.clone(), End { tail, seen: seen.clone(), topics: all, alone });
        }
    }
}

impl<S> Default for Memory<S> {
    fn default() -> Self {
        Self { ends: HashMap::new(), clock: None }
    }
}

/// The tenants of the batches, and their topics.
fn topics<'a>(offers: &'a [Offer]) -> HashMap<&'a TenantId, HashSet<&'a Topic>> {
    let mut topics = HashMap::<_, HashSet<_>>::new();
    for batch in offers.iter().map(Offer::batch) {
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

    use super::{Ends, Memory, State};
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
    use crate::store::judge::{Offer, Tail, judge};

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
    fn state(end: i64) -> State<i64> {
        let tail = Tail {
            log_id: LogId::new(Uuid::nil()),
            lane: Lane::new(3),
            position: Position::from_column(end),
            time: Time::from_ms(1_000),
            epochs: HashMap::new(),
            known: HashMap::new(),
        };
        State {
            tails: HashMap::from([(diku(), tail)]),
            seen: HashMap::from([(diku(), end)]),
            now: Time::from_ms(2_000),
        }
    }

    /// Appends a batch to a log that ends there; tells whether it was found and not expected.
    fn append(ends: &Ends<i64>, topic: &str, end: i64) -> bool {
        let batch = batch(topic);
        let offers = [Offer::new(&batch)];
        let mut memory = ends.take(&offers);
        let expected = memory.expected(&offers);
        let found = expected.is_none();
        let State { tails, seen, now } = expected.unwrap_or_else(|| {
            let state = state(end);
            memory.find(&offers, &state);
            state
        });
        assert_eq!((tails[&diku()].position.as_column(), seen[&diku()]), (end, end));
        assert!(now >= Time::from_ms(2_000));
        let verdict = judge(&offers, tails, now);
        ends.put(memory, &verdict, |_, last| last.position.as_column());
        found
    }

    const ITEM: &str = "diku.inventory.item";
    const OTHER: &str = "diku.inventory.other";

    #[test]
    fn an_end_is_expected_once_it_was_found_as_it_was_left() {
        let ends = Ends::new();
        let found: Vec<_> = (1..=5).map(|end| append(&ends, ITEM, end)).collect();
        assert_eq!(found, [true, true, false, false, false]);
    }

    #[test]
    fn a_topic_s_epoch_is_expected_once_it_was_asked_for() {
        let ends = Ends::new();
        let topics = [ITEM, ITEM, ITEM, OTHER, OTHER, ITEM];
        let found: Vec<_> =
            (1..).zip(topics).map(|(end, topic)| append(&ends, topic, end)).collect();
        assert_eq!(found, [true, true, false, true, false, false]);
        let [item, other] = [batch(ITEM), batch(OTHER)];
        let offers = [Offer::new(&item), Offer::new(&other)];
        let state = ends.take(&offers).expected(&offers).unwrap();
        let epochs = &state.tails[&diku()].epochs;
        let of = |topic| epochs[&Topic::parse(topic).unwrap()].number();
        assert_eq!((of(ITEM), of(OTHER)), (7, 6));
    }

    #[test]
    fn nothing_is_expected_where_others_append_too() {
        let ends = Ends::new();
        let found = [1, 5, 9, 13, 17].map(|end| append(&ends, ITEM, end));
        assert_eq!(found, [true; 5]);
    }

    #[test]
    fn who_is_not_enabled_tells_no_time() {
        let ends = Ends::new();
        assert_eq!([1, 2].map(|end| append(&ends, ITEM, end)), [true; 2]);
        let nobody = Batch { tenant: TenantId::parse("nobody").unwrap(), drafts: vec![] };
        let offers = [Offer::new(&nobody)];
        let mut memory = ends.take(&offers);
        let nothing = State { tails: HashMap::new(), seen: HashMap::new(), now: Time::ZERO };
        memory.find(&offers, &nothing);
        ends.put(memory, &judge(&offers, nothing.tails, nothing.now), |_, last| {
            last.position.as_column()
        });
        assert!(!append(&ends, ITEM, 3));
    }

    #[test]
    fn nothing_is_remembered_of_an_append_that_came_to_nothing() {
        let ends = Ends::new();
        let found = [1, 2, 3].map(|end| append(&ends, ITEM, end));
        assert_eq!(found, [true, true, false]);
        let batch = batch(ITEM);
        let offers = [Offer::new(&batch)];
        let Memory { ends: taken, .. } = ends.take(&offers);
        assert_eq!(taken.len(), 1);
        assert!(ends.take(&offers).expected(&offers).is_none());
    }
}
