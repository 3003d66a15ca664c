//! The port's `Leases` on SQLite: which replica works on which lane, by the clock that the store
//! was opened with.
//!
//! The lanes of every replica call it. A lane's row is made when the store is new, or when the
//! lanes are resized; terms only rise.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, rows};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::columns::Columns;
use crate::store::{Error, Lease, LeaseCheck, Leases, Members, leases};

#[async_trait]
impl Leases for Sqlite {
    async fn lanes(&self, wanted: u16) -> Result<u16, Error> {
        leases::ensure_any(wanted)?;
        self.writer
            .write(move |writing| {
                let lanes = count(writing)?;
                if lanes > 0 {
                    return Ok(lanes);
                }
                for lane in Lane::all(wanted) {
                    rows::write(writing, sql!("sqlite/lease_insert.sql"), [lane.number()])?;
                }
                Ok(wanted)
            })
            .await
    }

    async fn acquire(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Option<Lease>, Error> {
        let (by, clock) = (by.to_owned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let now = clock.now().as_ms();
                let take = params![by, end(now, ttl), ms(ttl), lane.number(), now];
                let term = rows::find_one(writing, sql!("sqlite/lease_acquire.sql"), take, |r| {
                    r.integer("term")
                })?;
                Ok(term.map(|term| Lease { lane, term: term.unsigned_abs() }))
            })
            .await
    }

    async fn seize(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Lease, Error> {
        let (by, clock) = (by.to_owned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let seize = params![by, end(clock.now().as_ms(), ttl), ms(ttl), lane.number()];
                let term = rows::find_one(writing, sql!("sqlite/lease_seize.sql"), seize, |r| {
                    r.integer("term")
                })?;
                let term = term.ok_or_else(|| leases::no_such(lane))?;
                Ok(Lease { lane, term: term.unsigned_abs() })
            })
            .await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<LeaseCheck, Error> {
        let (Lease { lane, term }, clock) = (*lease, self.clock.clone());
        self.writer
            .write(move |writing| {
                let now = clock.now().as_ms();
                let renew = params![end(now, ttl), ms(ttl), lane.number(), term.cast_signed()];
                let renewed = rows::change(writing, sql!("sqlite/lease_renew.sql"), renew)?;
                Ok(if renewed == 1 { LeaseCheck::Held } else { LeaseCheck::Lost })
            })
            .await
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        let Lease { lane, term } = *lease;
        self.writer
            .write(move |writing| {
                let of = params![lane.number(), term.cast_signed()];
                rows::change(writing, sql!("sqlite/lease_release.sql"), of).map(drop)
            })
            .await
    }

    async fn heartbeat(
        &self,
        replica: &str,
        instance: &str,
        ttl: Duration,
    ) -> Result<Option<String>, Error> {
        let (replica, instance, clock) =
            (replica.to_owned(), instance.to_owned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let now = clock.now().as_ms();
                let find = params![replica, now];
                let before =
                    rows::find_one(writing, sql!("sqlite/replica_find.sql"), find, |row| {
                        row.text("instance").map(str::to_owned)
                    })?;
                let attend = params![replica, instance, end(now, ttl), ms(ttl)];
                rows::change(writing, sql!("sqlite/replica_heartbeat.sql"), attend)?;
                rows::change(writing, sql!("sqlite/replica_forget.sql"), [now])?;
                Ok(before)
            })
            .await
    }

    async fn deregister(&self, replica: &str) -> Result<(), Error> {
        let replica = replica.to_owned();
        self.writer
            .write(move |writing| {
                rows::change(writing, sql!("sqlite/replica_deregister.sql"), [replica]).map(drop)
            })
            .await
    }

    async fn members(&self) -> Result<Members, Error> {
        let now = self.clock.now().as_ms();
        self.readers
            .read(move |reading| {
                let lists = [sql!("sqlite/replica_list.sql"), sql!("sqlite/lease_list.sql")];
                Ok(Members::new(
                    rows::find(reading, lists[0], [now], |r| r.replica())?,
                    rows::find(reading, lists[1], [now], |r| r.lease())?,
                ))
            })
            .await
    }

    async fn resize(&self, by: &str, lanes: u16, moves: &[(TenantId, Lane)]) -> Result<(), Error> {
        let (by, moves, clock) = (by.to_owned(), moves.to_vec(), self.clock.clone());
        self.writer
            .write(move |writing| resize(writing, &by, lanes, &moves, clock.now().as_ms()))
            .await
    }
}

/// Returns the number of lanes; 0 before it is set.
pub(super) fn count(connection: &Connection) -> Result<u16, Error> {
    rows::get(connection, sql!("sqlite/lease_count.sql"), [], |row| row.lanes())
}

fn resize(
    writing: &Connection,
    by: &str,
    lanes: u16,
    moves: &[(TenantId, Lane)],
    now_ms: i64,
) -> Result<(), Error> {
    let others = params![now_ms, by];
    let others =
        rows::get(writing, sql!("sqlite/lease_count_others.sql"), others, |r| r.integer("others"))?;
    leases::ensure_none(others, leases::in_use)?;
    let count = sql!("sqlite/purge_count.sql");
    let purges = rows::get(writing, count, [], |row| row.integer("purges"))?;
    leases::ensure_none(purges, leases::purging)?;
    for (tenant, lane) in moves {
        rows::write(
            writing,
            sql!("sqlite/tenant_move.sql"),
            params![lane.number(), tenant.as_str()],
        )?;
    }
    rows::change(writing, sql!("sqlite/head_move.sql"), [])?;
    let beyond = rows::get(writing, sql!("sqlite/tenant_count_beyond.sql"), [lanes], |r| {
        r.integer("beyond")
    })?;
    leases::ensure_none(beyond, leases::left_out)?;
    rows::change(writing, sql!("sqlite/lease_free.sql"), [])?;
    rows::change(writing, sql!("sqlite/lease_drop.sql"), [lanes])?;
    rows::change(writing, sql!("sqlite/lease_add.sql"), [lanes]).map(drop)
}

fn end(now_ms: i64, ttl: Duration) -> i64 {
    now_ms.saturating_add(ms(ttl))
}

fn ms(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)
}
