//! The relay: the page source that brings every event of a lane's logs to its topic, in order.
//!
//! It asks the store which logs have grown, reads the events after each cursor, and offers pages to
//! its lane. A page packs several tenants fairly, so that many tenants don't cost as many
//! transactions. Parked events are passed over, and counted in their log's parking ledger. The
//! relay reads on after the last page that it offered, which is either committed, or the relay is
//! dropped.

use std::collections::{HashMap, HashSet, VecDeque};

use async_trait::async_trait;

use super::lane_state::LaneState;
use super::parking::Refused;
use super::source::{Error, Limits, PageSource};
use super::{FollowDeps, page_scan};
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventType;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::domain::transition::Transition;
use crate::sink::{Page, PageSlice};
use crate::store::{ChangeToken, Head, Slice, Start};

const PAGE_TENANTS_MAX: usize = 50;

/// The place in one tenant's log after which the relay reads on.
#[derive(Default)]
struct Reading {
    /// The end of the last page that was offered.
    cursor: Option<Cursor>,
    is_queued: bool,
}

/// The relay of one lane, since its last takeover.
pub(super) struct Relay {
    deps: FollowDeps,
    token: ChangeToken,
    reading: HashMap<TenantId, Reading>,
    /// Tenants with events after their cursor, each once; a tenant that was served goes to the end.
    queue: VecDeque<TenantId>,
    /// Tenants whose next event is for a topic that was held back.
    waiting: HashMap<TenantId, Topic>,
    /// The page that was read ahead of its turn.
    ahead: Option<Result<Option<Page>, Error>>,
}

#[async_trait]
impl PageSource for Relay {
    async fn offer(
        &mut self,
        state: &mut LaneState,
        limits: &Limits<'_>,
    ) -> Result<Option<Page>, Error> {
        match self.ahead.take() {
            Some(read) => read,
            None => self.read(state, limits).await,
        }
    }

    /// Reads the next page if the last one left a backlog; without one, waiting makes a larger
    /// page. If anything is parked, nothing is read ahead: the rows that are written must be true
    /// once the last page is published, so no event may be passed over before.
    async fn read_ahead(&mut self, state: &mut LaneState, limits: &Limits<'_>) {
        if !self.queue.is_empty() && !state.parking.has_open() {
            self.ahead = Some(self.read(state, limits).await);
        }
    }

    async fn refused(
        &mut self,
        state: &LaneState,
        refused: &Refused<'_>,
    ) -> Result<Option<Transition>, Error> {
        Ok(Some(state.parking.park(refused)))
    }
}

impl Relay {
    /// Makes the relay of a lane that was just taken over, at the lane's cursors.
    pub(super) fn new(deps: FollowDeps, state: &LaneState) -> Self {
        let mut relay = Self {
            deps,
            token: state.logs.token,
            reading: HashMap::new(),
            queue: VecDeque::new(),
            waiting: HashMap::new(),
            ahead: None,
        };
        for (tenant, log) in state.logs.running() {
            let reading = Reading { cursor: log.cursor, is_queued: false };
            relay.reading.insert(tenant.clone(), reading);
            if log.position() < log.head {
                relay.enqueue(state, tenant.clone());
            }
        }
        relay
    }

    async fn read(
        &mut self,
        state: &mut LaneState,
        limits: &Limits<'_>,
    ) -> Result<Option<Page>, Error> {
        self.look(state).await?;
        loop {
            let waiting = self.waiting.len();
            let page = self.read_turn(state, limits).await?;
            // A tenant that was just found to wait holds up no other.
            if page.is_some() || self.waiting.len() == waiting {
                return Ok(page);
            }
        }
    }

    /// Asks the store which logs have grown, and queues them.
    async fn look(&mut self, state: &mut LaneState) -> Result<(), Error> {
        let changed = self.deps.store.changed_since(state.logs.lane, self.token).await?;
        if changed.token.incarnation != self.token.incarnation {
            state.verify(&self.deps, &self.cursors(state)).await?;
            state.verify_parking(&self.deps).await?;
        }
        self.token = changed.token;
        self.take_up(state, changed.heads).await?;
        self.queue.retain(|tenant| !state.logs.is_stopped(tenant));
        Ok(())
    }

    /// Returns the cursors of the logs that are published.
    fn cursors(&self, state: &LaneState) -> Vec<(TenantId, Cursor)> {
        let running = self.reading.iter().filter(|(tenant, _)| !state.logs.is_stopped(tenant));
        running.filter_map(|(tenant, reading)| Some((tenant.clone(), reading.cursor?))).collect()
    }

