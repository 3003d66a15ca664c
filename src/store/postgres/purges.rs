//! The port's `Purges` on PostgreSQL.
//!
//! `follow::purge` calls it. Each step locks the purge's row, so that of two replicas one waits for
//! the other; the beginning locks the head, as appends do.

use async_trait::async_trait;

use super::rows::of_tenant;
use super::transaction::Transaction;
use super::{Postgres, cursors, parking, rows};
use crate::domain::follower::Follower;
use crate::domain::incarnation::Incarnations;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::columns::Columns;
use crate::store::purges::{self, Unpublished};
use crate::store::{Error, Lease, LeaseCheck, Purge, PurgeStart, Purges, TenantLog};

/// The statements that remove rows in steps, each of one table.
const STEPS: [&str; 10] = [
    sql!("postgres/purge_event_remove.sql"),
    sql!("postgres/purge_idempotency_remove.sql"),
    sql!("postgres/purge_removed_id_remove.sql"),
    sql!("postgres/purge_parked_remove.sql"),
    sql!("postgres/purge_replay_remove.sql"),
    sql!("postgres/purge_erasure_remove.sql"),
    sql!("postgres/purge_subscription_remove.sql"),
    sql!("postgres/purge_dead_letter_remove.sql"),
    sql!("postgres/purge_claim_remove.sql"),
    sql!("postgres/purge_kafka_group_remove.sql"),
];
/// The statements that remove the few rows of the other tables.
const REST: [&str; 8] = [
    sql!("postgres/purge_cursor_remove.sql"),
    sql!("postgres/purge_delete_all_remove.sql"),
    sql!("postgres/purge_floor_remove.sql"),
    sql!("postgres/purge_expansion_remove.sql"),
    sql!("postgres/purge_subject_topic_remove.sql"),
    sql!("postgres/purge_topic_partition_remove.sql"),
    sql!("postgres/purge_incarnation_remove.sql"),
    sql!("postgres/purge_pass_remove.sql"),
];

#[async_trait]
impl Purges for Postgres {
    async fn begin_purge(
        &self,
        tenant: &TenantId,
        at: Time,
        published_by: Option<&[Follower]>,
        by: Option<&TrailEntry>,
    ) -> Result<PurgeStart, Error> {
        let mut session = self.sessions.begin().await?;
        session.run(rows::of_tenants(sql!("postgres/head_lock.sql"), &[tenant])).await?;
        let found = session.find(of_tenant(sql!("postgres/tenant_find.sql"), tenant)).await?;
        let Some(row) = found.first() else {
            let take_all = of_tenant(sql!("postgres/purge_take_all.sql"), tenant);
            let takes_more = published_by.is_none() && session.change(take_all).await? > 0;
            if takes_more {
                session.note(by).await?;
            }
            session.commit().await?;
            return Ok(if takes_more { PurgeStart::Widened } else { PurgeStart::NoLog });
        };
        if let Some(followers) = published_by {
            let log = row.tenant_log(row.position()?)?;
            let loses = unpublished(&mut session, &log, followers).await?;
            if !loses.is_nothing() {
                session.rollback().await?;
                return Ok(PurgeStart::Loses(loses));
            }
        }
        session
            .insert(of_tenant(sql!("postgres/purge_insert.sql"), tenant).bind(at.as_ms()), 1)
            .await?;
        session.insert(of_tenant(sql!("postgres/purge_tenant_remove.sql"), tenant), 1).await?;
        session.run(of_tenant(sql!("postgres/head_touch.sql"), tenant)).await?;
        session.note(by).await?;
        session.commit().await?;
        Ok(PurgeStart::Begun)
    }

    async fn purges(&self) -> Result<Vec<Purge>, Error> {
        let list = sqlx::query(sql!("postgres/purge_list.sql"));
        let found = self.sessions.acquire().await?.find_all(list).await?;
        found.iter().map(purges::purge).collect::<Result<_, _>>().map(purges::together)
    }

    async fn was_purged(&self, tenant: &TenantId) -> Result<bool, Error> {
        let find = sqlx::query(sql!("postgres/purge_trace.sql")).bind(tenant.to_string());
        Ok(self.sessions.acquire().await?.find_one(find).await?.is_some())
    }

