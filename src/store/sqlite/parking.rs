//! The port's `Parking`: what stays behind.
//!
//! Fed by lanes, under their leases, and by whoever wants something parked to be released or
//! discarded; feeds lanes, and everyone who asks what is published.

use async_trait::async_trait;

use super::fault::fault;
use super::{Sqlite, rows};
use crate::domain::event::EventId;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::parked::{Asked, Parked};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::{Error, Lease, Parking, Renewed, Tally, sql};

#[async_trait]
impl Parking for Sqlite {
    async fn parked(&self, tenant: &TenantId) -> Result<Vec<Parked>, Error> {
        let find = sqlx::query(sql!("sqlite/parked_find.sql")).bind(tenant.as_str());
        let found = find.fetch_all(&self.readers).await.map_err(fault)?;
        found.iter().map(sql::parked).collect()
    }

    async fn parked_lane(&self, lane: Lane) -> Result<Vec<Parked>, Error> {
        let find = sqlx::query(sql!("sqlite/parked_find_lane.sql")).bind(lane.number());
        let found = find.fetch_all(&self.readers).await.map_err(fault)?;
        found.iter().map(sql::parked).collect()
    }

    async fn park(&self, lease: &Lease, parked: &[Parked]) -> Result<Renewed, Error> {
        let mut writing = self.writer.begin().await?;
        let held = sqlx::query(sql!("sqlite/lease_find.sql")).bind(lease.lane.number());
        let held = held.bind(lease.epoch.cast_signed()).fetch_optional(writing.connection()).await;
        if held.map_err(fault)?.is_none() {
            writing.rollback().await?;
            return Ok(Renewed::Lost);
        }
        let now = self.clock.now().as_ms();
        let bind = |s, parked: &Parked| columns(s, parked, now);
        rows::write(writing.connection(), sql!("sqlite/parked_write.sql"), parked, bind).await?;
        writing.commit().await?;
        Ok(Renewed::Held)
    }

    async fn ask(
        &self,
        tenant: &TenantId,
        event_id: EventId,
        asked: Asked,
        reason: Option<&str>,
    ) -> Result<bool, Error> {
        let mut writing = self.writer.begin().await?;
        let ask =
            sqlx::query(sql!("sqlite/parked_ask.sql")).bind(asked.as_str()).bind(reason.map(str::to_owned));
        let ask = ask.bind(tenant.as_str()).bind(&event_id.as_bytes()[..]);
        let found = ask.execute(writing.connection()).await.map_err(fault)?.rows_affected() == 1;
        writing.commit().await?;
        Ok(found)
    }

    async fn tally(&self) -> Result<Tally, Error> {
        let row = sqlx::query(sql!("sqlite/tally.sql")).fetch_one(&self.readers).await.map_err(fault)?;
        sql::tally(&row, self.clock.now())
    }
}

fn columns(statement: rows::Statement, parked: &Parked, now_ms: i64) -> rows::Statement {
    statement
        .bind(parked.tenant.to_string())
        .bind(parked.event_id.as_bytes().to_vec())
        .bind(parked.log_id.to_string())
        .bind(parked.position.as_column())
        .bind(parked.topic.to_string())
        .bind(parked.key.as_ref().map(Key::to_string))
        .bind(parked.cause.clone())
        .bind(now_ms)
        .bind(parked.state.as_str())
        .bind(parked.state.ended().map(Position::as_column))
        .bind(parked.behind.as_column())
        .bind(parked.counted.as_column())
        .bind(parked.events.cast_signed())
}
