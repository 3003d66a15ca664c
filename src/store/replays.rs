//! The port's `Replays`: the replays of each tenant, as operators ask for them and as the lanes
//! carry them out.
//!
//! `follow::replay` adds them, operators write wishes, and the holder of the tenant's lane writes
//! the progress, once it has claimed the row. The sink's cursor of a replay is the truth: the
//! progress here may be late.

use async_trait::async_trait;

use super::Error;
use super::leases::{Lease, LeaseCheck};
use crate::domain::lane::Lane;
use crate::domain::replay::{Rate, Replay, ReplayId, Wish};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;

/// The replays.
#[async_trait]
pub trait Replays: Send + Sync {
    /// Adds a replay with its number. Returns `false` and does nothing if the tenant has one of
    /// that number, so that whoever chose the number by what it has read reads again, or if the
    /// tenant has no log.
    async fn add_replay(&self, replay: &Replay, by: Option<&TrailEntry>) -> Result<bool, Error>;

    /// Returns a tenant's replays, newest first.
    async fn replays(&self, tenant: &TenantId) -> Result<Vec<Replay>, Error>;

    /// Returns the replay with this id.
    async fn find_replay(&self, tenant: &TenantId, id: ReplayId) -> Result<Option<Replay>, Error>;

    /// Returns the replays of a lane's tenants that have not ended, in order of tenant and number.
    async fn open_replays(&self, lane: Lane) -> Result<Vec<Replay>, Error>;

    /// Notes an operator's wish, at that time, and a new rate if there is one. Returns `false` and
    /// does nothing if the replay has ended or is being cancelled, or there is none.
    async fn wish_replay(
        &self,
        tenant: &TenantId,
        id: ReplayId,
        wish: (Wish, Time),
        rate: Option<Rate>,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error>;

    /// Claims an open replay for the holder of this lease: from then on, no earlier holder writes
    /// its progress. Returns it as it is then; `None` if it has ended or a later holder has it.
    async fn claim_replay(
        &self,
        lease: &Lease,
        tenant: &TenantId,
        number: u64,
    ) -> Result<Option<Replay>, Error>;

    /// Writes the progress of a replay that was claimed under this lease, unless its number is that
    /// of another one by now, since its tenant was purged.
    async fn write_replay(&self, lease: &Lease, replay: &Replay) -> Result<LeaseCheck, Error>;

    /// Removes the replays that ended before a time, but the last of each target, which tells whose
    /// topic that is, and the last of each tenant, so that no number is given twice. Returns how
    /// many.
    async fn drop_replays(&self, before: Time) -> Result<u64, Error>;
}
