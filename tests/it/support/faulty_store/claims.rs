//! The port `Claims` of a store that fails as a test asks.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use event_gateway::domain::claim::{ActionRun, RootId};
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::{Claims, Error};

use super::{Call, FaultyStore};

#[async_trait]
impl Claims for FaultyStore {
    async fn claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
        ttl: Duration,
    ) -> Result<BTreeSet<RootId>, Error> {
        self.through(Call::Other, self.inner.claim(tenant, run, roots, ttl)).await
    }

    async fn find_claims(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
    ) -> Result<BTreeSet<RootId>, Error> {
        self.through(Call::Other, self.inner.find_claims(tenant, run, roots)).await
    }

    async fn release_claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        root: &RootId,
    ) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.release_claim(tenant, run, root)).await
    }

    async fn drop_claims(&self, max: usize) -> Result<u64, Error> {
        self.through(Call::Other, self.inner.drop_claims(max)).await
    }
}
