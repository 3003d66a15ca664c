//! The port's `Parking`: what stays behind.
//!
//! Fed by lanes, under their leases, and by whoever wants something parked to be released or
//! discarded; feeds lanes, and everyone who asks what is published.

use async_trait::async_trait;

use super::rows::Statement;
use super::{Postgres, cursors};
use crate::domain::event::EventId;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::sql::{self, Columns};
use crate::store::{Error, EventCounts, Lease, LeaseCheck, LogLedger, Parking, transitions};

#[async_trait]
impl Parking for Postgres {
    async fn parked(&self, tenant: &TenantId) -> Result<Vec<Parked>, Error> {
        let find = sqlx::query(sql!("postgres/parked_find.sql")).bind(tenant.to_string());
        self.sessions.acquire().await?.find_all(find).await?.iter().map(sql::parked).collect()
    }

    async fn relayed(
        &self,
        tenant: &TenantId,
        from: Position,
    ) -> Result<(Option<Cursor>, Vec<Parked>), Error> {
        let mut session = self.sessions.begin_read().await?;
        let find = cursors::whose(
            sqlx::query(sql!("postgres/cursor_find.sql")),
            tenant,
            &Follower::relay(),
        );
        let cursor = session.find(find).await?.first().map(sql::cursor).transpose()?;
        let mut parked = Vec::new();
        if cursor.is_some_and(|cursor| cursor.position >= from) {
            let find = sqlx::query(sql!("postgres/parked_find.sql")).bind(tenant.to_string());
            parked = session.find(find).await?.iter().map(sql::parked).collect::<Result<_, _>>()?;
        }
        session.rollback().await?;
        Ok((cursor, parked))
    }

    async fn parked_lane(&self, lane: Lane) -> Result<Vec<Parked>, Error> {
        let find =
            sqlx::query(sql!("postgres/parked_find_lane.sql")).bind(i64::from(lane.number()));
        self.sessions.acquire().await?.find_all(find).await?.iter().map(sql::parked).collect()
    }

    async fn parking_ledgers(&self, lane: Lane) -> Result<Vec<LogLedger>, Error> {
        let list =
            sqlx::query(sql!("postgres/parked_ledger_list.sql")).bind(i64::from(lane.number()));
        self.sessions.acquire().await?.find_all(list).await?.iter().map(sql::ledger).collect()
    }

    async fn park(&self, lease: &Lease, parked: &[Parked]) -> Result<LeaseCheck, Error> {
        let mut session = self.sessions.begin().await?;
        let held =
            sqlx::query(sql!("postgres/lease_find.sql")).bind(i64::from(lease.lane.number()));
        if session.find(held.bind(lease.term.cast_signed())).await?.is_empty() {
            session.rollback().await?;
            return Ok(LeaseCheck::Lost);
        }
        for ((tenant, log_id), number) in transitions::last(parked) {
            let find = sqlx::query(sql!("postgres/parked_ledger_find.sql"));
            let found =
                session.find(find.bind(tenant.to_string()).bind(log_id.to_string())).await?;
            transitions::follows(&tenant, found.first().map_or(Ok(0), sql::transition)?, number)?;
        }
        for parked in parked {
            session
                .insert(columns(sqlx::query(sql!("postgres/parked_write.sql")), parked), 1)
                .await?;
        }
        session.commit().await?;
        Ok(LeaseCheck::Held)
    }

    async fn request(
        &self,
        tenant: &TenantId,
        event_id: EventId,
        request: Request,
        reason: Option<&str>,
    ) -> Result<bool, Error> {
        let ask = sqlx::query(sql!("postgres/parked_request.sql"));
        let ask = ask.bind(request.as_str()).bind(reason.map(str::to_owned));
        let ask = ask.bind(tenant.to_string()).bind(event_id.to_string());
        Ok(self.sessions.acquire().await?.write(ask).await? == 1)
    }

    async fn event_counts(&self) -> Result<EventCounts, Error> {
        let row = self
            .sessions
            .acquire()
            .await?
            .find_one(sqlx::query(sql!("postgres/event_count.sql")))
            .await?;
        let row = row.ok_or_else(|| Error::Corrupt("the event counts tells nothing".to_owned()))?;
        sql::event_counts(&row, Time::from_ms(row.integer("now_ms")?))
    }
}

fn columns(statement: Statement, parked: &Parked) -> Statement {
    statement
        .bind(parked.tenant.to_string())
        .bind(parked.event_id.to_string())
        .bind(parked.log_id.to_string())
        .bind(parked.position.as_column())
        .bind(parked.topic.to_string())
        .bind(parked.key.as_ref().map(Key::to_string))
        .bind(parked.cause.clone())
        .bind(parked.state.as_str())
        .bind(parked.state.ended().map(Position::as_column))
        .bind(parked.released_to.as_column())
        .bind(parked.counted_to.as_column())
        .bind(parked.events.cast_signed())
        .bind(parked.ledger.cast_signed())
}
