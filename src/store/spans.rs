//! Spans around each call of the store's ports, for all adapters: with the tenant, the lane, the
//! follower and the positions that it is about.
//!
//! `open` wraps every adapter in it. The spans are at `debug`, which is off by default: then no
//! field is formatted. A call is not changed in any other way.

mod erasures;
mod expansions;
mod positions;
mod purges;
mod removal;
mod replays;
mod subscriptions;
mod tenant_jobs;
mod trail;

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use tracing::{Span, field, instrument};

use super::{
    Batch, ChangeToken, Changed, Cursors, Error, EventCounts, Lag, Lease, LeaseCheck, Leases, Log,
    LogLedger, Members, Outcome, Parking, Scan, Slice, Start, Store, TenantLog, Tenants,
};
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::incarnation::Incarnations;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request};
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::domain::transition::Transition;
use positions::{cursors, scanned, starts};

/// A store whose calls have spans.
pub(super) struct Spans<S>(pub(super) S);

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
        self.0.append(batches).await
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(tenants = from.len(), from = %starts(from), to = field::Empty)
    )]
    async fn read(&self, from: &[(TenantId, Start)], scan: &Scan) -> Result<Vec<Slice>, Error> {
        let slices = self.0.read(from, scan).await?;
        Span::current().record("to", field::display(scanned(&slices)));
        Ok(slices)
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn topics(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        self.0.topics(tenant).await
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
        self.0.count_events(tenant, topic, key, range).await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %event_id, position = field::Empty))]
    async fn find(&self, tenant: &TenantId, event_id: EventId) -> Result<Option<Envelope>, Error> {
        let found = self.0.find(tenant, event_id).await?;
        note_position(found.as_ref().map(|event| event.position));
        Ok(found)
    }

    #[instrument(level = "debug", skip_all, fields(%lane, since = since.at))]
    async fn changed_since(&self, lane: Lane, since: ChangeToken) -> Result<Changed, Error> {
        self.0.changed_since(lane, since).await
    }
}

#[async_trait]
impl<S: Store> Cursors for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(%tenant, %follower, position = field::Empty))]
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error> {
        let cursor = self.0.load(tenant, follower).await?;
        note_position(cursor.map(|cursor| cursor.position));
        Ok(cursor)
    }

    #[instrument(level = "debug", skip_all, fields(%lane, %follower))]
    async fn load_lane(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<(TenantId, Cursor)>, Error> {
        self.0.load_lane(lane, follower).await
    }

    #[instrument(level = "debug", skip_all, fields(%follower, events = field::Empty))]
    async fn lag(&self, follower: &Follower) -> Result<Lag, Error> {
        let lag = self.0.lag(follower).await?;
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
        self.0.checkpoint(lease, follower, to).await
    }
}

