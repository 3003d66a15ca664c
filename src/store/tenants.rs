//! The port's `Tenants`: the enabled tenants, each with its log and its lane.
//!
//! The start enables tenants here, the subcommands list them, and `restore` rotates a log's id.

use async_trait::async_trait;

use super::Error;
use crate::domain::incarnation::Incarnations;
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
    /// The last position of its log.
    pub head: Position,
}

/// Why a tenant can't be enabled: there is no lane to give it yet.
pub(super) fn before_lanes(tenant: &TenantId) -> Error {
    Error::Refused(format!("tenant `{tenant}` can't be enabled before the number of lanes is set"))
}

/// The tenants that are enabled.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Enables a tenant that the store has never seen, with this log id and the lane that has the
    /// fewest tenants. A tenant that the store knows stays as it is. Refused before the lanes
    /// exist.
    async fn enable_if_new(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error>;

    /// Returns the number of enabled tenants.
    async fn count(&self) -> Result<usize, Error>;

    /// Returns all enabled tenants, in order of id.
    async fn list(&self) -> Result<Vec<EnabledTenant>, Error>;

    /// Returns a tenant; `None` if it is not enabled.
    async fn find_tenant(&self, tenant: &TenantId) -> Result<Option<EnabledTenant>, Error> {
        Ok(self.list().await?.into_iter().find(|enabled| enabled.tenant == *tenant))
    }

    /// Returns the incarnations of a tenant's log; none if the tenant was never enabled.
    async fn incarnations(&self, tenant: &TenantId) -> Result<Incarnations, Error>;

    /// Gives a tenant's log another id; its events stay the same. Events after `at` are published
    /// under the new id, and those up to `at` keep theirs. Scopes that the relay has parked up to
    /// `at` go along, all others are forgotten: other sinks get the log from its start. Open
    /// replays go along, back to `at` if they were past it.
    /// Returns `false` and does nothing if the log's id is no longer `old`.
    async fn rotate_log_id(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error>;
}
