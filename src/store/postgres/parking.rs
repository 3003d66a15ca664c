//! The port's `Parking` on PostgreSQL.
//!
//! Lanes write here under their leases, and operators' requests to release or discard a scope come
//! here. Lanes read it, and so do requests for what is published.

use async_trait::async_trait;

use super::rows::Statement;
use super::transaction::Transaction;
use super::{Postgres, cursors, transition};
use crate::domain::cursor::Cursor;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::domain::transition::Transition;
use crate::store::columns::Columns;
use crate::store::transitions::{self, LastNumbers};
use crate::store::{Error, EventCounts, Lease, LeaseCheck, LogLedger, Parking};

#[async_trait]
impl Parking for Postgres {
    async fn parked(&self, tenant: &TenantId, follower: &Follower) -> Result<Vec<Parked>, Error> {
        let find = cursors::whose(sqlx::query(sql!("postgres/parked_find.sql")), tenant, follower);
        self.sessions.acquire().await?.find_all(find).await?.iter().map(Columns::parked).collect()
    }

    async fn relayed(
        &self,
        tenant: &TenantId,
        from: Position,
    ) -> Result<(Option<Cursor>, Vec<Parked>), Error> {
        let mut session = self.sessions.begin_read().await?;
        let of_relay = |sql| cursors::whose(sqlx::query(sql), tenant, &Follower::relay());
        let find = of_relay(sql!("postgres/cursor_find.sql"));
        let cursor = session.find(find).await?.first().map(Columns::cursor).transpose()?;
        let mut parked = Vec::new();
        if cursor.is_some_and(|cursor| cursor.position >= from) {
            let find = of_relay(sql!("postgres/parked_find.sql"));
            parked =
                session.find(find).await?.iter().map(Columns::parked).collect::<Result<_, _>>()?;
        }
        session.rollback().await?;
        Ok((cursor, parked))
    }

    async fn parked_lane(&self, lane: Lane, follower: &Follower) -> Result<Vec<Parked>, Error> {
        let find = in_lane(sql!("postgres/parked_find_lane.sql"), lane, follower);
        self.sessions.acquire().await?.find_all(find).await?.iter().map(Columns::parked).collect()
    }

    async fn parking_ledgers(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<LogLedger>, Error> {
        let list = in_lane(sql!("postgres/parked_ledger_list.sql"), lane, follower);
        self.sessions.acquire().await?.find_all(list).await?.iter().map(Columns::ledger).collect()
    }

    async fn write_transitions(
        &self,
        lease: &Lease,
        follower: &Follower,
        transitions: &[Transition],
    ) -> Result<LeaseCheck, Error> {
        let mut session = self.sessions.begin().await?;
        if is_lost(&mut session, lease).await? {
            session.rollback().await?;
            return Ok(LeaseCheck::Lost);
        }
        check_numbers(&mut session, follower, transitions::last(transitions)).await?;
        for transition in transitions {
            let changed = session.change(transition::statement(follower, transition)).await?;
            transitions::ensure_one(transition, changed)?;
        }
        session.commit().await?;
        Ok(LeaseCheck::Held)
    }

    async fn request(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        event_id: EventId,
        (request, reason): (Request, Option<&str>),
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let statement = sqlx::query(sql!("postgres/parked_request.sql"));
        let statement = statement.bind(request.as_str()).bind(reason.map(str::to_owned));
        let statement = cursors::whose(statement, tenant, follower).bind(event_id.to_string());
        self.act(statement, by).await
    }

    async fn drop_resolved(&self, before: Time, max: usize) -> Result<u64, Error> {
        let old = sqlx::query(sql!("postgres/parked_drop_resolved.sql"))
            .bind(before.as_ms())
            .bind(i64::try_from(max).unwrap_or(i64::MAX));
        self.sessions.acquire().await?.write(old).await
    }

    async fn event_counts(&self) -> Result<EventCounts, Error> {
        let row = self
            .sessions
            .acquire()
            .await?
            .find_one(sqlx::query(sql!("postgres/event_count.sql")))
            .await?;
        let row = row.ok_or_else(|| {
            Error::Corrupt("the query of the event counts returned no row".to_owned())
        })?;
        row.event_counts()
    }
}

/// Binds the lane and the follower.
fn in_lane(sql: &'static str, lane: Lane, follower: &Follower) -> Statement {
    sqlx::query(sql).bind(i64::from(lane.number())).bind(follower.to_string())
}

/// Returns whether the lane was taken since, or released. If not, it can't be taken before this
/// transaction ends.
pub(super) async fn is_lost(session: &mut Transaction, lease: &Lease) -> Result<bool, Error> {
    let held = sqlx::query(sql!("postgres/lease_find.sql"))
        .bind(i64::from(lease.lane.number()))
        .bind(lease.term.cast_signed());
    Ok(session.find(held).await?.is_empty())
}

/// Refuses transitions if the store lacks the one before them.
async fn check_numbers(
    session: &mut Transaction,
    follower: &Follower,
    numbers: LastNumbers,
) -> Result<(), Error> {
    for ((tenant, log_id), number) in numbers {
        let find = sqlx::query(sql!("postgres/parked_ledger_find.sql"));
        let find = cursors::whose(find, &tenant, follower).bind(log_id.to_string());
        let stored = session.find(find).await?.first().map_or(Ok(0), Columns::transition)?;
        transitions::follows(&tenant, stored, number)?;
    }
    Ok(())
}
