//! Spans around the calls of the port's `Purges`.

use async_trait::async_trait;
use tracing::instrument;

use super::Spans;
use crate::domain::follower::Follower;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::{Error, Lease, LeaseCheck, Purge, PurgeStart, Purges, Store};

#[async_trait]
impl<S: Store> Purges for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn begin_purge(
        &self,
        tenant: &TenantId,
        at: Time,
        published_by: Option<&[Follower]>,
        by: Option<&TrailEntry>,
    ) -> Result<PurgeStart, Error> {
        timed!(self.begin_purge(tenant, at, published_by, by))
    }

    #[instrument(level = "debug", skip_all)]
    async fn purges(&self) -> Result<Vec<Purge>, Error> {
        timed!(self.purges())
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn was_purged(&self, tenant: &TenantId) -> Result<bool, Error> {
        timed!(self.was_purged(tenant))
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(lane = %lease.lane, term = lease.term, %follower, tenant = %purge.tenant)
    )]
    async fn pass_purge(
        &self,
        lease: &Lease,
        follower: &Follower,
        purge: &Purge,
    ) -> Result<LeaseCheck, Error> {
        timed!(self.pass_purge(lease, follower, purge))
    }

    #[instrument(level = "debug", skip_all, fields(%follower, tenant = %purge.tenant))]
    async fn note_removed(&self, follower: &Follower, purge: &Purge) -> Result<(), Error> {
        timed!(self.note_removed(follower, purge))
    }

    #[instrument(level = "debug", skip_all, fields(tenant = %purge.tenant, max))]
    async fn purge_step(&self, purge: &Purge, max: usize) -> Result<bool, Error> {
        timed!(self.purge_step(purge, max))
    }

    #[instrument(level = "debug", skip_all, fields(tenant = %purge.tenant))]
    async fn end_purge(&self, purge: &Purge, at: Time) -> Result<bool, Error> {
        timed!(self.end_purge(purge, at))
    }
}
