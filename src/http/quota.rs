//! The refusals of posts beyond a tenant's quota, which are counted and logged.
//!
//! `submit` asks before it reads a body and before it appends, and `body` as bytes arrive; the room
//! `quota` decides.

use super::gateway::Gateway;
use super::problem::Problem;
use crate::domain::tenant::TenantId;
use crate::quota::{Exceeded, Limit, MeteredBody};

/// Begins to charge a tenant for a body, or refuses a tenant that has used up a quota.
pub(super) fn begin(gateway: &Gateway, tenant: &TenantId) -> Result<MeteredBody, Problem> {
    gateway.deps.quotas.begin(tenant).map_err(|exceeded| refused(gateway, tenant, exceeded))
}

/// Charges for bytes that have arrived, or refuses the rest of the body.
pub(super) fn arrived(
    gateway: &Gateway,
    tenant: &TenantId,
    body: &mut MeteredBody,
    bytes: usize,
) -> Result<(), Problem> {
    let charged = gateway.deps.quotas.arrived(body, bytes);
    charged.map_err(|exceeded| refused(gateway, tenant, exceeded))
}

/// Takes the events of a post, or refuses it. Returns the tenant's limits after that.
pub(super) fn charge(
    gateway: &Gateway,
    tenant: &TenantId,
    events: usize,
) -> Result<Vec<Limit>, Problem> {
    let charged = gateway.deps.quotas.charge(tenant, events);
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
