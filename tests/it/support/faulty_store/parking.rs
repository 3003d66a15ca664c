//! The calls about parked scopes of the store that fails as a test asks.

use async_trait::async_trait;
use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::event::EventId;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::parked::{Parked, Request};
use event_gateway::domain::position::Position;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::TrailEntry;
use event_gateway::domain::transition::Transition;
use event_gateway::store::*;

use super::{Call, FaultyStore};

#[async_trait]
impl Parking for FaultyStore {
    async fn parked(&self, tenant: &TenantId, follower: &Follower) -> Result<Vec<Parked>, Error> {
        self.through(Call::Other, self.inner.parked(tenant, follower)).await
    }

    async fn relayed(
        &self,
        tenant: &TenantId,
        from: Position,
    ) -> Result<(Option<Cursor>, Vec<Parked>), Error> {
        self.through(Call::Cursor, self.inner.relayed(tenant, from)).await
    }

    async fn parked_lane(&self, lane: Lane, follower: &Follower) -> Result<Vec<Parked>, Error> {
        self.through(Call::Other, self.inner.parked_lane(lane, follower)).await
    }

    async fn parking_ledgers(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<LogLedger>, Error> {
        self.through(Call::Other, self.inner.parking_ledgers(lane, follower)).await
    }

    async fn write_transitions(
        &self,
        lease: &Lease,
        follower: &Follower,
        transitions: &[Transition],
    ) -> Result<LeaseCheck, Error> {
        let write = self.inner.write_transitions(lease, follower, transitions);
        self.through(Call::Other, write).await
    }

    async fn request(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        event_id: EventId,
        request: (Request, Option<&str>),
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let request = self.inner.request(tenant, follower, event_id, request, by);
        self.through(Call::Other, request).await
    }

    async fn drop_resolved(&self, before: Time, max: usize) -> Result<u64, Error> {
        self.through(Call::Other, self.inner.drop_resolved(before, max)).await
    }

    async fn event_counts(&self) -> Result<EventCounts, Error> {
        self.through(Call::Other, self.inner.event_counts()).await
    }
}
