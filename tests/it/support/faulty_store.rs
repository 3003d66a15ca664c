//! A store that fails as a test asks: it wraps a real one, and holds appends back, fails, or breaks
//! one call.
//!
//! The stories about full queues, failing stores and single failed calls use it.

mod claims;
mod erasures;
mod listening;
mod parking;
mod purges;
mod removal;
mod replays;
mod subscriptions;
mod tenant_jobs;
mod trail;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::event::EventId;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::incarnation::Incarnations;
use event_gateway::domain::key::Key;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::{LogId, Position};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::topic::Topic;
use event_gateway::domain::trail::TrailEntry;
use event_gateway::store::*;
use tokio::sync::watch;

use crate::support::fake_sink::Fault;

/// The way in which it answers calls.
#[derive(Clone)]
pub enum Mode {
    /// It answers like the real one.
    Healthy,
    /// Appends and checks wait until the mode is another.
    Holding,
    /// Every call fails with this error.
    Failing(Error),
    /// Only calls about cursors fail with this error.
    FailingCursors(Error),
    /// Appends that contain one of these events fail with an error that depends on their number of
    /// batches.
    RefusingEvents(Vec<EventId>, fn(usize) -> Error),
    /// Every call from a number on fails with this error.
    FailingFrom(usize, Error),
    /// Purges always have more rows to remove; all else is answered like by the real one.
    PurgingWithoutEnd,
    /// Calls of this kind panic.
    Panicking(Call),
}

/// The purpose of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Append,
    Cursor,
    /// The call acquires a lane.
    Acquire,
    Check,
    Other,
}

