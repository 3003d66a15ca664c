//! Spans around each call of the store's ports, for all adapters: with the tenant, the lane, the
//! follower and the positions that it is about. An observer is told how long the call took.
//!
//! `open` wraps every adapter in it. The spans are at `debug`, which is off by default: then no
//! field is formatted. A call is not changed in any other way.

/// Calls the wrapped store, and tells the observer by the name of the call.
macro_rules! timed {
    ($self:ident.$call:ident($($argument:expr),* $(,)?)) => {
        $self.timed(stringify!($call), $self.store.$call($($argument),*)).await
    };
}

mod claims;
mod erasures;
mod expansions;
mod listening;
mod parking;
mod positions;
mod purges;
mod removal;
mod replays;
mod subscriptions;
mod tenant_jobs;
mod trail;

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tracing::{Span, field, instrument};

use super::{
    Batch, Calls, ChangeToken, Changed, ComesBack, Cursors, Error, Lag, Lease, LeaseCheck, Leases,
    Log, Members, Outcome, Scan, Slice, Start, Store, TenantLog, Tenants,
};
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::incarnation::Incarnations;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use positions::{cursors, scanned, starts};

/// A store whose calls have spans and, once there is one, an observer.
pub(super) struct Spans<S> {
    store: S,
    calls: OnceLock<Arc<dyn Calls>>,
}

impl<S: Store> Spans<S> {
    pub(super) fn new(store: S) -> Self {
        Self { store, calls: OnceLock::new() }
    }

    /// Waits for a call, and tells the observer.
    async fn timed<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(calls) = self.calls.get() else { return call.await };
        let begun = Instant::now();
        let done = call.await;
        calls.called(operation, begun.elapsed(), done.as_ref().err().map(Error::label));
        done
    }
}

/// Notes the position that a call has found in its span.
fn note_position(position: Option<Position>) {
    if let Some(position) = position {
        Span::current().record("position", field::display(position));
    }
}

#[async_trait]
impl<S: Store> Log for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(batches = batches.len()))]
    async fn append(&self, batches: &[Batch]) -> Result<Vec<Outcome>, Error> {
        timed!(self.append(batches))
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(tenants = from.len(), from = %starts(from), to = field::Empty)
    )]
    async fn read(&self, from: &[(TenantId, Start)], scan: &Scan) -> Result<Vec<Slice>, Error> {
        let slices = timed!(self.read(from, scan))?;
        Span::current().record("to", field::display(scanned(&slices)));
        Ok(slices)
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn topics(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        timed!(self.topics(tenant))
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(%tenant, %topic, from = %range.start, to = %range.end)
    )]
    async fn count_events(
        &self,
        tenant: &TenantId,
        topic: &Topic,
        key: Option<&Key>,
        range: Range<Position>,
    ) -> Result<u64, Error> {
        timed!(self.count_events(tenant, topic, key, range))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %event_id, position = field::Empty))]
    async fn find(&self, tenant: &TenantId, event_id: EventId) -> Result<Option<Envelope>, Error> {
        let found = timed!(self.find(tenant, event_id))?;
        note_position(found.as_ref().map(|event| event.position));
        Ok(found)
    }

    #[instrument(level = "debug", skip_all, fields(%lane, since = since.at))]
    async fn changed_since(&self, lane: Lane, since: ChangeToken) -> Result<Changed, Error> {
        timed!(self.changed_since(lane, since))
    }
}

#[async_trait]
impl<S: Store> Cursors for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(%tenant, %follower, position = field::Empty))]
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error> {
        let cursor = timed!(self.load(tenant, follower))?;
        note_position(cursor.map(|cursor| cursor.position));
        Ok(cursor)
    }

    #[instrument(level = "debug", skip_all, fields(%lane, %follower))]
    async fn load_lane(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<(TenantId, Cursor)>, Error> {
        timed!(self.load_lane(lane, follower))
    }

    #[instrument(level = "debug", skip_all, fields(%follower, events = field::Empty))]
    async fn lag(&self, follower: &Follower) -> Result<Lag, Error> {
        let lag = timed!(self.lag(follower))?;
        Span::current().record("events", lag.events);
        Ok(lag)
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(lane = %lease.lane, term = lease.term, %follower, to = %cursors(to))
    )]
    async fn checkpoint(
        &self,
        lease: &Lease,
        follower: &Follower,
        to: &[(TenantId, Cursor)],
    ) -> Result<LeaseCheck, Error> {
        timed!(self.checkpoint(lease, follower, to))
    }
}

