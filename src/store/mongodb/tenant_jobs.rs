//! The port's `TenantJobs` on MongoDB.
//!
//! `follow::tenant_jobs` calls it: a few rows, each written by itself.

use ::mongodb::bson::{Bson, Document, doc};
use async_trait::async_trait;
use futures_util::TryStreamExt;

use super::Mongodb;
use super::error::{reading, writing};
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{JobProgress, TenantJob, TenantJobId};
use crate::domain::time::Time;
use crate::store::tenant_jobs::{messages_as_column, tenant_job};
use crate::store::{Error, TenantJobs};

#[async_trait]
impl TenantJobs for Mongodb {
    async fn add_tenant_job(&self, job: &TenantJob) -> Result<(), Error> {
        let mut row = doc! {
            "attributes": job.attributes.posted.as_str(),
            "who": job.by.who.as_str(),
            "issuer": job.by.issuer.as_deref(),
            "request_id": job.by.request_id.as_deref(),
            "submitted_ms": job.submitted.as_ms(),
        };
        row.extend(columns(&job.progress));
        let its = doc! { "_id": id(&job.tenant, job.id) };
        let insert = self.collections.tenant_jobs.update_one(its, doc! { "$setOnInsert": row });
        writing(insert.upsert(true)).await.map(|_| ())
    }

    async fn find_tenant_job(
        &self,
        tenant: &TenantId,
        job: TenantJobId,
    ) -> Result<Option<TenantJob>, Error> {
        let its = doc! { "_id": id(tenant, job) };
        let found = reading(self.collections.tenant_jobs.find_one(its)).await?;
        found.map(|row| tenant_job(&*row)).transpose()
    }

    async fn open_tenant_jobs(&self) -> Result<Vec<TenantJob>, Error> {
        let found = async {
            let open = self.collections.tenant_jobs.find(doc! { "completed_ms": Bson::Null });
            let order = doc! { "submitted_ms": 1, "_id.tenant": 1, "_id.id": 1 };
            open.sort(order).await?.try_collect::<Vec<_>>().await
        };
        reading(found).await?.iter().map(|row| tenant_job(&**row)).collect()
    }

    async fn write_tenant_job(
        &self,
        tenant: &TenantId,
        job: TenantJobId,
        progress: &JobProgress,
    ) -> Result<(), Error> {
        let its = doc! { "_id": id(tenant, job), "completed_ms": Bson::Null };
        let write = doc! { "$set": columns(progress) };
        writing(self.collections.tenant_jobs.update_one(its, write)).await.map(|_| ())
    }

    async fn remove_tenant_job(&self, tenant: &TenantId, job: TenantJobId) -> Result<bool, Error> {
        let its = doc! { "_id": id(tenant, job) };
        let remove = self.collections.tenant_jobs.delete_one(its);
        Ok(writing(remove).await?.deleted_count == 1)
    }

    async fn drop_tenant_jobs(&self, before: Time) -> Result<(), Error> {
        let old = doc! { "completed_ms": { "$lt": before.as_ms() } };
        writing(self.collections.tenant_jobs.delete_many(old)).await.map(|_| ())
    }
}

fn id(tenant: &TenantId, job: TenantJobId) -> Document {
    doc! { "tenant": tenant.as_str(), "id": job.to_string() }
}

fn columns(progress: &JobProgress) -> Document {
    doc! {
        "messages": messages_as_column(progress),
        "error": progress.error.as_deref(),
        "completed_ms": progress.completed.map(Time::as_ms),
    }
}
