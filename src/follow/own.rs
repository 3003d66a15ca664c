//! The logs that this replica works on besides publishing them: those of its lanes, and of lanes
//! that nobody holds.
//!
//! The tasks that ask may do the same on several replicas at once.

use std::collections::BTreeSet;

use super::{FollowDeps, store};
use crate::domain::lane::Lane;
use crate::store::TenantLog;

/// Returns the tenants of the lanes that this replica holds, and of those that no replica holds, as
/// long as there is no sink or it is away.
pub(super) async fn logs(deps: &FollowDeps) -> Result<Vec<TenantLog>, store::Error> {
    let own = lanes(deps).await?;
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let mut enabled = deps.store.list().await?;
    enabled.retain(|enabled| own.contains(&enabled.lane));
    Ok(enabled)
}

/// Returns the lanes that this replica holds, and those that no replica holds.
pub(super) async fn lanes(deps: &FollowDeps) -> Result<BTreeSet<Lane>, store::Error> {
    let FollowDeps { store, replica, .. } = deps;
    let lanes = store.members().await?.lanes.into_iter();
    let is_own = |holder: Option<&String>| holder.is_none_or(|holder| holder == replica);
    let held = lanes.filter(|lease| is_own(lease.holder.as_ref()));
    Ok(held.map(|lease| lease.lane).collect())
}
