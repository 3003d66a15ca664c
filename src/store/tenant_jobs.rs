//! The port's `TenantJobs`: the requests of the tenant interface, and how far each is.
//!
//! `follow::tenant_jobs` adds them and carries them out; `http` shows them. A job is a note for
//! whoever has asked: whether a tenant is enabled, its row tells.

use async_trait::async_trait;

use super::Error;
use super::columns::Columns;
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{JobProgress, TenantAttributes, TenantJob, TenantJobId};
use crate::domain::time::Time;
use crate::domain::trail::Actor;

/// The tenant jobs.
#[async_trait]
pub trait TenantJobs: Send + Sync {
    /// Adds a job.
    async fn add_tenant_job(&self, job: &TenantJob) -> Result<(), Error>;

    /// Returns the job with this id.
    async fn find_tenant_job(
        &self,
        tenant: &TenantId,
        id: TenantJobId,
    ) -> Result<Option<TenantJob>, Error>;

    /// Returns the jobs of all tenants that have not ended, oldest first.
    async fn open_tenant_jobs(&self) -> Result<Vec<TenantJob>, Error>;

    /// Writes how far a job is, unless it has ended or was removed.
    async fn write_tenant_job(
        &self,
        tenant: &TenantId,
        id: TenantJobId,
        progress: &JobProgress,
    ) -> Result<(), Error>;

    /// Removes a job. Returns whether it was there.
    async fn remove_tenant_job(&self, tenant: &TenantId, id: TenantJobId) -> Result<bool, Error>;

    /// Removes the jobs that ended before a time.
    async fn drop_tenant_jobs(&self, before: Time) -> Result<(), Error>;
}

/// Returns the value of the column of messages.
pub(super) fn messages_as_column(progress: &JobProgress) -> String {
    serde_json::to_string(&progress.messages).expect("strings are JSON")
}

/// Reads a job from its row.
pub(super) fn tenant_job(row: &(impl Columns + ?Sized)) -> Result<TenantJob, Error> {
    Ok(TenantJob {
        id: row.noun("id", TenantJobId::parse)?,
        tenant: row.tenant()?,
        attributes: row.noun("attributes", TenantAttributes::from_column)?,
        by: Actor {
            who: row.text("who")?.to_owned(),
            issuer: row.text_if_any("issuer")?.map(str::to_owned),
            request_id: row.text_if_any("request_id")?.map(str::to_owned),
        },
        submitted: Time::from_ms(row.integer("submitted_ms")?),
        progress: JobProgress {
            messages: row.noun("messages", |text| serde_json::from_str(text))?,
            error: row.text_if_any("error")?.map(str::to_owned),
            completed: row.integer_if_any("completed_ms")?.map(Time::from_ms),
        },
    })
}
