//! The port's `Cursors`: how far followers have come.
//!
//! Fed by the sinks that keep their cursor in the store, and by lanes that write down Kafka's;
//! feeds them when they go on, and everyone who asks what is published.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, rows};
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::{Cursors, Error, Lease, LeaseCheck, Moved, sql};

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
                let cursor = |row: &rusqlite::Row| Ok((sql::tenant(row)?, sql::cursor(row)?));
                rows::find(reading, sql!("sqlite/cursor_find_lane.sql"), of, cursor)
            })
            .await
    }

    async fn advance(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        seen: Option<&Cursor>,
        to: &Cursor,
    ) -> Result<Moved, Error> {
        let (tenant, follower, seen, to) = (tenant.clone(), follower.clone(), seen.copied(), *to);
        self.writer
            .write(move |writing| {
                let moved = match &seen {
                    None => place(writing, &tenant, &follower, &to)?,
                    Some(seen) => step(writing, &tenant, &follower, seen, &to)?,
                };
                match moved {
                    1 => Ok(Moved::Moved),
                    _ => Ok(Moved::Stale(find(writing, &tenant, &follower)?)),
                }
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
                let mut renewed = LeaseCheck::Held;
                for (tenant, Cursor { log_id, position, event_id }) in &cursors {
                    let checkpoint = params![
                        tenant.as_str(),
                        follower.as_str(),
                        log_id.to_string(),
                        position.as_column(),
                        event_id.as_bytes(),
                        term,
                    ];
                    if rows::change(writing, sql!("sqlite/cursor_checkpoint.sql"), checkpoint)? == 0
                    {
                        renewed = LeaseCheck::Lost;
                    }
                }
                Ok(renewed)
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
    rows::find_one(connection, sql!("sqlite/cursor_find.sql"), of, |row| sql::cursor(row))
}

/// Places a cursor where none stands; how many were placed.
fn place(
    writing: &Connection,
    tenant: &TenantId,
    follower: &Follower,
    cursor: &Cursor,
) -> Result<usize, Error> {
    let Cursor { log_id, position, event_id } = cursor;
    let place = params![
        tenant.as_str(),
        follower.as_str(),
        log_id.to_string(),
        position.as_column(),
        event_id.as_bytes(),
    ];
    rows::change(writing, sql!("sqlite/cursor_insert.sql"), place)
}

/// Moves a cursor that stands where it was seen; how many were moved.
fn step(
    writing: &Connection,
    tenant: &TenantId,
    follower: &Follower,
    seen: &Cursor,
    to: &Cursor,
) -> Result<usize, Error> {
    let step = params![
        to.log_id.to_string(),
        to.position.as_column(),
        to.event_id.as_bytes(),
        tenant.as_str(),
        follower.as_str(),
        seen.log_id.to_string(),
        seen.position.as_column(),
        seen.event_id.as_bytes(),
    ];
    rows::change(writing, sql!("sqlite/cursor_advance.sql"), step)
}
