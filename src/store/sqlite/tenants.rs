//! The port's `Tenants`: who is enabled, and in which lane.
//!
//! Fed by the tenant interface and by files of `tenants/` at start; feeds whoever asks for all.

use async_trait::async_trait;

use super::fault::fault;
use super::{Sqlite, leases};
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;
use crate::store::{Enabled, Error, Tenants, sql};

#[async_trait]
impl Tenants for Sqlite {
    async fn introduce(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error> {
        let mut writing = self.writer.begin().await?;
        if leases::count(writing.connection()).await? == 0 {
            return Err(Error::Refused(format!("tenant `{tenant}` comes before the number of lanes is set")));
        }
        let insert =
            sqlx::query(sql!("sqlite/tenant_insert.sql")).bind(tenant.as_str()).bind(log_id.to_string());
        insert.execute(writing.connection()).await.map_err(fault)?;
        let insert = sqlx::query(sql!("sqlite/head_insert.sql")).bind(tenant.as_str());
        insert.execute(writing.connection()).await.map_err(fault)?;
        writing.commit().await
    }

    async fn list(&self) -> Result<Vec<Enabled>, Error> {
        let found =
            sqlx::query(sql!("sqlite/tenant_list.sql")).fetch_all(&self.readers).await.map_err(fault)?;
        found.iter().map(sql::enabled).collect()
    }
}