    /// Verifies the logs that are new here, or that end before their cursor, and queues those that
    /// have grown.
    async fn take_up(&mut self, state: &mut LaneState, heads: Vec<Head>) -> Result<(), Error> {
        let mut to_verify = Vec::new();
        for head in &heads {
            let log_id = state.logs.get(&head.tenant).map(|log| log.log_id);
            let reading = self.reading.entry(head.tenant.clone()).or_default();
            match log_id {
                Some(log_id) if log_id != head.log_id => {
                    return Err(Error::LogRotated(head.tenant.clone()));
                }
                Some(_) => {
                    let ahead = reading.cursor.filter(|cursor| cursor.position > head.position);
                    to_verify.extend(ahead.map(|cursor| (head.tenant.clone(), cursor)));
                }
                None => {
                    reading.cursor = state.logs.insert(head);
                    to_verify.extend(reading.cursor.map(|cursor| (head.tenant.clone(), cursor)));
                }
            }
        }
        state.verify(&self.deps, &to_verify).await?;
        for Head { tenant, position, .. } in heads {
            if self.position(&tenant) < position {
                self.enqueue(state, tenant);
            }
        }
        Ok(())
    }

    fn position(&self, tenant: &TenantId) -> Position {
        let cursor = self.reading.get(tenant).and_then(|reading| reading.cursor);
        cursor.map_or(Position::START, |cursor| cursor.position)
    }

    /// Reads a page of the tenants whose turn it is.
    async fn read_turn(
        &mut self,
        state: &mut LaneState,
        limits: &Limits<'_>,
    ) -> Result<Option<Page>, Error> {
        let (tenants, events_each_max) = self.turn(state, limits);
        if tenants.is_empty() {
            return Ok(self.proving_page(state, Vec::new()));
        }
        let from = self.dequeue(tenants);
        let read = self.deps.store.read(&from, &page_scan(events_each_max)).await?;
        self.verify_starts(state, &read)?;
        let (served, unserved): (Vec<_>, Vec<_>) =
            read.into_iter().partition(|s| !s.events.is_empty());
        // A tenant that the page's limits left out comes first in the next page.
        let done: HashSet<_> =
            unserved.iter().filter(|s| !s.more).chain(&served).map(|s| s.tenant.clone()).collect();
        let left_out =
            from.into_iter().map(|(tenant, _)| tenant).filter(|tenant| !done.contains(tenant));
        left_out.for_each(|tenant| self.enqueue(state, tenant));
        let mut slices = Vec::with_capacity(served.len());
        for slice in served {
            slices.extend(self.pass(state, slice, limits)?);
        }
        Ok(self.proving_page(state, slices))
    }

    /// Returns the tenants whose turn it is, and the most events of each: one tenant that is
    /// isolated, or several that are not.
    fn turn(&self, state: &LaneState, limits: &Limits<'_>) -> (Vec<TenantId>, usize) {
        let isolated = |tenant: &TenantId| limits.isolated(&state.logs.follower, tenant);
        let is_ready =
            |tenant: &&TenantId| !state.logs.is_stopped(tenant) && !self.waits(tenant, limits);
        let mut ready = self.queue.iter().filter(is_ready);
        let Some(first) = ready.next() else { return (Vec::new(), 0) };
        if let Some(events_max) = isolated(first) {
            return (vec![first.clone()], events_max);
        }
        let others = ready.filter(|tenant| isolated(tenant).is_none());
        let others: Vec<_> =
            [first].into_iter().chain(others).take(PAGE_TENANTS_MAX).cloned().collect();
        let each = (limits.events_max() / others.len()).max(1);
        (others, each)
    }

    /// Returns whether the tenant, or the topic of its next event, is held back.
    fn waits(&self, tenant: &TenantId, limits: &Limits<'_>) -> bool {
        let topic = self.waiting.get(tenant);
        limits.holds_tenant(tenant) || topic.is_some_and(|topic| limits.holds_topic(topic))
    }

    /// Stops the tenants whose log lacks the event after which their slice begins. The list of logs
    /// that have grown may have come from another server.
    fn verify_starts(&self, state: &mut LaneState, read: &[Slice]) -> Result<(), Error> {
        for slice in read {
            if state.logs.get(&slice.tenant).is_none_or(|log| log.log_id != slice.log_id) {
                return Err(Error::LogRotated(slice.tenant.clone()));
            }
            let cursor = self.reading.get(&slice.tenant).and_then(|reading| reading.cursor);
            if let (Some(cursor), false) = (cursor, slice.has_start) {
                state.stop_gone_back(&self.deps, &slice.tenant, &cursor);
            }
        }
        Ok(())
    }

    /// Queues a tenant, unless it is stopped.
    fn enqueue(&mut self, state: &LaneState, tenant: TenantId) {
        let reading = self.reading.get_mut(&tenant).filter(|reading| !reading.is_queued);
        if let Some(reading) = reading.filter(|_| !state.logs.is_stopped(&tenant)) {
            reading.is_queued = true;
            self.queue.push_back(tenant);
        }
    }

