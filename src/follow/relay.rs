//! The relay: the live run that brings every event to its topic, in order.
//!
//! Fed by the store (whose logs have grown, and the events behind each cursor); offers pages to its
//! lane. Its state is only as old as the fence: after any error it is thrown away with the
//! producer. A page packs several tenants fairly, so that many tenants don't cost as many
//! transactions. What is parked is passed over, and counted in its tenant's lot.

use std::collections::{HashMap, HashSet, VecDeque};

use super::parking::bisect::Bisection;
use super::parking::ledger::{ParkingLedger, Verdict};
use super::parking::proof;
use super::rivals;
use super::verify::CursorLost;
use super::{FollowDeps, page_scan};
use crate::domain::envelope::Envelope;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::sink::{KnownCursor, KnownCursors, Page, PageSlice};
use crate::store::{self, ChangeToken, Head, Slice, Start};

pub(super) const PAGE_TENANTS_MAX: usize = 50;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The cursors that the fence read are of a life of the log that is over.
    #[error("tenant {0} has a new log")]
    LogRotated(TenantId),
    /// Only an operator can set it right.
    #[error(transparent)]
    CursorLost(#[from] CursorLost),
}

/// Where the relay stands in one tenant's log.
pub(super) struct Progress {
    pub(super) log_id: LogId,
    pub(super) cursor: Option<Cursor>,
    /// The log's end, as it was last told.
    pub(super) head: Position,
    queued: bool,
}

impl Progress {
    pub(super) fn position(&self) -> Position {
        self.cursor.map_or(Position::START, |c| c.position)
    }
}

/// The relay of one lane, since its last fence.
pub(super) struct Relay {
    pub(super) lane: Lane,
    token: ChangeToken,
    /// Kafka's cursors, as the fence read them.
    pub(super) known: KnownCursors,
    pub(super) progress: HashMap<TenantId, Progress>,
    /// Of those who have something parked.
    pub(super) lots: HashMap<TenantId, ParkingLedger>,
    /// Tenants with events behind their cursor, each once; who was served goes to the end.
    queue: VecDeque<TenantId>,
    /// Tenants whose log isn't the one that Kafka's cursor names.
    pub(super) stopped: HashSet<TenantId>,
    /// Tenants of which the store knows that Kafka may have a cursor.
    pub(super) begun: HashSet<TenantId>,
    /// Tenants whose next event is for a topic that was held back.
    waiting: HashMap<TenantId, Topic>,
    /// What was read ahead of its turn.
    ahead: Option<Result<Option<Page>, Error>>,
}

impl Relay {
    /// Goes on where Kafka's cursors say, once they are verified: a cursor that the store knows to
    /// have been further means that the cursors topic was lost or went back, and stops the lane; a
    /// cursor that names another event than the log does, or proves parking that the store has not,
    /// means that the store went back in time, and stops that tenant.
    pub(super) async fn resume(
        deps: &FollowDeps,
        lane: Lane,
        known: KnownCursors,
    ) -> Result<Self, Error> {
        let changed = deps.store.changed_since(lane, ChangeToken::START).await?;
        let checkpoints: HashMap<_, _> =
            deps.store.load_lane(lane, &Follower::relay()).await?.into_iter().collect();
        let mut begun = HashSet::new();
        for Head { tenant, log_id, .. } in &changed.heads {
            let checkpoint =
                checkpoints.get(tenant).filter(|checkpoint| checkpoint.log_id == *log_id);
            CursorLost::check(tenant, known.get(&(*log_id, Follower::relay())), checkpoint)?;
            let is_known =
                checkpoint.is_some() || known.contains_key(&(*log_id, Follower::relay()));
            begun.extend(is_known.then(|| tenant.clone()));
        }
        rivals::look_for_strangers(deps, lane, &known, &changed.heads).await?;
        let (progress, lots) = (HashMap::new(), HashMap::new());
        let (queue, stopped, ahead, token) = (VecDeque::new(), HashSet::new(), None, changed.token);
        let waiting = HashMap::new();
        let mut relay =
            Self { lane, token, known, progress, lots, queue, stopped, begun, waiting, ahead };
        relay.take_up(deps, changed.heads).await?;
        relay.load_parked(deps).await?;
        relay.tell_healthy(deps);
        Ok(relay)
    }

    /// Every tenant's cursor.
    pub(super) fn cursors(&self) -> Vec<(TenantId, Cursor)> {
        let running = self.progress.iter().filter(|(tenant, _)| !self.stopped.contains(*tenant));
        running.filter_map(|(tenant, progress)| Some((tenant.clone(), progress.cursor?))).collect()
    }

