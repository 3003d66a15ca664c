//! The port's `Cursors`: how far followers have come.
//!
//! Written by lanes, which checkpoint what their sinks have committed; read by lanes that take
//! over, and by everyone who asks what is published. The sink's own cursor is the truth: a
//! checkpoint may be late.

use std::time::Duration;

use async_trait::async_trait;

use super::Error;
use super::leases::{Lease, LeaseCheck};
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;

/// How far a follower is behind the logs, by its checkpoints: too far at worst, never too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// How many events it has not come to.
    pub events: u64,
    /// How long the oldest of them has waited.
    pub oldest: Duration,
}

/// How far followers have come.
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

    /// Counts the events that a follower has not come to, in all logs of enabled tenants.
    async fn lag(&self, follower: &Follower) -> Result<Lag, Error>;

    /// Writes down cursors whose truth is kept elsewhere (such as Kafka's cursors topic), whatever
    /// stood there, unless a later holder of the tenant's lane wrote there: then the lease is lost.
    /// Each cursor is written for itself: when this fails or the lease is lost, some may be
    /// written.
    async fn checkpoint(
        &self,
        lease: &Lease,
        follower: &Follower,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<LeaseCheck, Error>;
}
