//! The port's `Purges` on SQLite.
//!
//! `follow::purge` calls it. The one writer does each step whole, and finds the purge first.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, parking, removal, rows, trail};
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
    sql!("sqlite/purge_event_remove.sql"),
    sql!("sqlite/purge_idempotency_remove.sql"),
    sql!("sqlite/purge_removed_id_remove.sql"),
    sql!("sqlite/purge_parked_remove.sql"),
    sql!("sqlite/purge_replay_remove.sql"),
    sql!("sqlite/purge_erasure_remove.sql"),
    sql!("sqlite/purge_subscription_remove.sql"),
    sql!("sqlite/purge_dead_letter_remove.sql"),
    sql!("sqlite/purge_claim_remove.sql"),
    sql!("sqlite/purge_kafka_group_remove.sql"),
];
/// The statements that remove the few rows of the other tables.
const REST: [&str; 8] = [
    sql!("sqlite/purge_cursor_remove.sql"),
    sql!("sqlite/purge_delete_all_remove.sql"),
    sql!("sqlite/purge_floor_remove.sql"),
    sql!("sqlite/purge_expansion_remove.sql"),
    sql!("sqlite/purge_subject_topic_remove.sql"),
    sql!("sqlite/purge_topic_partition_remove.sql"),
    sql!("sqlite/purge_incarnation_remove.sql"),
    sql!("sqlite/purge_pass_remove.sql"),
];

