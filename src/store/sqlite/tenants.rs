//! The port's `Tenants`: who is enabled, and in which lane.
//!
//! Fed by the tenant interface and by files of `tenants/` at start; feeds whoever asks for all.

use async_trait::async_trait;

use super::fault::fault;
use super::{Sqlite, leases};
use crate::domain::position::{LogId, Position};
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

    async fn renew_log(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error> {
        let [old, new] = [old, new].map(|id| id.to_string());
        let of = |sql| sqlx::query(sql).bind(tenant.to_string()).bind(old.clone());
        let mut writing = self.writer.begin().await?;
        let renew = of(sql!("sqlite/tenant_renew.sql")).bind(new.clone());
        if renew.execute(writing.connection()).await.map_err(fault)?.rows_affected() == 0 {
            writing.rollback().await?;
            return Ok(false);
        }
        for statement in [
            sqlx::query(sql!("sqlite/head_touch.sql")).bind(tenant.to_string()),
            of(sql!("sqlite/parked_renew.sql")).bind(new).bind(at.as_column()),
            of(sql!("sqlite/parked_drop.sql")),
        ] {
            statement.execute(writing.connection()).await.map_err(fault)?;
        }
        writing.commit().await?;
        Ok(true)
    }
}
