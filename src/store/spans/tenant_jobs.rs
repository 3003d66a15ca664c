//! Spans around the calls of the port's `TenantJobs`.
//!
//! Part of the wrapper around every adapter.

use async_trait::async_trait;
use tracing::instrument;

use super::Spans;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{JobProgress, TenantJob, TenantJobId};
use crate::domain::time::Time;
use crate::store::{Error, Store, TenantJobs};

#[async_trait]
impl<S: Store> TenantJobs for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(tenant = %job.tenant, id = %job.id))]
    async fn add_tenant_job(&self, job: &TenantJob) -> Result<(), Error> {
        timed!(self.add_tenant_job(job))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %id))]
    async fn find_tenant_job(
        &self,
        tenant: &TenantId,
        id: TenantJobId,
    ) -> Result<Option<TenantJob>, Error> {
        timed!(self.find_tenant_job(tenant, id))
    }

    #[instrument(level = "debug", skip_all)]
    async fn open_tenant_jobs(&self) -> Result<Vec<TenantJob>, Error> {
        timed!(self.open_tenant_jobs())
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %id))]
    async fn write_tenant_job(
        &self,
        tenant: &TenantId,
        id: TenantJobId,
        progress: &JobProgress,
    ) -> Result<(), Error> {
        timed!(self.write_tenant_job(tenant, id, progress))
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %id))]
    async fn remove_tenant_job(&self, tenant: &TenantId, id: TenantJobId) -> Result<bool, Error> {
        timed!(self.remove_tenant_job(tenant, id))
    }

    #[instrument(level = "debug", skip_all, fields(%before))]
    async fn drop_tenant_jobs(&self, before: Time) -> Result<(), Error> {
        timed!(self.drop_tenant_jobs(before))
    }
}