#[async_trait]
impl Purges for Sqlite {
    async fn begin_purge(
        &self,
        tenant: &TenantId,
        at: Time,
        published_by: Option<&[Follower]>,
        by: Option<&TrailEntry>,
    ) -> Result<PurgeStart, Error> {
        let (tenant, published_by) = (tenant.to_string(), published_by.map(<[_]>::to_vec));
        let (by, clock) = (by.cloned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let find = sql!("sqlite/tenant_find.sql");
                let log = rows::find_one(writing, find, [&tenant], |row| {
                    row.tenant_log(row.position()?)
                })?;
                let Some(log) = log else {
                    let take_all = sql!("sqlite/purge_take_all.sql");
                    if published_by.is_none() && rows::change(writing, take_all, [&tenant])? > 0 {
                        trail::note(writing, clock.now(), by.as_ref())?;
                        return Ok(PurgeStart::Widened);
                    }
                    return Ok(PurgeStart::NoLog);
                };
                if let Some(followers) = published_by {
                    let loses = unpublished(writing, &log, &followers)?;
                    if !loses.is_nothing() {
                        return Ok(PurgeStart::Loses(loses));
                    }
                }
                let begun = params![tenant, at.as_ms()];
                rows::write(writing, sql!("sqlite/purge_insert.sql"), begun)?;
                rows::write(writing, sql!("sqlite/purge_tenant_remove.sql"), [&tenant])?;
                rows::change(writing, sql!("sqlite/head_touch.sql"), [&tenant])?;
                trail::note(writing, clock.now(), by.as_ref())?;
                Ok(PurgeStart::Begun)
            })
            .await
    }

    async fn purges(&self) -> Result<Vec<Purge>, Error> {
        let found = self.readers.read(|reading| {
            rows::find(reading, sql!("sqlite/purge_list.sql"), [], |row| purges::purge(row))
        });
        found.await.map(purges::together)
    }

    async fn was_purged(&self, tenant: &TenantId) -> Result<bool, Error> {
        let tenant = tenant.to_string();
        let found = self.readers.read(move |reading| {
            rows::find_one(reading, sql!("sqlite/purge_trace.sql"), [&tenant], |_| Ok(()))
        });
        Ok(found.await?.is_some())
    }

    async fn pass_purge(
        &self,
        lease: &Lease,
        follower: &Follower,
        purge: &Purge,
    ) -> Result<LeaseCheck, Error> {
        let (lease, follower, purge) = (*lease, follower.to_string(), purge.clone());
        self.writer
            .write(move |writing| {
                if parking::is_lost(writing, &lease)? {
                    return Ok(LeaseCheck::Lost);
                }
                if is_under_way(writing, &purge)? {
                    let passes = [purge.tenant.as_str(), &follower];
                    rows::change(writing, sql!("sqlite/purge_pass.sql"), passes)?;
                    rows::change(writing, sql!("sqlite/purge_cursor_forget.sql"), passes)?;
                }
                Ok(LeaseCheck::Held)
            })
            .await
    }

    async fn note_removed(&self, follower: &Follower, purge: &Purge) -> Result<(), Error> {
        let (follower, purge) = (follower.to_string(), purge.clone());
        self.writer
            .write(move |writing| {
                if is_under_way(writing, &purge)? {
                    let its = [purge.tenant.as_str(), &follower];
                    rows::change(writing, sql!("sqlite/purge_pass_end.sql"), its)?;
                }
                Ok(())
            })
            .await
    }

    async fn purge_step(&self, purge: &Purge, max: usize) -> Result<bool, Error> {
        let (purge, max) = (purge.clone(), i64::try_from(max).unwrap_or(i64::MAX));
        self.writer
            .write(move |writing| {
                if !is_under_way(writing, &purge)? {
                    return Ok(false);
                }
                for remove in STEPS {
                    let removed =
                        rows::change(writing, remove, params![purge.tenant.as_str(), max])?;
                    if removed > 0 {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await
    }

    async fn end_purge(&self, purge: &Purge, at: Time) -> Result<bool, Error> {
        let purge = purge.clone();
        self.writer
            .write(move |writing| {
                if !is_under_way(writing, &purge)? {
                    return Ok(true);
                }
                let of = [purge.tenant.as_str()];
                let count = sql!("sqlite/purge_left_count.sql");
                if rows::get(writing, count, of, |row| row.count("sinks"))? > 0 {
                    return Ok(false);
                }
                remove_all(writing, purge.tenant.as_str())?;
                let ended = params![purge.tenant.as_str(), at.as_ms()];
                rows::write(writing, sql!("sqlite/purge_end.sql"), ended)?;
                Ok(true)
            })
            .await
    }
}

/// Removes all that is left of a tenant that has no log, but the number of its head.
fn remove_all(writing: &Connection, tenant: &str) -> Result<(), Error> {
    for remove in STEPS {
        rows::change(writing, remove, params![tenant, i64::MAX])?;
    }
    for remove in REST {
        rows::change(writing, remove, [tenant])?;
    }
    Ok(())
}

/// Forgets the purge of a tenant that comes back, if it has ended; and removes what was written
/// after the end by whoever had found the tenant before the purge.
pub(super) fn forget(writing: &Connection, tenant: &str) -> Result<(), Error> {
    match rows::change(writing, sql!("sqlite/purge_forget.sql"), [tenant])? {
        0 => Ok(()),
        _ => remove_all(writing, tenant),
    }
}

fn is_under_way(writing: &Connection, purge: &Purge) -> Result<bool, Error> {
    let of = [purge.tenant.to_string(), purge.log_id.to_string()];
    Ok(rows::find_one(writing, sql!("sqlite/purge_find.sql"), of, |_| Ok(()))?.is_some())
}

/// Counts what the sinks have not published of a log.
fn unpublished(
    writing: &Connection,
    log: &TenantLog,
    followers: &[Follower],
) -> Result<Unpublished, Error> {
    let tenant = log.tenant.as_str();
    let incarnations = sql!("sqlite/incarnation_find.sql");
    let incarnations = rows::find(writing, incarnations, [tenant], |row| row.incarnation())?;
    let stands = removal::stands(writing, tenant)?;
    let open = sql!("sqlite/purge_expansion_count.sql");
    let open = rows::get(writing, open, [tenant], |row| row.count("expansions"))?;
    let parked = sql!("sqlite/purge_parked_count.sql");
    let parked = rows::get(writing, parked, [tenant], |row| row.count("events"))?;
    Ok(Unpublished::of(log, &Incarnations::new(incarnations), (&stands, followers), (open, parked)))
}