    /// The next page, if any log has events behind its cursor.
    pub(super) async fn offer(
        &mut self,
        deps: &FollowDeps,
        bisection: &Bisection,
    ) -> Result<Option<Page>, Error> {
        match self.ahead.take() {
            Some(read) => read,
            None => self.read(deps, bisection).await,
        }
    }

    /// Reads the page that is offered next while the last one is published, if that one left events
    /// behind; where there is no backlog, what is appended meanwhile makes a larger page later.
    /// Where something is parked, what is written down of it must be true once the last page is
    /// published.
    pub(super) async fn read_ahead(&mut self, deps: &FollowDeps, bisection: &Bisection) {
        if !self.queue.is_empty() && !self.has_parked() {
            self.ahead = Some(self.read(deps, bisection).await);
        }
    }

    async fn read(
        &mut self,
        deps: &FollowDeps,
        bisection: &Bisection,
    ) -> Result<Option<Page>, Error> {
        self.look(deps).await?;
        loop {
            let waiting = self.waiting.len();
            let page = self.read_turn(deps, bisection).await?;
            // Who was found to wait now holds up nobody.
            if page.is_some() || self.waiting.len() == waiting {
                return Ok(page);
            }
        }
    }

    /// A page of those whose turn it is.
    async fn read_turn(
        &mut self,
        deps: &FollowDeps,
        bisection: &Bisection,
    ) -> Result<Option<Page>, Error> {
        let (tenants, events_each_max) = self.turn(bisection);
        if tenants.is_empty() {
            return Ok(self.proving_page(Vec::new()));
        }
        let from = self.dequeue(tenants);
        let read = deps.store.read(&from, &page_scan(events_each_max)).await?;
        self.verify_starts(deps, &read)?;
        let (served, unserved): (Vec<_>, Vec<_>) =
            read.into_iter().partition(|s| !s.events.is_empty());
        // Whom the page's limits left out comes first in the next one.
        let done: HashSet<_> =
            unserved.iter().filter(|s| !s.more).chain(&served).map(|s| s.tenant.clone()).collect();
        let left_out =
            from.into_iter().map(|(tenant, _)| tenant).filter(|tenant| !done.contains(tenant));
        left_out.for_each(|tenant| self.enqueue(tenant));
        let slices: Vec<_> =
            served.into_iter().filter_map(|slice| self.pass(slice, bisection)).collect();
        Ok(self.proving_page(slices))
    }

    /// Stops whoever's log hasn't the event that its slice begins after. Which logs have grown was
    /// asked before, maybe of another server.
    fn verify_starts(&mut self, deps: &FollowDeps, read: &[Slice]) -> Result<(), Error> {
        for slice in read {
            let progress = self.progress.get(&slice.tenant).filter(|p| p.log_id == slice.log_id);
            let Some(progress) = progress else {
                return Err(Error::LogRotated(slice.tenant.clone()));
            };
            if let (Some(cursor), false) = (progress.cursor, slice.has_start) {
                self.stop_gone_back(deps, &slice.tenant, &cursor);
            }
        }
        Ok(())
    }

    /// Whether anything stays behind.
    pub(super) fn has_parked(&self) -> bool {
        self.lots.values().any(|lot| lot.open().next().is_some())
    }

    /// Whose turn it is, and for how many events each: a isolated alone, or several that are none.
    fn turn(&self, bisection: &Bisection) -> (Vec<TenantId>, usize) {
        let relay = Follower::relay();
        let mut ready = self.queue.iter().filter(|tenant| !self.waits(tenant, bisection));
        let Some(first) = ready.next() else { return (Vec::new(), 0) };
        if let Some(events_max) = bisection.isolated(&relay, first) {
            return (vec![first.clone()], events_max.min(bisection.events_max()));
        }
        let others = ready.filter(|tenant| bisection.isolated(&relay, tenant).is_none());
        let others: Vec<_> =
            [first].into_iter().chain(others).take(PAGE_TENANTS_MAX).cloned().collect();
        let each = (bisection.events_max() / others.len()).max(1);
        (others, each)
    }

    /// Whether the tenant, or the topic of its next event, is held back just now.
    fn waits(&self, tenant: &TenantId, bisection: &Bisection) -> bool {
        let topic = self.waiting.get(tenant);
        bisection.held.has_tenant(tenant)
            || topic.is_some_and(|topic| bisection.held.has_topic(topic))
    }

