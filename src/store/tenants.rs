//! The port's `Tenants`: the enabled tenants, each with its log and its lane.
//!
//! Asked when a tenant is enabled, by the verbs that list tenants, and by `restore`, which rotates
//! a log's id.

use async_trait::async_trait;

use super::Error;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;

/// An enabled tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnabledTenant {
    /// The tenant's id.
    pub tenant: TenantId,
    /// The id of its log.
    pub log_id: LogId,
    /// The lane of the tenant.
    pub lane: Lane,
    /// The last position that was given in its log.
    pub head: Position,
}

/// Why a tenant can't be enabled: there is no lane to give it yet.
pub(super) fn before_lanes(tenant: &TenantId) -> Error {
    Error::Refused(format!("tenant `{tenant}` comes before the number of lanes is set"))
}

/// The tenants that are enabled.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Enables a tenant that the store has never seen, with this log id and the lane that has the
    /// fewest tenants; a tenant that it has seen stays as it is. Refused before the lanes are made.
    async fn enable_if_new(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error>;

    /// Returns how many are enabled.
    async fn count(&self) -> Result<usize, Error>;

    /// Returns all enabled tenants, in order of id.
    async fn list(&self) -> Result<Vec<EnabledTenant>, Error>;

    /// Gives a tenant's log another id; its events stay the same. What was parked up to `at` goes
    /// along, what was parked after it is forgotten. `false`, and nothing done, if the log's id
    /// isn't `old` any more.
    async fn rotate_log_id(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error>;
}
