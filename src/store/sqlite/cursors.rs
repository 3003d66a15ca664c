//! The port's `Cursors` on SQLite.
//!
//! Lanes write checkpoints of what their sinks committed; lanes that take over read them, and so do
//! requests for what is published.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, rows};
use crate::domain::cursor::Cursor;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::columns::Columns;
use crate::store::{Cursors, Error, Lag, Lease, LeaseCheck};

#[async_trait]
impl Cursors for Sqlite {
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error> {
        let (tenant, follower) = (tenant.clone(), follower.clone());
        self.readers.read(move |reading| find(reading, &tenant, &follower)).await
    }

    async fn load_lane(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<(TenantId, Cursor)>, Error> {
        let follower = follower.clone();
        self.readers
            .read(move |reading| {
                let of = params![lane.number(), follower.as_str()];
                let cursor = |row: &rows::Row| Ok((row.tenant()?, row.cursor()?));
                rows::find(reading, sql!("sqlite/cursor_find_lane.sql"), of, cursor)
            })
            .await
    }

    async fn lag(&self, follower: &Follower) -> Result<Lag, Error> {
        let (follower, now) = (follower.clone(), self.clock.now());
        self.readers
            .read(move |reading| {
                let of = params![follower.as_str()];
                rows::get(reading, sql!("sqlite/cursor_lag.sql"), of, |row| row.lag(now))
            })
            .await
    }

    async fn checkpoint(
        &self,
        lease: &Lease,
        follower: &Follower,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<LeaseCheck, Error> {
        let (term, follower, cursors) =
            (lease.term.cast_signed(), follower.clone(), cursors.to_vec());
        self.writer
            .write(move |writing| {
                let mut lease = LeaseCheck::Held;
                for (tenant, cursor) in &cursors {
                    if !has(writing, tenant, cursor)? {
                        continue;
                    }
                    let Cursor { log_id, position, event_id, time } = cursor;
                    let checkpoint = params![
                        tenant.as_str(),
                        follower.as_str(),
                        log_id.to_string(),
                        position.as_column(),
                        event_id.as_bytes(),
                        time.as_ms(),
                        term,
                    ];
                    if rows::change(writing, sql!("sqlite/cursor_checkpoint.sql"), checkpoint)? == 0
                    {
                        lease = LeaseCheck::Lost;
                    }
                }
                Ok(lease)
            })
            .await
    }
}

pub(super) fn find(
    connection: &Connection,
    tenant: &TenantId,
    follower: &Follower,
) -> Result<Option<Cursor>, Error> {
    let of = params![tenant.as_str(), follower.as_str()];
    rows::find_one(connection, sql!("sqlite/cursor_find.sql"), of, |row| row.cursor())
}

/// Returns whether a log has the event that a cursor names.
fn has(connection: &Connection, tenant: &TenantId, cursor: &Cursor) -> Result<bool, Error> {
    let Cursor { position, event_id, time, .. } = cursor;
    if *position == Position::START {
        return Ok(true);
    }
    let of = params![tenant.as_str(), position.as_column(), event_id.as_bytes(), time.as_ms()];
    let found = rows::find_one(connection, sql!("sqlite/cursor_event_find.sql"), of, |_| Ok(()))?;
    Ok(found.is_some())
}