    /// Takes these tenants out of the queue, and returns where their slices start.
    fn dequeue(&mut self, tenants: Vec<TenantId>) -> Vec<(TenantId, Start)> {
        let taken: HashSet<_> = tenants.iter().collect();
        self.queue.retain(|tenant| !taken.contains(tenant));
        let mut from = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            let reading = self.reading.get_mut(&tenant).expect("who is queued is read");
            reading.is_queued = false;
            from.push((tenant, reading.cursor.map_or(Position::START.into(), Start::from)));
        }
        from
    }

    /// Moves a tenant's reading past a slice, and returns the part of a page for it. The page is
    /// committed, or the relay is dropped. An event that was erased before it was sent is parked
    /// first, so that it counts as discarded.
    fn pass(
        &mut self,
        state: &mut LaneState,
        mut slice: Slice,
        limits: &Limits<'_>,
    ) -> Result<Option<PageSlice>, Error> {
        self.cut(state, &mut slice, limits);
        let Unparked { first, keys } = unparked(state, &slice.events);
        if let Some(first) = first {
            if first == 0 {
                let park = |event| state.parking.park_erased(event);
                return Err(Error::Parks(keys.into_iter().map(park).collect()));
            }
            slice.events.truncate(first);
            slice.more = true;
        }
        let Some(last) = slice.events.last() else {
            self.enqueue(state, slice.tenant);
            return Ok(None);
        };
        let cursor = Cursor::at(last);
        let reading = self.reading.get_mut(&slice.tenant).expect("who is served is read");
        reading.cursor = Some(cursor);
        if slice.more {
            self.enqueue(state, slice.tenant.clone());
        }
        let proof = state.parking.proof(&slice.tenant);
        slice.events.retain(Envelope::is_sent);
        let events = state.parking.pass(&slice.tenant, slice.events, cursor.position);
        Ok(Some(PageSlice { tenant: slice.tenant, events, cursor, proof, sent: None }))
    }

    /// Ends a slice before the first event that is held back.
    fn cut(&mut self, state: &LaneState, slice: &mut Slice, limits: &Limits<'_>) {
        let waits =
            |event: &Envelope| limits.holds_topic(&event.topic) && !state.parking.keeps(event);
        let Some(at) = slice.events.iter().position(waits) else {
            self.waiting.remove(&slice.tenant);
            return;
        };
        self.waiting.insert(slice.tenant.clone(), slice.events[at].topic.clone());
        slice.events.truncate(at);
        slice.more = true;
    }

    /// Returns the page of these slices, and of cursors without events for logs whose newest
    /// parking ledger the sink lacks.
    fn proving_page(&self, state: &LaneState, mut slices: Vec<PageSlice>) -> Option<Page> {
        let room = PAGE_TENANTS_MAX.saturating_sub(slices.len());
        let is_there = |tenant: &TenantId| slices.iter().any(|slice| slice.tenant == *tenant);
        let unproved = state.parking.unproved().filter(|tenant| !is_there(tenant));
        let slice = |tenant: &TenantId| {
            Some(PageSlice {
                tenant: tenant.clone(),
                events: Vec::new(),
                cursor: self.reading.get(tenant)?.cursor?,
                proof: state.parking.proof(tenant),
                sent: None,
            })
        };
        let proving: Vec<_> = unproved.filter_map(slice).take(room).collect();
        slices.extend(proving);
        (!slices.is_empty()).then(|| Page {
            follower: state.logs.follower.clone(),
            slices,
            target: None,
        })
    }
}

/// Events that were erased before they were sent, and that no scope holds yet.
struct Unparked<'e> {
    /// The index of the first one.
    first: Option<usize>,
    /// The first one of each key, as far as no event before it may end scopes of its topic.
    keys: Vec<&'e Envelope>,
}

/// Finds the events that were erased before they were sent. One that follows an event that may end
/// scopes of its topic is looked at again once that is passed.
fn unparked<'e>(state: &LaneState, events: &'e [Envelope]) -> Unparked<'e> {
    let (mut ending, mut seen) = (HashSet::new(), HashSet::new());
    let mut unparked = Unparked { first: None, keys: Vec::new() };
    for (index, event) in events.iter().enumerate() {
        if matches!(event.event_type, EventType::Erased | EventType::DeleteAll) {
            ending.insert(&event.topic);
        }
        if event.erased.is_none() {
            continue;
        }
        let follows = ending.contains(&event.topic);
        if !follows && state.parking.keeps(event) {
            continue;
        }
        unparked.first.get_or_insert(index);
        if !follows && seen.insert((&event.topic, &event.key)) {
            unparked.keys.push(event);
        }
    }
    unparked
}
