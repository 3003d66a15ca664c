//! The refusals of posts beyond a tenant's quota, which are counted and logged.
//!
//! `submit` asks before it reads a body and before it appends; the room `quota` decides.

use super::gateway::Gateway;
use super::problem::Problem;
use crate::domain::tenant::TenantId;
use crate::quota::{Cost, Exceeded, Limit};

/// Refuses a tenant that has used up a quota.
pub(super) fn admit(gateway: &Gateway, tenant: &TenantId) -> Result<(), Problem> {
    gateway.deps.quotas.admit(tenant).map_err(|exceeded| refused(gateway, tenant, exceeded))
}

/// Takes the cost of a post, or refuses it. Returns the tenant's limits after that.
pub(super) fn charge(
    gateway: &Gateway,
    tenant: &TenantId,
    cost: Cost,
) -> Result<Vec<Limit>, Problem> {
    let charged = gateway.deps.quotas.charge(tenant, cost);
    charged.map_err(|exceeded| refused(gateway, tenant, exceeded))
}

fn refused(gateway: &Gateway, tenant: &TenantId, exceeded: Exceeded) -> Problem {
    for limit in exceeded.used_up() {
        let quota = limit.measure.name();
        gateway.deps.metrics.quota_refused(quota);
        tracing::warn!(%tenant, quota, "the tenant has used up its quota, and is refused");
    }
    Problem::QuotaExceeded(exceeded)
}
