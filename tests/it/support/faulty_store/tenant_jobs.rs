//! The port `TenantJobs` of a store that fails as a test asks.

use async_trait::async_trait;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::tenant_job::{JobProgress, TenantJob, TenantJobId};
use event_gateway::domain::time::Time;
use event_gateway::store::{Error, TenantJobs};

use super::{Call, FaultyStore};

#[async_trait]
impl TenantJobs for FaultyStore {
    async fn add_tenant_job(&self, job: &TenantJob) -> Result<(), Error> {
        self.through(Call::Other, self.inner.add_tenant_job(job)).await
    }

    async fn find_tenant_job(
        &self,
        tenant: &TenantId,
        id: TenantJobId,
    ) -> Result<Option<TenantJob>, Error> {
        self.through(Call::Other, self.inner.find_tenant_job(tenant, id)).await
    }

    async fn open_tenant_jobs(&self) -> Result<Vec<TenantJob>, Error> {
        self.through(Call::Other, self.inner.open_tenant_jobs()).await
    }

    async fn write_tenant_job(
        &self,
        tenant: &TenantId,
        id: TenantJobId,
        progress: &JobProgress,
    ) -> Result<(), Error> {
        self.through(Call::Other, self.inner.write_tenant_job(tenant, id, progress)).await
    }

    async fn remove_tenant_job(&self, tenant: &TenantId, id: TenantJobId) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.remove_tenant_job(tenant, id)).await
    }

    async fn drop_tenant_jobs(&self, before: Time) -> Result<(), Error> {
        self.through(Call::Other, self.inner.drop_tenant_jobs(before)).await
    }
}
