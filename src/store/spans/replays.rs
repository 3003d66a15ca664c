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
        let done = timed!(self.add_replay(replay, by))?;
        trail::told(by.filter(|_| done));
        Ok(done)
    }

    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn replays(&self, tenant: &TenantId) -> Result<Vec<Replay>, Error> {
        timed!(self.replays(tenant))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %id))]
    async fn find_replay(&self, tenant: &TenantId, id: ReplayId) -> Result<Option<Replay>, Error> {
        timed!(self.find_replay(tenant, id))
    }

    #[instrument(level = "debug", skip_all, fields(%lane))]
    async fn open_replays(&self, lane: Lane) -> Result<Vec<Replay>, Error> {
        timed!(self.open_replays(lane))
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
        let done = timed!(self.wish_replay(tenant, id, wish, rate, by))?;
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
        timed!(self.claim_replay(lease, tenant, number))
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
        timed!(self.write_replay(lease, replay))
    }

    #[instrument(level = "debug", skip_all, fields(%before))]
    async fn drop_replays(&self, before: Time) -> Result<u64, Error> {
        timed!(self.drop_replays(before))
    }
}
