//! The port's `Trail` on SQLite.
//!
//! The adapter's files that write an act write its entry here, in the same transaction.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, rows};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::{Act, TrailEntry, TrailRow};
use crate::store::trail::trail_row;
use crate::store::{Error, Trail, TrailScan};

#[async_trait]
impl Trail for Sqlite {
    async fn add_trail(&self, entry: &TrailEntry) -> Result<(), Error> {
        let (entry, clock) = (entry.clone(), self.clock.clone());
        self.writer.write(move |writing| note(writing, clock.now(), Some(&entry))).await
    }

    async fn trail(&self, scan: &TrailScan) -> Result<Vec<TrailRow>, Error> {
        let scan = scan.clone();
        self.readers
            .read(move |reading| {
                let (from, to, after, _) = scan.bounds();
                let wanted = params![
                    scan.tenant.as_ref().map(TenantId::as_str),
                    scan.act.map(Act::as_str),
                    from,
                    to,
                    after,
                    scan.after_number(),
                    i64::try_from(scan.rows_max).unwrap_or(i64::MAX),
                ];
                rows::find(reading, sql!("sqlite/trail_list.sql"), wanted, |row| trail_row(row))
            })
            .await
    }

    async fn drop_trail(&self, before: Time, max: usize) -> Result<u64, Error> {
        let old = [before.as_ms(), i64::try_from(max).unwrap_or(i64::MAX)];
        self.writer
            .write(move |writing| {
                Ok(rows::change(writing, sql!("sqlite/trail_drop.sql"), old)? as u64)
            })
            .await
    }
}

/// Writes the entry of an act, if it has one.
pub(super) fn note(
    writing: &Connection,
    now: Time,
    entry: Option<&TrailEntry>,
) -> Result<(), Error> {
    let Some(TrailEntry { actor, act, tenant, object, reason }) = entry else { return Ok(()) };
    let columns = params![
        now.as_ms(),
        actor.who,
        actor.issuer,
        tenant.as_ref().map(TenantId::as_str),
        act.as_str(),
        object,
        reason,
        actor.request_id,
    ];
    rows::write(writing, sql!("sqlite/trail_insert.sql"), columns)
}