    /// Ends a slice before the first event that can't be sent just now.
    fn cut(&mut self, slice: &mut Slice, bisection: &Bisection) {
        let lot = self.lots.get(&slice.tenant);
        let waits = |event: &Envelope| {
            bisection.held.has_topic(&event.topic) && !lot.is_some_and(|lot| lot.keeps(event))
        };
        let Some(at) = slice.events.iter().position(waits) else {
            self.waiting.remove(&slice.tenant);
            return;
        };
        self.waiting.insert(slice.tenant.clone(), slice.events[at].topic.clone());
        slice.events.truncate(at);
        slice.more = true;
    }

    /// Asks whose logs have grown, and queues them.
    async fn look(&mut self, deps: &FollowDeps) -> Result<(), Error> {
        let changed = deps.store.changed_since(self.lane, self.token).await?;
        if changed.token.incarnation != self.token.incarnation {
            self.verify(deps, &self.cursors()).await?;
            self.verify_parking(deps).await?;
        }
        self.token = changed.token;
        self.take_up(deps, changed.heads).await
    }

    /// Verifies the logs that it sees for the first time, or that end before their cursor, and
    /// queues those that have grown.
    async fn take_up(&mut self, deps: &FollowDeps, heads: Vec<Head>) -> Result<(), Error> {
        let mut met = Vec::new();
        for Head { tenant, log_id, position } in &heads {
            if let Some(progress) = self.progress.get(tenant).filter(|p| p.log_id == *log_id) {
                let ahead = progress.cursor.filter(|cursor| cursor.position > *position);
                met.extend(ahead.map(|cursor| (tenant.clone(), cursor)));
                continue;
            }
            if self.progress.contains_key(tenant) {
                return Err(Error::LogRotated(tenant.clone()));
            }
            let known = self.known.get(&(*log_id, Follower::relay()));
            let cursor = known.map(|KnownCursor { cursor, .. }| *cursor);
            met.extend(cursor.map(|cursor| (tenant.clone(), cursor)));
            let progress = Progress { log_id: *log_id, cursor, head: *position, queued: false };
            self.progress.insert(tenant.clone(), progress);
        }
        self.verify(deps, &met).await?;
        for Head { tenant, position, .. } in heads {
            let progress = self.progress.get_mut(&tenant).expect("it was taken up above");
            progress.head = position;
            if progress.position() < position && !self.stopped.contains(&tenant) {
                self.enqueue(tenant);
            }
        }
        Ok(())
    }

    fn enqueue(&mut self, tenant: TenantId) {
        if let Some(progress) = self.progress.get_mut(&tenant).filter(|p| !p.queued) {
            progress.queued = true;
            self.queue.push_back(tenant);
        }
    }

    /// Takes a tenant out of the queue.
    pub(super) fn dismiss(&mut self, tenant: &TenantId) {
        self.queue.retain(|queued| queued != tenant);
        self.progress.entry(tenant.clone()).and_modify(|progress| progress.queued = false);
    }

    /// Takes these tenants out of the queue, and tells where the relay stands in their logs.
    fn dequeue(&mut self, tenants: Vec<TenantId>) -> Vec<(TenantId, Start)> {
        let taken: HashSet<_> = tenants.iter().collect();
        self.queue.retain(|tenant| !taken.contains(tenant));
        let mut from = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            let progress = self.progress.get_mut(&tenant).expect("who is queued has progress");
            progress.queued = false;
            from.push((tenant, progress.cursor.map_or(Position::START.into(), Start::from)));
        }
        from
    }

    /// Moves the tenant's cursor over the slice. The page that carries it is committed, or else the
    /// whole relay is thrown away.
    fn pass(&mut self, mut slice: Slice, bisection: &Bisection) -> Option<PageSlice> {
        self.cut(&mut slice, bisection);
        let Some(last) = slice.events.last() else {
            self.enqueue(slice.tenant);
            return None;
        };
        let cursor =
            Cursor { log_id: slice.log_id, position: last.position, event_id: last.event_id };
        let progress = self.progress.get_mut(&slice.tenant)?;
        progress.cursor = Some(cursor);
        if slice.more {
            self.enqueue(slice.tenant.clone());
        }
        let (mut events, proof) = (slice.events, proof::of(self.lots.get(&slice.tenant)));
        if let Some(lot) = self.lots.get_mut(&slice.tenant) {
            events.retain(|event| lot.pass(event) == Verdict::Send);
            lot.passed(cursor.position);
        }
        Some(PageSlice { tenant: slice.tenant, events, cursor, proof })
    }
}
