//! The rows of tenant jobs: each request has one, unless an equal one is open. They are bounded.
//!
//! `tenant_jobs` asks here before it carries a request out, and adds the row after that.

use crate::clock::Clock;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{JobProgress, TenantAct, TenantAttributes, TenantJob, TenantJobId};
use crate::domain::trail::Actor;
use crate::store::{Error, Store};

/// The most jobs of a tenant that have not ended.
pub(super) const OPEN_MAX: usize = 16;

/// Returns whether there is room for the job of a request.
pub(super) async fn have_room(
    store: &dyn Store,
    tenant: &TenantId,
    attributes: &TenantAttributes,
) -> Result<bool, Error> {
    if attributes.act == TenantAct::Disable {
        return Ok(true);
    }
    let open = open(store, tenant).await?;
    Ok(open.len() < OPEN_MAX || open.iter().any(|job| job.attributes == *attributes))
}

/// Adds a job that has begun so, unless an equal one is open, which is returned then. To disable a
/// tenant leaves nothing to wait for: its job has ended, and is not kept, since nobody is told its
/// id.
pub(super) async fn add(
    (store, clock): (&dyn Store, &dyn Clock),
    tenant: &TenantId,
    (attributes, begun): (TenantAttributes, JobProgress),
    by: &Actor,
) -> Result<TenantJob, Error> {
    let (submitted, is_kept) = (clock.now(), attributes.act != TenantAct::Disable);
    let open = if is_kept { open(store, tenant).await? } else { Vec::new() };
    if let Some(same) = open.into_iter().find(|job| job.attributes == attributes) {
        return Ok(same);
    }
    let completed = (!is_kept).then_some(submitted);
    let progress = JobProgress { completed, ..begun };
    let (id, tenant) = (TenantJobId::new(clock.new_id()), tenant.clone());
    let job = TenantJob { id, tenant, attributes, by: by.clone(), submitted, progress };
    if is_kept {
        store.add_tenant_job(&job).await?;
    }
    Ok(job)
}

/// Returns the jobs of a tenant that have not ended.
pub(super) async fn open(store: &dyn Store, tenant: &TenantId) -> Result<Vec<TenantJob>, Error> {
    let mut open = store.open_tenant_jobs().await?;
    open.retain(|job| job.tenant == *tenant);
    Ok(open)
}
