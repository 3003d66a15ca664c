//! The port's `Replays` on SQLite.
//!
//! Operators and lanes write single rows; a claim and the write after it go by the row's term.

use async_trait::async_trait;
use rusqlite::params;

use super::{Sqlite, rows, trail};
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
impl Replays for Sqlite {
    async fn add_replay(&self, replay: &Replay, by: Option<&TrailEntry>) -> Result<bool, Error> {
        let replay = replay.clone();
        let (by, clock) = (by.cloned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let ended = replay.progress.ended;
                let columns = params![
                    replay.tenant.as_str(),
                    replay.number.cast_signed(),
                    replay.id.to_string(),
                    replay.log_id.to_string(),
                    replay.submitted.as_ms(),
                    replay.plan.as_column(),
                    replay.plan.target.as_ref().map(|target| target.topic.to_string()),
                    replay.until.map(Position::as_column),
                    replay.total.map(u64::cast_signed),
                    replay.rate.events_per_second,
                    replay.rate.bytes_per_second.map(u64::cast_signed),
                    replay.wish.0.as_str(),
                    replay.wish.1.as_ms(),
                    replay.progress.position.as_column(),
                    ended.map(|(outcome, _)| outcome.as_str()),
                    ended.map(|(_, at)| at.as_ms()),
                ];
                let changed =
                    rows::change(writing, sql!("sqlite/replay_insert.sql"), columns)? == 1;
                trail::note(writing, clock.now(), by.as_ref().filter(|_| changed))?;
                Ok(changed)
            })
            .await
    }

    async fn replays(&self, tenant: &TenantId) -> Result<Vec<Replay>, Error> {
        let tenant = tenant.to_string();
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/replay_list.sql");
                rows::find(reading, list, [&tenant], |row| row.replay())
            })
            .await
    }

    async fn find_replay(&self, tenant: &TenantId, id: ReplayId) -> Result<Option<Replay>, Error> {
        let of = [tenant.to_string(), id.to_string()];
        self.readers
            .read(move |reading| {
                let find = sql!("sqlite/replay_find.sql");
                rows::find_one(reading, find, params![of[0], of[1]], |row| row.replay())
            })
            .await
    }

    async fn open_replays(&self, lane: Lane) -> Result<Vec<Replay>, Error> {
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/replay_list_open.sql");
                rows::find(reading, list, [lane.number()], |row| row.replay())
            })
            .await
    }

    async fn wish_replay(
        &self,
        tenant: &TenantId,
        id: ReplayId,
        (wish, at): (Wish, Time),
        rate: Option<Rate>,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let tenant = tenant.clone();
        let (by, clock) = (by.cloned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let Rate { events_per_second, bytes_per_second } = rate.unwrap_or_default();
                let columns = params![
                    tenant.as_str(),
                    id.to_string(),
                    wish.as_str(),
                    at.as_ms(),
                    rate.is_some(),
                    events_per_second,
                    bytes_per_second.map(u64::cast_signed),
                ];
                let changed = rows::change(writing, sql!("sqlite/replay_wish.sql"), columns)? == 1;
                trail::note(writing, clock.now(), by.as_ref().filter(|_| changed))?;
                Ok(changed)
            })
            .await
    }

    async fn claim_replay(
        &self,
        lease: &Lease,
        tenant: &TenantId,
        number: u64,
    ) -> Result<Option<Replay>, Error> {
        let (tenant, term) = (tenant.clone(), lease.term.cast_signed());
        self.writer
            .write(move |writing| {
                let of = params![tenant.as_str(), number.cast_signed(), term];
                let claim = sql!("sqlite/replay_claim.sql");
                Ok(rows::find(writing, claim, of, |row| row.replay())?.pop())
            })
            .await
    }

    async fn write_replay(&self, lease: &Lease, replay: &Replay) -> Result<LeaseCheck, Error> {
        let (term, replay) = (lease.term.cast_signed(), replay.clone());
        self.writer
            .write(move |writing| {
                let progress = &replay.progress;
                let columns = params![
                    replay.tenant.as_str(),
                    replay.number.cast_signed(),
                    term,
                    progress.position.as_column(),
                    progress.sent.events.cast_signed(),
                    progress.sent.bytes.cast_signed(),
                    progress.sent.skipped.cast_signed(),
                    progress.refused.as_ref().map(Topic::as_str),
                    progress.closing.map(Position::as_column),
                    progress.cause,
                    progress.ended.map(|(outcome, _)| outcome.as_str()),
                    progress.ended.map(|(_, at)| at.as_ms()),
                    replay.id.to_string(),
                ];
                let changed = rows::change(writing, sql!("sqlite/replay_write.sql"), columns)?;
                Ok(if changed == 1 { LeaseCheck::Held } else { LeaseCheck::Lost })
            })
            .await
    }

    async fn drop_replays(&self, before: Time) -> Result<u64, Error> {
        self.writer
            .write(move |writing| {
                let drop = sql!("sqlite/replay_drop.sql");
                Ok(rows::change(writing, drop, [before.as_ms()])? as u64)
            })
            .await
    }
}
