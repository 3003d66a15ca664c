//! The port's `Leases` on PostgreSQL: which replica works on which lane, by the server's clock.
//!
//! The lanes of every replica call it. A lane's row is made when the store is new, or when the
//! lanes are resized; terms only rise.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::Postgres;
use super::error::committed;
use super::rows::{self, Statement};
use super::transaction::Transaction;

use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::columns::Columns;
use crate::store::{Error, Lease, LeaseCheck, Leases, Members, leases};

#[async_trait]
impl Leases for Postgres {
    async fn lanes(&self, wanted: u16) -> Result<u16, Error> {
        leases::ensure_any(wanted)?;
        let mut session = self.sessions.begin().await?;
        session.run(sqlx::query(sql!("postgres/lease_lock.sql"))).await?;
        let lanes = count(&mut session).await?;
        if lanes > 0 {
            session.rollback().await?;
            return Ok(lanes);
        }
        let insert = sqlx::query(sql!("postgres/lease_insert.sql")).bind(i64::from(wanted));
        session.insert(insert, wanted.into()).await?;
        session.commit().await?;
        Ok(wanted)
    }

    async fn acquire(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        let take = sqlx::query(sql!("postgres/lease_acquire.sql"));
        let take = take.bind(i64::from(lane.number())).bind(by.to_owned()).bind(ms(ttl));
        let taken = self.sessions.acquire().await?.write_one(take).await?;
        let lease = |row: PgRow| Ok(Lease { lane, term: row.integer("term")?.unsigned_abs() });
        taken.map(lease).transpose().map_err(committed)
    }

    async fn seize(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Lease, Error> {
        let seize = sqlx::query(sql!("postgres/lease_seize.sql"));
        let seize = seize.bind(i64::from(lane.number())).bind(by.to_owned()).bind(ms(ttl));
        let seized = self.sessions.acquire().await?.write_one(seize).await?;
        let row = seized.ok_or_else(|| leases::no_such(lane))?;
        Ok(Lease { lane, term: row.integer("term").map_err(committed)?.unsigned_abs() })
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<LeaseCheck, Error> {
        let renew = of(sqlx::query(sql!("postgres/lease_renew.sql")), lease).bind(ms(ttl));
        let renewed = self.sessions.acquire().await?.write(renew).await?;
        Ok(if renewed == 1 { LeaseCheck::Held } else { LeaseCheck::Lost })
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        let release = of(sqlx::query(sql!("postgres/lease_release.sql")), lease);
        self.sessions.acquire().await?.write(release).await.map(drop)
    }

    async fn heartbeat(
        &self,
        replica: &str,
        instance: &str,
        ttl: Duration,
    ) -> Result<Option<String>, Error> {
        let attend = sqlx::query(sql!("postgres/replica_heartbeat.sql"));
        let attend = attend.bind(replica.to_owned()).bind(instance.to_owned()).bind(ms(ttl));
        let row = self.sessions.acquire().await?.write_one(attend).await?;
        let before =
            row.map(|row| row.text_if_any("before").map(|before| before.map(str::to_owned)));
        before.unwrap_or(Ok(None)).map_err(committed)
    }

    async fn deregister(&self, replica: &str) -> Result<(), Error> {
        let leave = sqlx::query(sql!("postgres/replica_deregister.sql")).bind(replica.to_owned());
        self.sessions.acquire().await?.write(leave).await.map(drop)
    }

    async fn members(&self) -> Result<Members, Error> {
        let mut session = self.sessions.acquire().await?;
        let replicas = session.find(sqlx::query(sql!("postgres/replica_list.sql"))).await?;
        let lanes = session.find_all(sqlx::query(sql!("postgres/lease_list.sql"))).await?;
        Ok(Members::new(
            replicas.iter().map(Columns::replica).collect::<Result<_, _>>()?,
            lanes.iter().map(Columns::lease).collect::<Result<_, _>>()?,
        ))
    }

    async fn resize(&self, by: &str, lanes: u16, moves: &[(TenantId, Lane)]) -> Result<(), Error> {
        let (count, mut session) = (i64::from(lanes), self.sessions.begin().await?);
        session.run(sqlx::query(sql!("postgres/tenant_lock.sql"))).await?;
        session.run(sqlx::query(sql!("postgres/lease_lock.sql"))).await?;
        let others = sqlx::query(sql!("postgres/lease_count_others.sql")).bind(by.to_owned());
        leases::ensure_none(
            rows::count_in(&session.find(others).await?, "others")?,
            leases::in_use,
        )?;
        let purges = sqlx::query(sql!("postgres/purge_count.sql"));
        let purges = rows::count_in(&session.find(purges).await?, "purges")?;
        leases::ensure_none(purges, leases::purging)?;
        let tenants: Vec<_> = moves.iter().map(|(tenant, _)| tenant.to_string()).collect();
        let targets: Vec<_> = moves.iter().map(|(_, lane)| i64::from(lane.number())).collect();
        let moved = sqlx::query(sql!("postgres/tenant_move.sql")).bind(tenants).bind(targets);
        session.insert(moved, moves.len()).await?;
        session.run(sqlx::query(sql!("postgres/head_move.sql"))).await?;
        let beyond = sqlx::query(sql!("postgres/tenant_count_beyond.sql")).bind(count);
        leases::ensure_none(
            rows::count_in(&session.find(beyond).await?, "beyond")?,
            leases::left_out,
        )?;
        session.run(sqlx::query(sql!("postgres/lease_free.sql"))).await?;
        session.run(sqlx::query(sql!("postgres/lease_drop.sql")).bind(count)).await?;
        session.run(sqlx::query(sql!("postgres/lease_add.sql")).bind(count)).await?;
        session.commit().await
    }
}

/// Returns the number of lanes; 0 before it is set.
pub(super) async fn count(transaction: &mut Transaction) -> Result<u16, Error> {
    let rows = transaction.find(sqlx::query(sql!("postgres/lease_count.sql"))).await?;
    rows.first().map_or(Ok(0), Columns::lanes)
}

/// Binds the lane and the term of a lease.
fn of(statement: Statement, lease: &Lease) -> Statement {
    statement.bind(i64::from(lease.lane.number())).bind(lease.term.cast_signed())
}

/// Returns the milliseconds of a `ttl`, at most half of the range of times, since it is added to
/// now.
fn ms(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 2)
}
