//! The port's `Purges` through faults.

use async_trait::async_trait;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::TrailEntry;
use event_gateway::store::{Error, Lease, LeaseCheck, Purge, PurgeStart, Purges};

use super::{Call, FaultyStore, Mode};

#[async_trait]
impl Purges for FaultyStore {
    async fn begin_purge(
        &self,
        tenant: &TenantId,
        at: Time,
        published_by: Option<&[Follower]>,
        by: Option<&TrailEntry>,
    ) -> Result<PurgeStart, Error> {
        self.through(Call::Other, self.inner.begin_purge(tenant, at, published_by, by)).await
    }

    async fn was_purged(&self, tenant: &TenantId) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.was_purged(tenant)).await
    }

    async fn purges(&self) -> Result<Vec<Purge>, Error> {
        self.through(Call::Other, self.inner.purges()).await
    }

    async fn pass_purge(
        &self,
        lease: &Lease,
        follower: &Follower,
        purge: &Purge,
    ) -> Result<LeaseCheck, Error> {
        self.through(Call::Other, self.inner.pass_purge(lease, follower, purge)).await
    }

    async fn note_removed(&self, follower: &Follower, purge: &Purge) -> Result<(), Error> {
        self.through(Call::Other, self.inner.note_removed(follower, purge)).await
    }

    async fn purge_step(&self, purge: &Purge, max: usize) -> Result<bool, Error> {
        if let Mode::PurgingWithoutEnd = &*self.mode.borrow() {
            return Ok(true);
        }
        self.through(Call::Other, self.inner.purge_step(purge, max)).await
    }

    async fn end_purge(&self, purge: &Purge, at: Time) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.end_purge(purge, at)).await
    }
}
