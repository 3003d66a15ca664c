//! The port's `TenantJobs` on PostgreSQL.
//!
//! `follow::tenant_jobs` calls it: a few rows, each written by itself.

use async_trait::async_trait;

use super::Postgres;
use super::rows::Statement;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{JobProgress, TenantJob, TenantJobId};
use crate::domain::time::Time;
use crate::store::tenant_jobs::{messages_as_column, tenant_job};
use crate::store::{Error, TenantJobs};

#[async_trait]
impl TenantJobs for Postgres {
    async fn add_tenant_job(&self, job: &TenantJob) -> Result<(), Error> {
        let insert = of_id(sql!("postgres/tenant_job_insert.sql"), &job.tenant, job.id)
            .bind(job.attributes.posted.clone())
            .bind(job.by.who.clone())
            .bind(job.by.issuer.clone())
            .bind(job.by.request_id.clone())
            .bind(job.submitted.as_ms())
            .bind(messages_as_column(&job.progress))
            .bind(job.progress.error.clone())
            .bind(job.progress.completed.map(Time::as_ms));
        self.sessions.acquire().await?.write(insert).await.map(|_| ())
    }

    async fn find_tenant_job(
        &self,
        tenant: &TenantId,
        id: TenantJobId,
    ) -> Result<Option<TenantJob>, Error> {
        let find = of_id(sql!("postgres/tenant_job_find.sql"), tenant, id);
        let found = self.sessions.acquire().await?.find_one(find).await?;
        found.map(|row| tenant_job(&row)).transpose()
    }

    async fn open_tenant_jobs(&self) -> Result<Vec<TenantJob>, Error> {
        let list = sqlx::query(sql!("postgres/tenant_job_list_open.sql"));
        let found = self.sessions.acquire().await?.find_all(list).await?;
        found.iter().map(tenant_job).collect()
    }

    async fn write_tenant_job(
        &self,
        tenant: &TenantId,
        id: TenantJobId,
        progress: &JobProgress,
    ) -> Result<(), Error> {
        let write = of_id(sql!("postgres/tenant_job_write.sql"), tenant, id)
            .bind(messages_as_column(progress))
            .bind(progress.error.clone())
            .bind(progress.completed.map(Time::as_ms));
        self.sessions.acquire().await?.write(write).await.map(|_| ())
    }

    async fn remove_tenant_job(&self, tenant: &TenantId, id: TenantJobId) -> Result<bool, Error> {
        let remove = of_id(sql!("postgres/tenant_job_remove.sql"), tenant, id);
        Ok(self.sessions.acquire().await?.write(remove).await? == 1)
    }

    async fn drop_tenant_jobs(&self, before: Time) -> Result<(), Error> {
        let drop = sqlx::query(sql!("postgres/tenant_job_drop.sql")).bind(before.as_ms());
        self.sessions.acquire().await?.write(drop).await.map(|_| ())
    }
}

fn of_id(sql: &'static str, tenant: &TenantId, id: TenantJobId) -> Statement {
    sqlx::query(sql).bind(tenant.to_string()).bind(id.to_string())
}