#[async_trait]
impl<S: Store> Tenants for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn enable_if_new(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error> {
        timed!(self.enable_if_new(tenant, log_id))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn enable_beside(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        comes_back: ComesBack,
        beside: &[TenantId],
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        timed!(self.enable_beside(tenant, log_id, comes_back, beside, by))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn enable(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        timed!(self.enable(tenant, log_id, by))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn disable(
        &self,
        tenant: &TenantId,
        at: Time,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let done = timed!(self.disable(tenant, at, by))?;
        trail::told(by.filter(|_| done));
        Ok(done)
    }

    #[instrument(level = "debug", skip_all)]
    async fn count(&self) -> Result<usize, Error> {
        timed!(self.count())
    }

    #[instrument(level = "debug", skip_all)]
    async fn list(&self) -> Result<Vec<TenantLog>, Error> {
        timed!(self.list())
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn find_tenant(&self, tenant: &TenantId) -> Result<Option<TenantLog>, Error> {
        timed!(self.find_tenant(tenant))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn incarnations(&self, tenant: &TenantId) -> Result<Incarnations, Error> {
        timed!(self.incarnations(tenant))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %old, %new, position = %at))]
    async fn rotate_log_id(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error> {
        timed!(self.rotate_log_id(tenant, old, new, at))
    }
}

#[async_trait]
impl<S: Store> Leases for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(lanes = wanted))]
    async fn lanes(&self, wanted: u16) -> Result<u16, Error> {
        timed!(self.lanes(wanted))
    }

    #[instrument(level = "debug", skip_all, fields(%lane, %by))]
    async fn acquire(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        timed!(self.acquire(lane, by, ttl))
    }

    #[instrument(level = "debug", skip_all, fields(%lane, %by))]
    async fn seize(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Lease, Error> {
        timed!(self.seize(lane, by, ttl))
    }

    #[instrument(level = "debug", skip_all, fields(lane = %lease.lane, term = lease.term))]
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<LeaseCheck, Error> {
        timed!(self.renew(lease, ttl))
    }

    #[instrument(level = "debug", skip_all, fields(lane = %lease.lane, term = lease.term))]
    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        timed!(self.release(lease))
    }

    #[instrument(level = "debug", skip_all, fields(%replica, %instance))]
    async fn heartbeat(
        &self,
        replica: &str,
        instance: &str,
        ttl: Duration,
    ) -> Result<Option<String>, Error> {
        timed!(self.heartbeat(replica, instance, ttl))
    }

    #[instrument(level = "debug", skip_all, fields(%replica))]
    async fn deregister(&self, replica: &str) -> Result<(), Error> {
        timed!(self.deregister(replica))
    }

    #[instrument(level = "debug", skip_all)]
    async fn members(&self) -> Result<Members, Error> {
        timed!(self.members())
    }

    #[instrument(level = "debug", skip_all, fields(%by, lanes = lanes, moves = moves.len()))]
    async fn resize(&self, by: &str, lanes: u16, moves: &[(TenantId, Lane)]) -> Result<(), Error> {
        timed!(self.resize(by, lanes, moves))
    }
}

#[async_trait]
impl<S: Store> Store for Spans<S> {
    fn name(&self) -> &'static str {
        self.store.name()
    }

    fn observe(&self, calls: Arc<dyn Calls>) {
        // A second observer is not told, since nobody has two.
        let _ = self.calls.set(calls);
    }

    fn writers(&self) -> usize {
        self.store.writers()
    }

    fn group_drafts_min(&self) -> usize {
        self.store.group_drafts_min()
    }

    fn event_bytes_max(&self) -> usize {
        self.store.event_bytes_max()
    }

    #[instrument(level = "debug", skip_all)]
    async fn disk_bytes(&self) -> Result<u64, Error> {
        timed!(self.disk_bytes())
    }

    #[instrument(level = "debug", skip_all)]
    async fn check(&self) -> Result<(), Error> {
        timed!(self.check())
    }

    #[instrument(level = "debug", skip_all)]
    async fn close(&self) -> Result<(), Error> {
        timed!(self.close())
    }
}
