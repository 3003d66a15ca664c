//! Spans around each call of the port `Claims`.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use tracing::instrument;

use super::Spans;
use crate::domain::claim::{ActionRun, RootId};
use crate::domain::tenant::TenantId;
use crate::store::{Claims, Error, Store};

#[async_trait]
impl<S: Store> Claims for Spans<S> {
    #[instrument(
        level = "debug",
        skip_all,
        fields(%tenant, action = %run.action, events = roots.len())
    )]
    async fn claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
        ttl: Duration,
    ) -> Result<BTreeSet<RootId>, Error> {
        timed!(self.claim(tenant, run, roots, ttl))
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(%tenant, action = %run.action, events = roots.len())
    )]
    async fn find_claims(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
    ) -> Result<BTreeSet<RootId>, Error> {
        timed!(self.find_claims(tenant, run, roots))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, action = %run.action, %root))]
    async fn release_claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        root: &RootId,
    ) -> Result<bool, Error> {
        timed!(self.release_claim(tenant, run, root))
    }

    #[instrument(level = "debug", skip_all, fields(max))]
    async fn drop_claims(&self, max: usize) -> Result<u64, Error> {
        timed!(self.drop_claims(max))
    }
}
