//! The calls about replays of the store that fails as a test asks.

use async_trait::async_trait;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::replay::{Rate, Replay, ReplayId, Wish};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::TrailEntry;
use event_gateway::store::*;

use super::{Call, FaultyStore};

#[async_trait]
impl Replays for FaultyStore {
    async fn add_replay(&self, replay: &Replay, by: Option<&TrailEntry>) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.add_replay(replay, by)).await
    }

    async fn replays(&self, tenant: &TenantId) -> Result<Vec<Replay>, Error> {
        self.through(Call::Other, self.inner.replays(tenant)).await
    }

    async fn find_replay(&self, tenant: &TenantId, id: ReplayId) -> Result<Option<Replay>, Error> {
        self.through(Call::Other, self.inner.find_replay(tenant, id)).await
    }

    async fn open_replays(&self, lane: Lane) -> Result<Vec<Replay>, Error> {
        self.through(Call::Other, self.inner.open_replays(lane)).await
    }

    async fn wish_replay(
        &self,
        tenant: &TenantId,
        id: ReplayId,
        wish: (Wish, Time),
        rate: Option<Rate>,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.wish_replay(tenant, id, wish, rate, by)).await
    }

    async fn claim_replay(
        &self,
        lease: &Lease,
        tenant: &TenantId,
        number: u64,
    ) -> Result<Option<Replay>, Error> {
        self.through(Call::Other, self.inner.claim_replay(lease, tenant, number)).await
    }

    async fn write_replay(&self, lease: &Lease, replay: &Replay) -> Result<LeaseCheck, Error> {
        self.through(Call::Other, self.inner.write_replay(lease, replay)).await
    }

    async fn drop_replays(&self, before: Time) -> Result<u64, Error> {
        self.through(Call::Other, self.inner.drop_replays(before)).await
    }
}
