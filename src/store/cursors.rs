//! The port's `Cursors`: the checkpoints of followers.
//!
//! Lanes write checkpoints of what their sinks committed; lanes that take over read them, and so do
//! requests for what is published. The sink's own cursor is the truth: a checkpoint may be late.

use std::time::Duration;

use async_trait::async_trait;

use super::Error;
use super::leases::{Lease, LeaseCheck};
use crate::domain::cursor::Cursor;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;

/// The lag of a follower, by its checkpoints: too large at worst, never too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// The number of events that it has not reached.
    pub events: u64,
    /// The age of the oldest of them.
    pub oldest: Duration,
}

impl Lag {
    /// Makes a lag, whose oldest event waits for these milliseconds; 0 if the clock went back.
    pub(super) fn new(events: u64, waits_ms: i64) -> Self {
        let oldest = Duration::from_millis(u64::try_from(waits_ms).unwrap_or_default());
        Self { events, oldest }
    }
}

/// The checkpoints of followers.
#[async_trait]
pub trait Cursors: Send + Sync {
    /// Returns one follower's cursor in a tenant's log.
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error>;

    /// Returns one follower's cursors in all logs of a lane.
    async fn load_lane(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<(TenantId, Cursor)>, Error>;

    /// Counts the events that a follower has not reached, in all logs of enabled tenants.
    async fn lag(&self, follower: &Follower) -> Result<Lag, Error>;

    /// Writes checkpoints of cursors that a sink owns (such as those in Kafka's cursors topic), in
    /// place of earlier ones. If a later holder of the tenant's lane wrote there, the lease is
    /// lost. Each cursor is written by itself: after an error or a lost lease, some may be written.
    ///
    /// A cursor whose event the log lacks is not written: the store went back in time since the
    /// event was read, and events that the log gets now have not been published.
    async fn checkpoint(
        &self,
        lease: &Lease,
        follower: &Follower,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<LeaseCheck, Error>;
}
