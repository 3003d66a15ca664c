//! The port's `Cursors`: how far followers have come.
//!
//! Written by lanes, which checkpoint what their sinks have committed; read by lanes that take
//! over, and by everyone who asks what is published. The sink's own cursor is the truth: a
//! checkpoint may be late.

use async_trait::async_trait;

use super::Error;
use super::leases::{Lease, LeaseCheck};
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;

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
