//! The port's `Removal` on PostgreSQL.
//!
//! `follow::removal` calls it with a few events at a time. A removal shares a lock on its tenant's
//! row, so that the log's id can't be rotated meanwhile; appends don't wait for it.

use async_trait::async_trait;

use super::Postgres;
use super::rows::{Statement, of_tenant};
use crate::domain::floors::Floors;
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::columns::Columns;
use crate::store::{Error, LogEntry, Removal, RemovalStep, Stand, TopicRange, Weight};

#[async_trait]
impl Removal for Postgres {
    async fn floors(&self, tenant: &TenantId) -> Result<Floors, Error> {
        let list = of_tenant(sql!("postgres/removal_floor_list.sql"), tenant);
        let found = self.sessions.acquire().await?.find_all(list).await?;
        let floors: Result<Vec<_>, _> = found.iter().map(Columns::floor).collect();
        floors.map(Floors::new)
    }

    async fn know_sink(&self, follower: &Follower) -> Result<(), Error> {
        let know = sqlx::query(sql!("postgres/sink_know.sql")).bind(follower.to_string());
        let mut session = self.sessions.begin().await?;
        session.run(know).await?;
        session.commit().await
    }

    async fn stands(&self, tenant: &TenantId) -> Result<Vec<Stand>, Error> {
        let list = of_tenant(sql!("postgres/stand_list.sql"), tenant);
        let found = self.sessions.acquire().await?.find_all(list).await?;
        found.iter().map(Columns::stand).collect()
    }

    async fn entries(&self, range: &TopicRange, max: usize) -> Result<Vec<LogEntry>, Error> {
        let list = in_range(sql!("postgres/removal_entry_list.sql"), range).bind(column_of(max));
        let found = self.sessions.acquire().await?.find_all(list).await?;
        found.iter().map(Columns::entry).collect()
    }

    async fn newest_of_keys(
        &self,
        range: &TopicRange,
        keys: &[Key],
        each_max: usize,
    ) -> Result<Vec<LogEntry>, Error> {
        let keys: Vec<_> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        let list = in_range(sql!("postgres/removal_entry_newest.sql"), range)
            .bind(column_of(each_max))
            .bind(keys);
        let found = self.sessions.acquire().await?.find_all(list).await?;
        found.iter().map(Columns::entry).collect()
    }

    async fn weigh(&self, range: &TopicRange, earlier_than: Time) -> Result<Weight, Error> {
        let weigh = in_range(sql!("postgres/removal_weigh.sql"), range).bind(earlier_than.as_ms());
        let found = self.sessions.acquire().await?.find_one(weigh).await?;
        found.as_ref().map_or(Ok(Weight::default()), Columns::weight)
    }

    async fn remove(&self, step: &RemovalStep) -> Result<Option<u64>, Error> {
        let RemovalStep { tenant, log_id, topic, positions, compacted_to, .. } = step;
        let mut session = self.sessions.begin().await?;
        let its = of_tenant(sql!("postgres/removal_log_find.sql"), tenant)
            .bind(log_id.to_string())
            .bind(step.stands.iter().map(|(follower, _)| follower.to_string()).collect::<Vec<_>>())
            .bind(step.stands.iter().map(|(_, position)| position.as_column()).collect::<Vec<_>>())
            .bind(step.last().as_column())
            .bind(step.last_time.as_ms());
        if session.find(its).await?.is_empty() {
            session.rollback().await?;
            return Ok(None);
        }
        let positions: Vec<_> = positions.iter().copied().map(Position::as_column).collect();
        let remove = of_tenant(sql!("postgres/removal_event_remove.sql"), tenant)
            .bind(positions)
            .bind(topic.to_string())
            .bind(step.forget_before.as_ms());
        let removed = session.find(remove).await?;
        let raise = of_tenant(sql!("postgres/removal_floor_raise.sql"), tenant)
            .bind(topic.to_string())
            .bind(step.floor().as_column())
            .bind(compacted_to.as_column());
        session.run(raise).await?;
        session.commit().await?;
        removed.first().map(|row| row.count("events")).transpose().map(|n| n.or(Some(0)))
    }

    async fn forget_ids(&self, tenant: &TenantId, before: Time, max: usize) -> Result<u64, Error> {
        let forget = of_tenant(sql!("postgres/removal_id_forget.sql"), tenant)
            .bind(before.as_ms())
            .bind(column_of(max));
        let forgotten = self.sessions.acquire().await?.write_one(forget).await?;
        forgotten.map_or(Ok(0), |row| row.count("events"))
    }

    async fn forget_follower(
        &self,
        follower: &Follower,
        of: Option<&TenantId>,
        by: Option<&TrailEntry>,
    ) -> Result<Option<u64>, Error> {
        let forget =
            |sql| sqlx::query(sql).bind(follower.to_string()).bind(of.map(TenantId::to_string));
        let mut session = self.sessions.begin().await?;
        session.run(forget(sql!("postgres/removal_parked_forget.sql"))).await?;
        let logs = session.change(forget(sql!("postgres/removal_follower_forget.sql"))).await?;
        let mut is_known = logs > 0;
        if of.is_none() {
            for sql in [sql!("postgres/sink_forget.sql"), sql!("postgres/purge_pass_forget.sql")] {
                is_known |= session.change(sqlx::query(sql).bind(follower.to_string())).await? > 0;
            }
        }
        session.note(by.filter(|_| is_known)).await?;
        session.commit().await?;
        Ok(is_known.then_some(logs))
    }
}

fn in_range(sql: &'static str, range: &TopicRange) -> Statement {
    let TopicRange { tenant, topic, after, before } = range;
    of_tenant(sql, tenant).bind(topic.to_string()).bind(after.as_column()).bind(before.as_column())
}

/// Returns a limit as a statement takes it.
fn column_of(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