pub struct FaultyStore {
    inner: Arc<dyn Store>,
    mode: watch::Sender<Mode>,
    /// The call that breaks, counted from 1, and the way in which it does.
    fault: Option<(usize, Fault)>,
    group_drafts_min: Option<usize>,
    calls: AtomicUsize,
    /// Returns the number of appends that were begun.
    pub begun: AtomicUsize,
    /// The steps of removals.
    removals: Mutex<Vec<RemovalStep>>,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn Store>) -> Self {
        let (calls, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self {
            inner,
            mode: watch::Sender::new(Mode::Healthy),
            fault: None,
            group_drafts_min: None,
            calls,
            begun,
            removals: Mutex::default(),
        }
    }

    /// Makes a store whose call of a number breaks.
    pub fn with_fault(inner: Arc<dyn Store>, fault: Option<(usize, Fault)>) -> Self {
        Self { fault, ..Self::new(inner) }
    }

    /// Makes a store that prefers so many drafts in an append.
    pub fn with_group_min(inner: Arc<dyn Store>, group_drafts_min: usize) -> Self {
        Self { group_drafts_min: Some(group_drafts_min), ..Self::new(inner) }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Returns the number of calls.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn through<T>(
        &self,
        call: Call,
        act: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.willing(call, number).await?;
        let broken = "broken by the test".to_owned();
        match self.fault.filter(|(call, _)| *call == number) {
            Some((_, Fault::Before)) => Err(Error::Unavailable(broken)),
            Some((_, Fault::After)) => act.await.and(Err(Error::Unknown(broken))),
            None => act.await,
        }
    }

    async fn willing(&self, call: Call, number: usize) -> Result<(), Error> {
        if call == Call::Append {
            self.begun.fetch_add(1, Ordering::SeqCst);
        }
        let mut mode = self.mode.subscribe();
        let waits = |mode: &Mode| {
            matches!(mode, Mode::Holding) && matches!(call, Call::Append | Call::Check)
        };
        let mode = mode.wait_for(|mode| !waits(mode)).await.unwrap().clone();
        match mode {
            Mode::Failing(error) => Err(error),
            Mode::FailingCursors(error) if call == Call::Cursor => Err(error),
            Mode::FailingFrom(first, error) if number >= first => Err(error),
            Mode::Panicking(of) if of == call => panic!("a panic of {call:?}"),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Log for FaultyStore {
    async fn append(&self, batches: &[Batch]) -> Result<Vec<Outcome>, Error> {
        let holds = |id: &EventId| {
            batches.iter().any(|batch| batch.drafts.iter().any(|d| d.event_id == *id))
        };
        let act = async {
            let mode = self.mode.borrow().clone();
            match mode {
                Mode::RefusingEvents(on, error) if on.iter().any(holds) => {
                    Err(error(batches.len()))
                }
                _ => self.inner.append(batches).await,
            }
        };
        self.through(Call::Append, act).await
    }

    async fn read(&self, from: &[(TenantId, Start)], scan: &Scan) -> Result<Vec<Slice>, Error> {
        self.through(Call::Other, self.inner.read(from, scan)).await
    }

    async fn topics(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        self.through(Call::Other, self.inner.topics(tenant)).await
    }

    async fn count_events(
        &self,
        tenant: &TenantId,
        topic: &Topic,
        key: Option<&Key>,
        range: Range<Position>,
    ) -> Result<u64, Error> {
        self.through(Call::Other, self.inner.count_events(tenant, topic, key, range)).await
    }

    async fn find(&self, tenant: &TenantId, event_id: EventId) -> Result<Option<Envelope>, Error> {
        self.through(Call::Other, self.inner.find(tenant, event_id)).await
    }

    async fn changed_since(&self, lane: Lane, since: ChangeToken) -> Result<Changed, Error> {
        self.through(Call::Other, self.inner.changed_since(lane, since)).await
    }
}

#[async_trait]
impl Cursors for FaultyStore {
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error> {
        self.through(Call::Cursor, self.inner.load(tenant, follower)).await
    }

    async fn load_lane(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<(TenantId, Cursor)>, Error> {
        self.through(Call::Cursor, self.inner.load_lane(lane, follower)).await
    }

    async fn lag(&self, follower: &Follower) -> Result<Lag, Error> {
        self.through(Call::Cursor, self.inner.lag(follower)).await
    }

    async fn checkpoint(
        &self,
        lease: &Lease,
        follower: &Follower,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<LeaseCheck, Error> {
        self.through(Call::Cursor, self.inner.checkpoint(lease, follower, cursors)).await
    }
}

#[async_trait]
impl Tenants for FaultyStore {
    async fn enable_if_new(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error> {
        self.through(Call::Other, self.inner.enable_if_new(tenant, log_id)).await
    }

    async fn enable_beside(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        comes_back: ComesBack,
        beside: &[TenantId],
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let enabled = self.inner.enable_beside(tenant, log_id, comes_back, beside, by);
        self.through(Call::Other, enabled).await
    }

    async fn enable(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.enable(tenant, log_id, by)).await
    }

    async fn disable(
        &self,
        tenant: &TenantId,
        at: Time,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.disable(tenant, at, by)).await
    }

    async fn count(&self) -> Result<usize, Error> {
        self.through(Call::Other, self.inner.count()).await
    }

    async fn find_tenant(&self, tenant: &TenantId) -> Result<Option<TenantLog>, Error> {
        self.through(Call::Other, self.inner.find_tenant(tenant)).await
    }

    async fn list(&self) -> Result<Vec<TenantLog>, Error> {
        self.through(Call::Other, self.inner.list()).await
    }

    async fn incarnations(&self, tenant: &TenantId) -> Result<Incarnations, Error> {
        self.through(Call::Other, self.inner.incarnations(tenant)).await
    }

    async fn rotate_log_id(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.rotate_log_id(tenant, old, new, at)).await
    }
}

#[async_trait]
impl Leases for FaultyStore {
    async fn lanes(&self, wanted: u16) -> Result<u16, Error> {
        self.through(Call::Other, self.inner.lanes(wanted)).await
    }

    async fn acquire(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        self.through(Call::Acquire, self.inner.acquire(lane, by, ttl)).await
    }

    async fn seize(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Lease, Error> {
        self.through(Call::Other, self.inner.seize(lane, by, ttl)).await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<LeaseCheck, Error> {
        self.through(Call::Other, self.inner.renew(lease, ttl)).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.through(Call::Other, self.inner.release(lease)).await
    }

    async fn heartbeat(
        &self,
        replica: &str,
        instance: &str,
        ttl: Duration,
    ) -> Result<Option<String>, Error> {
        self.through(Call::Other, self.inner.heartbeat(replica, instance, ttl)).await
    }

    async fn deregister(&self, replica: &str) -> Result<(), Error> {
        self.through(Call::Other, self.inner.deregister(replica)).await
    }

    async fn members(&self) -> Result<Members, Error> {
        self.through(Call::Other, self.inner.members()).await
    }

    async fn resize(&self, by: &str, lanes: u16, moves: &[(TenantId, Lane)]) -> Result<(), Error> {
        self.through(Call::Other, self.inner.resize(by, lanes, moves)).await
    }
}

#[async_trait]
impl Store for FaultyStore {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn writers(&self) -> usize {
        self.inner.writers()
    }

    fn group_drafts_min(&self) -> usize {
        self.group_drafts_min.unwrap_or(self.inner.group_drafts_min())
    }

    fn event_bytes_max(&self) -> usize {
        self.inner.event_bytes_max()
    }

    async fn disk_bytes(&self) -> Result<u64, Error> {
        self.through(Call::Other, self.inner.disk_bytes()).await
    }

    async fn check(&self) -> Result<(), Error> {
        self.through(Call::Check, self.inner.check()).await
    }
}
