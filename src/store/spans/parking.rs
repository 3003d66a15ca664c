//! Spans around the calls of the port's `Parking`.
//!
//! Part of the wrapper around every adapter.

use async_trait::async_trait;
use tracing::{field, instrument};

use super::{Spans, note_position, trail};
use crate::domain::cursor::Cursor;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::domain::transition::Transition;
use crate::store::{Error, EventCounts, Lease, LeaseCheck, LogLedger, Parking, Store};

#[async_trait]
impl<S: Store> Parking for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(%tenant, %follower))]
    async fn parked(&self, tenant: &TenantId, follower: &Follower) -> Result<Vec<Parked>, Error> {
        timed!(self.parked(tenant, follower))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %from, position = field::Empty))]
    async fn relayed(
        &self,
        tenant: &TenantId,
        from: Position,
    ) -> Result<(Option<Cursor>, Vec<Parked>), Error> {
        let relayed = timed!(self.relayed(tenant, from))?;
        note_position(relayed.0.map(|cursor| cursor.position));
        Ok(relayed)
    }

    #[instrument(level = "debug", skip_all, fields(%lane, %follower))]
    async fn parked_lane(&self, lane: Lane, follower: &Follower) -> Result<Vec<Parked>, Error> {
        timed!(self.parked_lane(lane, follower))
    }

    #[instrument(level = "debug", skip_all, fields(%lane, %follower))]
    async fn parking_ledgers(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<LogLedger>, Error> {
        timed!(self.parking_ledgers(lane, follower))
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
        timed!(self.write_transitions(lease, follower, transitions))
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
        let done = timed!(self.request(tenant, follower, event_id, request, by))?;
        trail::told(by.filter(|_| done));
        Ok(done)
    }

    #[instrument(level = "debug", skip_all)]
    async fn drop_resolved(&self, before: Time, max: usize) -> Result<u64, Error> {
        timed!(self.drop_resolved(before, max))
    }

    #[instrument(level = "debug", skip_all)]
    async fn event_counts(&self) -> Result<EventCounts, Error> {
        timed!(self.event_counts())
    }
}
