//! The port's `TenantJobs` on SQLite.
//!
//! `follow::tenant_jobs` calls it: a few rows, each written by itself.

use async_trait::async_trait;
use rusqlite::params;

use super::{Sqlite, rows};
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{JobProgress, TenantJob, TenantJobId};
use crate::domain::time::Time;
use crate::store::tenant_jobs::{messages_as_column, tenant_job};
use crate::store::{Error, TenantJobs};

#[async_trait]
impl TenantJobs for Sqlite {
    async fn add_tenant_job(&self, job: &TenantJob) -> Result<(), Error> {
        let job = job.clone();
        self.writer
            .write(move |writing| {
                let columns = params![
                    job.tenant.as_str(),
                    job.id.to_string(),
                    job.attributes.posted,
                    job.by.who,
                    job.by.issuer,
                    job.by.request_id,
                    job.submitted.as_ms(),
                    messages_as_column(&job.progress),
                    job.progress.error,
                    job.progress.completed.map(Time::as_ms),
                ];
                rows::write(writing, sql!("sqlite/tenant_job_insert.sql"), columns)
            })
            .await
    }

    async fn find_tenant_job(
        &self,
        tenant: &TenantId,
        id: TenantJobId,
    ) -> Result<Option<TenantJob>, Error> {
        let of = [tenant.to_string(), id.to_string()];
        self.readers
            .read(move |reading| {
                rows::find_one(reading, sql!("sqlite/tenant_job_find.sql"), of, |row| {
                    tenant_job(row)
                })
            })
            .await
    }

    async fn open_tenant_jobs(&self) -> Result<Vec<TenantJob>, Error> {
        self.readers
            .read(|reading| {
                let list = sql!("sqlite/tenant_job_list_open.sql");
                rows::find(reading, list, [], |row| tenant_job(row))
            })
            .await
    }

    async fn write_tenant_job(
        &self,
        tenant: &TenantId,
        id: TenantJobId,
        progress: &JobProgress,
    ) -> Result<(), Error> {
        let (of, progress) = ([tenant.to_string(), id.to_string()], progress.clone());
        self.writer
            .write(move |writing| {
                let columns = params![
                    of[0],
                    of[1],
                    messages_as_column(&progress),
                    progress.error,
                    progress.completed.map(Time::as_ms),
                ];
                rows::change(writing, sql!("sqlite/tenant_job_write.sql"), columns).map(|_| ())
            })
            .await
    }

    async fn remove_tenant_job(&self, tenant: &TenantId, id: TenantJobId) -> Result<bool, Error> {
        let of = [tenant.to_string(), id.to_string()];
        self.writer
            .write(move |writing| {
                Ok(rows::change(writing, sql!("sqlite/tenant_job_remove.sql"), of)? == 1)
            })
            .await
    }

    async fn drop_tenant_jobs(&self, before: Time) -> Result<(), Error> {
        self.writer
            .write(move |writing| {
                let old = [before.as_ms()];
                rows::change(writing, sql!("sqlite/tenant_job_drop.sql"), old).map(|_| ())
            })
            .await
    }
}
