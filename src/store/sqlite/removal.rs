//! The port's `Removal` on SQLite.
//!
//! `follow::removal` calls it with a few events at a time: each call holds up the appends that wait
//! for the one writer.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, cursors, rows, trail};
use crate::domain::event::EventId;
use crate::domain::floors::Floors;
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::columns::Columns;
use crate::store::removal::RemovedId;
use crate::store::{Error, LogEntry, Removal, RemovalStep, Stand, TopicRange, Weight};

#[async_trait]
impl Removal for Sqlite {
    async fn floors(&self, tenant: &TenantId) -> Result<Floors, Error> {
        let tenant = tenant.to_string();
        let list = move |reading: &Connection| {
            rows::find(reading, sql!("sqlite/removal_floor_list.sql"), [&tenant], |row| row.floor())
        };
        self.readers.read(list).await.map(Floors::new)
    }

    async fn know_sink(&self, follower: &Follower) -> Result<(), Error> {
        let follower = follower.to_string();
        let know = move |writing: &Connection| {
            rows::change(writing, sql!("sqlite/sink_know.sql"), [&follower]).map(drop)
        };
        self.writer.write(know).await
    }

    async fn stands(&self, tenant: &TenantId) -> Result<Vec<Stand>, Error> {
        let tenant = tenant.to_string();
        self.readers.read(move |reading| stands(reading, &tenant)).await
    }

    async fn entries(&self, range: &TopicRange, max: usize) -> Result<Vec<LogEntry>, Error> {
        let range = range.clone();
        self.readers
            .read(move |reading| {
                let TopicRange { tenant, topic, after, before } = &range;
                let of = params![
                    tenant.as_str(),
                    topic.as_str(),
                    after.as_column(),
                    before.as_column(),
                    column_of(max)
                ];
                rows::find(reading, sql!("sqlite/removal_entry_list.sql"), of, |row| row.entry())
            })
            .await
    }

    async fn newest_of_keys(
        &self,
        range: &TopicRange,
        keys: &[Key],
        each_max: usize,
    ) -> Result<Vec<LogEntry>, Error> {
        let (range, keys) = (range.clone(), keys.to_vec());
        self.readers
            .read(move |reading| {
                let TopicRange { tenant, topic, after, before } = &range;
                let mut newest = Vec::new();
                for key in &keys {
                    let of = params![
                        tenant.as_str(),
                        topic.as_str(),
                        after.as_column(),
                        before.as_column(),
                        column_of(each_max),
                        key.as_str()
                    ];
                    let find = sql!("sqlite/removal_entry_newest.sql");
                    newest.extend(rows::find(reading, find, of, |row| row.entry())?);
                }
                Ok(newest)
            })
            .await
    }

    async fn weigh(&self, range: &TopicRange, earlier_than: Time) -> Result<Weight, Error> {
        let range = range.clone();
        self.readers
            .read(move |reading| {
                let TopicRange { tenant, topic, after, before } = &range;
                let of = params![
                    tenant.as_str(),
                    topic.as_str(),
                    after.as_column(),
                    before.as_column(),
                    earlier_than.as_ms()
                ];
                rows::get(reading, sql!("sqlite/removal_weigh.sql"), of, |row| row.weight())
            })
            .await
    }

    async fn remove(&self, step: &RemovalStep) -> Result<Option<u64>, Error> {
        let step = step.clone();
        self.writer.write(move |writing| remove(writing, &step)).await
    }

    async fn forget_ids(&self, tenant: &TenantId, before: Time, max: usize) -> Result<u64, Error> {
        let tenant = tenant.clone();
        self.writer
            .write(move |writing| {
                let of = params![tenant.as_str(), before.as_ms(), column_of(max)];
                let id = |row: &rows::Row| Ok((row.position()?, row.event_id()?));
                let old = rows::find(writing, sql!("sqlite/removal_id_list.sql"), of, id)?;
                for (position, event_id) in &old {
                    let note = params![tenant.as_str(), position.as_column()];
                    rows::write(writing, sql!("sqlite/removal_id_drop.sql"), note)?;
                    forget(writing, &tenant, *event_id)?;
                }
                Ok(old.len() as u64)
            })
            .await
    }

    async fn forget_follower(
        &self,
        follower: &Follower,
        of: Option<&TenantId>,
        by: Option<&TrailEntry>,
    ) -> Result<Option<u64>, Error> {
        let (follower, of) = (follower.to_string(), of.map(TenantId::to_string));
        let (by, clock) = (by.cloned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let its = params![follower, of];
                rows::change(writing, sql!("sqlite/removal_parked_forget.sql"), its)?;
                let forget = sql!("sqlite/removal_follower_forget.sql");
                let logs = rows::change(writing, forget, its)? as u64;
                let mut is_known = logs > 0;
                if of.is_none() {
                    let every =
                        [sql!("sqlite/sink_forget.sql"), sql!("sqlite/purge_pass_forget.sql")];
                    for forget in every {
                        is_known |= rows::change(writing, forget, [&follower])? > 0;
                    }
                }
                trail::note(writing, clock.now(), by.as_ref().filter(|_| is_known))?;
                Ok(is_known.then_some(logs))
            })
            .await
    }
}

/// Returns the sinks that are known, and those that have a checkpoint in a tenant's log.
pub(super) fn stands(connection: &Connection, tenant: &str) -> Result<Vec<Stand>, Error> {
    rows::find(connection, sql!("sqlite/stand_list.sql"), [tenant], |row| row.stand())
}

fn remove(writing: &Connection, step: &RemovalStep) -> Result<Option<u64>, Error> {
    let RemovalStep { tenant, log_id, topic, positions, .. } = step;
    let (last, last_ms) = (step.last().as_column(), step.last_time.as_ms());
    let its = params![tenant.as_str(), log_id.to_string(), last, last_ms];
    if rows::find_one(writing, sql!("sqlite/removal_log_find.sql"), its, |_| Ok(()))?.is_none() {
        return Ok(None);
    }
    for (follower, position) in &step.stands {
        let stands = cursors::find(writing, tenant, follower)?;
        if !stands.is_some_and(|it| it.log_id == *log_id && it.position >= *position) {
            return Ok(None);
        }
    }
    let mut removed = 0;
    for position in positions {
        let event = params![tenant.as_str(), position.as_column(), topic.as_str()];
        let id = |row: &rows::Row| Ok((row.event_id()?, row.time()?));
        let event: Vec<RemovedId> =
            rows::find(writing, sql!("sqlite/removal_event_remove.sql"), event, id)?;
        for (event_id, time) in event {
            removed += 1;
            if time < step.forget_before {
                forget(writing, tenant, event_id)?;
                continue;
            }
            let note =
                params![tenant.as_str(), position.as_column(), event_id.as_bytes(), time.as_ms()];
            rows::write(writing, sql!("sqlite/removal_id_note.sql"), note)?;
        }
    }
    let floor = params![
        tenant.as_str(),
        topic.as_str(),
        step.floor().as_column(),
        step.compacted_to.as_column()
    ];
    rows::change(writing, sql!("sqlite/removal_floor_raise.sql"), floor)?;
    Ok(Some(removed))
}

fn forget(writing: &Connection, tenant: &TenantId, event_id: EventId) -> Result<(), Error> {
    let id = params![tenant.as_str(), event_id.as_bytes()];
    rows::change(writing, sql!("sqlite/removal_id_forget.sql"), id).map(drop)
}

/// Returns a limit as a statement takes it.
fn column_of(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
