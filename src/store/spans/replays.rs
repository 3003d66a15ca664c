//! Spans around the calls of the port's `Replays`.
//!
//! Part of the wrapper around every adapter.

use async_trait::async_trait;
use tracing::instrument;

use super::{Spans, trail};
use crate::domain::lane::Lane;
use crate::domain::replay::{Rate, Replay, ReplayId, Wish};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::{Error, Lease, LeaseCheck, Replays, Store};

#[async_trait]
impl<S: Store> Replays for Spans<S> {
    #[instrument(
        level = "debug",
        skip_all,
        fields(tenant = %replay.tenant, id = %replay.id, number = replay.number)
    )]
    async fn add_replay(&self, replay: &Replay, by: Option<&TrailEntry>) -> Result<bool, Error> {
        let done = self.0.add_replay(replay, by).await?;
        trail::told(by.filter(|_| done));
        Ok(done)
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn replays(&self, tenant: &TenantId) -> Result<Vec<Replay>, Error> {
        self.0.replays(tenant).await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %id))]
    async fn find_replay(&self, tenant: &TenantId, id: ReplayId) -> Result<Option<Replay>, Error> {
        self.0.find_replay(tenant, id).await
    }

    #[instrument(level = "debug", skip_all, fields(%lane))]
    async fn open_replays(&self, lane: Lane) -> Result<Vec<Replay>, Error> {
        self.0.open_replays(lane).await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %id, wish = wish.0.as_str()))]
    async fn wish_replay(
        &self,
        tenant: &TenantId,
        id: ReplayId,
        wish: (Wish, Time),
        rate: Option<Rate>,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let done = self.0.wish_replay(tenant, id, wish, rate, by).await?;
        trail::told(by.filter(|_| done));
        Ok(done)
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(lane = %lease.lane, term = lease.term, %tenant, number)
    )]
    async fn claim_replay(
        &self,
        lease: &Lease,
        tenant: &TenantId,
        number: u64,
    ) -> Result<Option<Replay>, Error> {
        self.0.claim_replay(lease, tenant, number).await
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(
            lane = %lease.lane,
            term = lease.term,
            tenant = %replay.tenant,
            id = %replay.id,
            position = %replay.progress.position
        )
    )]
    async fn write_replay(&self, lease: &Lease, replay: &Replay) -> Result<LeaseCheck, Error> {
        self.0.write_replay(lease, replay).await
    }

    #[instrument(level = "debug", skip_all, fields(%before))]
    async fn drop_replays(&self, before: Time) -> Result<u64, Error> {
        self.0.drop_replays(before).await
    }
}
