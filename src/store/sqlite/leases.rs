//! The port's `Leases`: who works on which lane, by the clock that the store was opened with.
//!
//! Fed by the lanes of every replica. A lane's row is made when the store is new, or when the
//! lanes are resized; epochs only rise.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::fault::fault;
use super::{Sqlite, rows};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::sql::{self, Columns};
use crate::store::{Error, Lease, Leases, Renewed, Roster, leases};

/// When a replica that left without a word is not listed any more.
const FORGOTTEN_AFTER_MS: i64 = 60_000;

#[async_trait]
impl Leases for Sqlite {
    async fn lanes(&self, wanted: u16) -> Result<u16, Error> {
        if wanted == 0 {
            return Err(Error::Refused("LANES must be at least 1".to_owned()));
        }
        let mut writing = self.writer.begin().await?;
        let lanes = count(writing.connection()).await?;
        if lanes > 0 {
            writing.rollback().await?;
            return Ok(lanes);
        }
        let all: Vec<_> = Lane::all(wanted).collect();
        let insert = |s: rows::Statement, lane: &Lane| s.bind(lane.number());
        rows::write(writing.connection(), sql!("sqlite/lease_insert.sql"), &all, insert).await?;
        writing.commit().await?;
        Ok(wanted)
    }

    async fn take(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        let mut writing = self.writer.begin().await?;
        let now = self.clock.now().as_ms();
        let take = sqlx::query(sql!("sqlite/lease_take.sql")).bind(by).bind(end(now, ttl));
        let take = take.bind(lane.number()).bind(by).bind(now);
        let Some(row) = take.fetch_optional(writing.connection()).await.map_err(fault)? else {
            writing.rollback().await?;
            return Ok(None);
        };
        writing.commit().await?;
        Ok(Some(Lease { lane, epoch: row.integer("epoch")?.unsigned_abs() }))
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewed, Error> {
        let mut writing = self.writer.begin().await?;
        let renew = sqlx::query(sql!("sqlite/lease_renew.sql")).bind(end(self.clock.now().as_ms(), ttl));
        let renew = of(renew, lease).execute(writing.connection()).await.map_err(fault)?;
        writing.commit().await?;
        Ok(if renew.rows_affected() == 1 { Renewed::Held } else { Renewed::Lost })
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        let mut writing = self.writer.begin().await?;
        let release = of(sqlx::query(sql!("sqlite/lease_release.sql")), lease);
        release.execute(writing.connection()).await.map_err(fault)?;
        writing.commit().await
    }

    async fn attend(&self, replica: &str, ttl: Duration) -> Result<(), Error> {
        let mut writing = self.writer.begin().await?;
        let now = self.clock.now().as_ms();
        let attend = sqlx::query(sql!("sqlite/replica_attend.sql")).bind(replica).bind(end(now, ttl));
        attend.execute(writing.connection()).await.map_err(fault)?;
        let forget = sqlx::query(sql!("sqlite/replica_forget.sql")).bind(now - FORGOTTEN_AFTER_MS);
        forget.execute(writing.connection()).await.map_err(fault)?;
        writing.commit().await
    }

    async fn leave(&self, replica: &str) -> Result<(), Error> {
        let mut writing = self.writer.begin().await?;
        let leave = sqlx::query(sql!("sqlite/replica_leave.sql")).bind(replica);
        leave.execute(writing.connection()).await.map_err(fault)?;
        writing.commit().await
    }

    async fn roster(&self) -> Result<Roster, Error> {
        let now = self.clock.now().as_ms();
        let replicas = sqlx::query(sql!("sqlite/replica_list.sql")).bind(now);
        let replicas = replicas.fetch_all(&self.readers).await.map_err(fault)?;
        let lanes = sqlx::query(sql!("sqlite/lease_list.sql")).bind(now);
        let lanes = lanes.fetch_all(&self.readers).await.map_err(fault)?;
        Ok(Roster {
            replicas: replicas.iter().map(sql::replica).collect::<Result<_, _>>()?,
            lanes: lanes.iter().map(sql::standing).collect::<Result<_, _>>()?,
        })
    }

    async fn resize(&self, by: &str, lanes: u16, moves: &[(TenantId, Lane)]) -> Result<(), Error> {
        let mut writing = self.writer.begin().await?;
        let connection = writing.connection();
        let others = sqlx::query(sql!("sqlite/lease_others.sql")).bind(self.clock.now().as_ms()).bind(by);
        let others = others.fetch_all(&mut *connection).await.map_err(fault)?;
        sql::none(&others, "others", leases::in_use)?;
        let moved = |s: rows::Statement, (tenant, lane): &(TenantId, Lane)| {
            s.bind(tenant.to_string()).bind(lane.number())
        };
        rows::write(&mut *connection, sql!("sqlite/tenant_move.sql"), moves, moved).await?;
        let heads = sqlx::query(sql!("sqlite/head_move.sql"));
        heads.execute(&mut *connection).await.map_err(fault)?;
        let beyond = sqlx::query(sql!("sqlite/tenant_beyond.sql")).bind(lanes);
        let beyond = beyond.fetch_all(&mut *connection).await.map_err(fault)?;
        sql::none(&beyond, "beyond", leases::left_out)?;
        let free = sqlx::query(sql!("sqlite/lease_free.sql"));
        free.execute(&mut *connection).await.map_err(fault)?;
        for statement in [sql!("sqlite/lease_drop.sql"), sql!("sqlite/lease_add.sql")] {
            sqlx::query(statement).bind(lanes).execute(&mut *connection).await.map_err(fault)?;
        }
        writing.commit().await
    }
}

/// The number of lanes; 0 before it is set.
pub(super) async fn count(connection: &mut SqliteConnection) -> Result<u16, Error> {
    let row = sqlx::query(sql!("sqlite/lease_count.sql")).fetch_one(connection).await.map_err(fault)?;
    sql::lanes(&row)
}

/// Binds which taking of which lane.
fn of(statement: rows::Statement, lease: &Lease) -> rows::Statement {
    statement.bind(lease.lane.number()).bind(lease.epoch.cast_signed())
}

fn end(now_ms: i64, ttl: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
}
