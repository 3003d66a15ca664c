//! The port's `Replays` on PostgreSQL.
//!
//! Operators and lanes write single rows; a claim and the write after it go by the row's term.

use async_trait::async_trait;

use super::Postgres;
use super::rows::Statement;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::replay::{Rate, Replay, ReplayId, Wish};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::store::columns::Columns;
use crate::store::{Error, Lease, LeaseCheck, Replays};

#[async_trait]
impl Replays for Postgres {
    async fn add_replay(&self, replay: &Replay, by: Option<&TrailEntry>) -> Result<bool, Error> {
        let ended = replay.progress.ended;
        let insert = of_number(sql!("postgres/replay_insert.sql"), &replay.tenant, replay.number)
            .bind(replay.id.to_string())
            .bind(replay.log_id.to_string())
            .bind(replay.submitted.as_ms())
            .bind(replay.plan.as_column())
            .bind(replay.plan.target.as_ref().map(|target| target.topic.to_string()))
            .bind(replay.until.map(Position::as_column))
            .bind(replay.total.map(u64::cast_signed))
            .bind(replay.rate.events_per_second.map(i64::from))
            .bind(replay.rate.bytes_per_second.map(u64::cast_signed))
            .bind(replay.wish.0.as_str())
            .bind(replay.wish.1.as_ms())
            .bind(replay.progress.position.as_column())
            .bind(ended.map(|(outcome, _)| outcome.as_str()))
            .bind(ended.map(|(_, at)| at.as_ms()));
        self.act(insert, by).await
    }

    async fn replays(&self, tenant: &TenantId) -> Result<Vec<Replay>, Error> {
        let list = sqlx::query(sql!("postgres/replay_list.sql")).bind(tenant.to_string());
        self.replays_found(list).await
    }

    async fn find_replay(&self, tenant: &TenantId, id: ReplayId) -> Result<Option<Replay>, Error> {
        let find = of_id(sql!("postgres/replay_find.sql"), tenant, id);
        Ok(self.replays_found(find).await?.pop())
    }

    async fn open_replays(&self, lane: Lane) -> Result<Vec<Replay>, Error> {
        let list = sqlx::query(sql!("postgres/replay_list_open.sql"));
        self.replays_found(list.bind(i64::from(lane.number()))).await
    }

    async fn wish_replay(
        &self,
        tenant: &TenantId,
        id: ReplayId,
        (wish, at): (Wish, Time),
        rate: Option<Rate>,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let Rate { events_per_second, bytes_per_second } = rate.unwrap_or_default();
        let note = of_id(sql!("postgres/replay_wish.sql"), tenant, id)
            .bind(wish.as_str())
            .bind(at.as_ms())
            .bind(rate.is_some())
            .bind(events_per_second.map(i64::from))
            .bind(bytes_per_second.map(u64::cast_signed));
        self.act(note, by).await
    }

    async fn claim_replay(
        &self,
        lease: &Lease,
        tenant: &TenantId,
        number: u64,
    ) -> Result<Option<Replay>, Error> {
        let claim = of_number(sql!("postgres/replay_claim.sql"), tenant, number);
        Ok(self.replays_found(claim.bind(lease.term.cast_signed())).await?.pop())
    }

    async fn write_replay(&self, lease: &Lease, replay: &Replay) -> Result<LeaseCheck, Error> {
        let progress = &replay.progress;
        let write = of_number(sql!("postgres/replay_write.sql"), &replay.tenant, replay.number)
            .bind(lease.term.cast_signed())
            .bind(progress.position.as_column())
            .bind(progress.sent.events.cast_signed())
            .bind(progress.sent.bytes.cast_signed())
            .bind(progress.sent.skipped.cast_signed())
            .bind(progress.refused.as_ref().map(Topic::to_string))
            .bind(progress.closing.map(Position::as_column))
            .bind(progress.cause.clone())
            .bind(progress.ended.map(|(outcome, _)| outcome.as_str()))
            .bind(progress.ended.map(|(_, at)| at.as_ms()))
            .bind(replay.id.to_string());
        let written = self.sessions.acquire().await?.write(write).await?;
        Ok(if written == 1 { LeaseCheck::Held } else { LeaseCheck::Lost })
    }

    async fn drop_replays(&self, before: Time) -> Result<u64, Error> {
        let drop = sqlx::query(sql!("postgres/replay_drop.sql")).bind(before.as_ms());
        self.sessions.acquire().await?.write(drop).await
    }
}

impl Postgres {
    async fn replays_found(&self, statement: Statement) -> Result<Vec<Replay>, Error> {
        let found = self.sessions.acquire().await?.find_all(statement).await?;
        found.iter().map(Columns::replay).collect()
    }
}

fn of_id(sql: &'static str, tenant: &TenantId, id: ReplayId) -> Statement {
    sqlx::query(sql).bind(tenant.to_string()).bind(id.to_string())
}

fn of_number(sql: &'static str, tenant: &TenantId, number: u64) -> Statement {
    sqlx::query(sql).bind(tenant.to_string()).bind(number.cast_signed())
}