    async fn pass_purge(
        &self,
        lease: &Lease,
        follower: &Follower,
        purge: &Purge,
    ) -> Result<LeaseCheck, Error> {
        let mut session = self.sessions.begin().await?;
        if parking::is_lost(&mut session, lease).await? {
            session.rollback().await?;
            return Ok(LeaseCheck::Lost);
        }
        if is_under_way(&mut session, purge).await? {
            for pass in [sql!("postgres/purge_pass.sql"), sql!("postgres/purge_cursor_forget.sql")]
            {
                session.run(cursors::whose(sqlx::query(pass), &purge.tenant, follower)).await?;
            }
        }
        session.commit().await?;
        Ok(LeaseCheck::Held)
    }

    async fn note_removed(&self, follower: &Follower, purge: &Purge) -> Result<(), Error> {
        let mut session = self.sessions.begin().await?;
        if is_under_way(&mut session, purge).await? {
            let end = sqlx::query(sql!("postgres/purge_pass_end.sql"));
            session.run(cursors::whose(end, &purge.tenant, follower)).await?;
        }
        session.commit().await
    }

    async fn purge_step(&self, purge: &Purge, max: usize) -> Result<bool, Error> {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let mut session = self.sessions.begin().await?;
        let mut removed = 0;
        if is_under_way(&mut session, purge).await? {
            for remove in STEPS {
                removed = session.change(of_tenant(remove, &purge.tenant).bind(max)).await?;
                if removed > 0 {
                    break;
                }
            }
        }
        session.commit().await?;
        Ok(removed > 0)
    }

    async fn end_purge(&self, purge: &Purge, at: Time) -> Result<bool, Error> {
        let mut session = self.sessions.begin().await?;
        if is_under_way(&mut session, purge).await? {
            let count = of_tenant(sql!("postgres/purge_left_count.sql"), &purge.tenant);
            if rows::count_in(&session.find(count).await?, "sinks")? > 0 {
                session.rollback().await?;
                return Ok(false);
            }
            remove_all(&mut session, &purge.tenant).await?;
            let end = of_tenant(sql!("postgres/purge_end.sql"), &purge.tenant);
            session.run(end.bind(at.as_ms())).await?;
        }
        session.commit().await?;
        Ok(true)
    }
}

/// Removes all that is left of a tenant that has no log, but the number of its head.
async fn remove_all(session: &mut Transaction, tenant: &TenantId) -> Result<(), Error> {
    for remove in STEPS {
        session.run(of_tenant(remove, tenant).bind(i64::MAX)).await?;
    }
    for remove in REST {
        session.run(of_tenant(remove, tenant)).await?;
    }
    Ok(())
}

/// Forgets the purge of a tenant that comes back, if it has ended; and removes what was written
/// after the end by whoever had found the tenant before the purge.
pub(super) async fn forget(session: &mut Transaction, tenant: &TenantId) -> Result<(), Error> {
    match session.change(of_tenant(sql!("postgres/purge_forget.sql"), tenant)).await? {
        0 => Ok(()),
        _ => remove_all(session, tenant).await,
    }
}

async fn is_under_way(session: &mut Transaction, purge: &Purge) -> Result<bool, Error> {
    let find =
        of_tenant(sql!("postgres/purge_find.sql"), &purge.tenant).bind(purge.log_id.to_string());
    Ok(!session.find(find).await?.is_empty())
}

/// Counts what the sinks have not published of a log.
async fn unpublished(
    session: &mut Transaction,
    log: &TenantLog,
    followers: &[Follower],
) -> Result<Unpublished, Error> {
    let of_log = |sql| of_tenant(sql, &log.tenant);
    let found = session.find(of_log(sql!("postgres/incarnation_find.sql"))).await?;
    let incarnations = found.iter().map(Columns::incarnation).collect::<Result<_, _>>()?;
    let found = session.find(of_log(sql!("postgres/stand_list.sql"))).await?;
    let stands = found.iter().map(Columns::stand).collect::<Result<Vec<_>, _>>()?;
    let open = session.find(of_log(sql!("postgres/purge_expansion_count.sql"))).await?;
    let open = open.first().map_or(Ok(0), |row| row.count("expansions"))?;
    let parked = session.find(of_log(sql!("postgres/purge_parked_count.sql"))).await?;
    let parked = parked.first().map_or(Ok(0), |row| row.count("events"))?;
    Ok(Unpublished::of(log, &Incarnations::new(incarnations), (&stands, followers), (open, parked)))
}