#[async_trait]
impl<S: Store> Tenants for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn enable_if_new(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error> {
        self.0.enable_if_new(tenant, log_id).await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn enable(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        self.0.enable(tenant, log_id, by).await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn disable(
        &self,
        tenant: &TenantId,
        at: Time,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let done = self.0.disable(tenant, at, by).await?;
        trail::told(by.filter(|_| done));
        Ok(done)
    }

    #[instrument(level = "debug", skip_all)]
    async fn count(&self) -> Result<usize, Error> {
        self.0.count().await
    }

    #[instrument(level = "debug", skip_all)]
    async fn list(&self) -> Result<Vec<TenantLog>, Error> {
        self.0.list().await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn find_tenant(&self, tenant: &TenantId) -> Result<Option<TenantLog>, Error> {
        self.0.find_tenant(tenant).await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn incarnations(&self, tenant: &TenantId) -> Result<Incarnations, Error> {
        self.0.incarnations(tenant).await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %old, %new, position = %at))]
    async fn rotate_log_id(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error> {
        self.0.rotate_log_id(tenant, old, new, at).await
    }
}

#[async_trait]
impl<S: Store> Leases for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(lanes = wanted))]
    async fn lanes(&self, wanted: u16) -> Result<u16, Error> {
        self.0.lanes(wanted).await
    }

    #[instrument(level = "debug", skip_all, fields(%lane, %by))]
    async fn acquire(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        self.0.acquire(lane, by, ttl).await
    }

    #[instrument(level = "debug", skip_all, fields(%lane, %by))]
    async fn seize(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Lease, Error> {
        self.0.seize(lane, by, ttl).await
    }

    #[instrument(level = "debug", skip_all, fields(lane = %lease.lane, term = lease.term))]
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<LeaseCheck, Error> {
        self.0.renew(lease, ttl).await
    }

    #[instrument(level = "debug", skip_all, fields(lane = %lease.lane, term = lease.term))]
    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.0.release(lease).await
    }

    #[instrument(level = "debug", skip_all, fields(%replica, %instance))]
    async fn heartbeat(
        &self,
        replica: &str,
        instance: &str,
        ttl: Duration,
    ) -> Result<Option<String>, Error> {
        self.0.heartbeat(replica, instance, ttl).await
    }

    #[instrument(level = "debug", skip_all, fields(%replica))]
    async fn deregister(&self, replica: &str) -> Result<(), Error> {
        self.0.deregister(replica).await
    }

    #[instrument(level = "debug", skip_all)]
    async fn members(&self) -> Result<Members, Error> {
        self.0.members().await
    }

    #[instrument(level = "debug", skip_all, fields(%by, lanes = lanes, moves = moves.len()))]
    async fn resize(&self, by: &str, lanes: u16, moves: &[(TenantId, Lane)]) -> Result<(), Error> {
        self.0.resize(by, lanes, moves).await
    }
}

#[async_trait]
impl<S: Store> Parking for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(%tenant, %follower))]
    async fn parked(&self, tenant: &TenantId, follower: &Follower) -> Result<Vec<Parked>, Error> {
        self.0.parked(tenant, follower).await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %from, position = field::Empty))]
    async fn relayed(
        &self,
        tenant: &TenantId,
        from: Position,
    ) -> Result<(Option<Cursor>, Vec<Parked>), Error> {
        let relayed = self.0.relayed(tenant, from).await?;
        note_position(relayed.0.map(|cursor| cursor.position));
        Ok(relayed)
    }

    #[instrument(level = "debug", skip_all, fields(%lane, %follower))]
    async fn parked_lane(&self, lane: Lane, follower: &Follower) -> Result<Vec<Parked>, Error> {
        self.0.parked_lane(lane, follower).await
    }

    #[instrument(level = "debug", skip_all, fields(%lane, %follower))]
    async fn parking_ledgers(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<LogLedger>, Error> {
        self.0.parking_ledgers(lane, follower).await
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(
            lane = %lease.lane, term = lease.term, %follower, transitions = transitions.len()
        )
    )]
    async fn write_transitions(
        &self,
        lease: &Lease,
        follower: &Follower,
        transitions: &[Transition],
    ) -> Result<LeaseCheck, Error> {
        self.0.write_transitions(lease, follower, transitions).await
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(%tenant, %follower, %event_id, request = request.0.as_str())
    )]
    async fn request(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        event_id: EventId,
        request: (Request, Option<&str>),
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let done = self.0.request(tenant, follower, event_id, request, by).await?;
        trail::told(by.filter(|_| done));
        Ok(done)
    }

    #[instrument(level = "debug", skip_all)]
    async fn event_counts(&self) -> Result<EventCounts, Error> {
        self.0.event_counts().await
    }
}

#[async_trait]
impl<S: Store> Store for Spans<S> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn writers(&self) -> usize {
        self.0.writers()
    }

    fn group_drafts_min(&self) -> usize {
        self.0.group_drafts_min()
    }

    fn event_bytes_max(&self) -> usize {
        self.0.event_bytes_max()
    }

    #[instrument(level = "debug", skip_all)]
    async fn check(&self) -> Result<(), Error> {
        self.0.check().await
    }

    #[instrument(level = "debug", skip_all)]
    async fn close(&self) -> Result<(), Error> {
        self.0.close().await
    }
}
