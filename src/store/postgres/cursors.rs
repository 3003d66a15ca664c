//! The port's `Cursors` on PostgreSQL.
//!
//! Lanes write checkpoints of what their sinks committed; lanes that take over read them, and so do
//! requests for what is published.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Postgres;
use super::rows::Statement;
use crate::domain::cursor::Cursor;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::columns::Columns;
use crate::store::{Cursors, Error, Lag, Lease, LeaseCheck};

#[async_trait]
impl Cursors for Postgres {
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error> {
        let find = whose(sqlx::query(sql!("postgres/cursor_find.sql")), tenant, follower);
        self.sessions
            .acquire()
            .await?
            .find_one(find)
            .await?
            .as_ref()
            .map(Columns::cursor)
            .transpose()
    }

    async fn load_lane(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<(TenantId, Cursor)>, Error> {
        let find = sqlx::query(sql!("postgres/cursor_find_lane.sql"))
            .bind(i64::from(lane.number()))
            .bind(follower.to_string());
        let found = self.sessions.acquire().await?.find_all(find).await?;
        found.iter().map(|row| Ok((row.tenant()?, row.cursor()?))).collect()
    }

    async fn lag(&self, follower: &Follower) -> Result<Lag, Error> {
        let count = sqlx::query(sql!("postgres/cursor_lag.sql")).bind(follower.to_string());
        let row = self.sessions.acquire().await?.find_one(count).await?;
        let row =
            row.ok_or_else(|| Error::Corrupt(format!("the lag of {follower} is not told")))?;
        row.lag(Time::from_ms(row.integer("now_ms")?))
    }

    async fn checkpoint(
        &self,
        lease: &Lease,
        follower: &Follower,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<LeaseCheck, Error> {
        let each: BTreeMap<_, _> =
            cursors.iter().map(|(tenant, cursor)| (tenant, cursor)).collect();
        let checkpoint = sqlx::query(sql!("postgres/cursor_checkpoint.sql"))
            .bind(follower.to_string())
            .bind(lease.term.cast_signed())
            .bind(each.keys().map(|tenant| tenant.as_str()).collect::<Vec<_>>())
            .bind(each.values().map(|cursor| cursor.log_id.to_string()).collect::<Vec<_>>())
            .bind(each.values().map(|cursor| cursor.position.as_column()).collect::<Vec<_>>())
            .bind(each.values().map(|cursor| cursor.event_id.to_string()).collect::<Vec<_>>())
            .bind(each.values().map(|cursor| cursor.time.as_ms()).collect::<Vec<_>>());
        let row = self.sessions.acquire().await?.write_one(checkpoint).await?;
        let later = row.map_or(Ok(0), |row| row.count("later"))?;
        Ok(if later == 0 { LeaseCheck::Held } else { LeaseCheck::Lost })
    }
}

/// Binds the tenant and the follower.
pub(super) fn whose(statement: Statement, tenant: &TenantId, follower: &Follower) -> Statement {
    statement.bind(tenant.to_string()).bind(follower.to_string())
}
