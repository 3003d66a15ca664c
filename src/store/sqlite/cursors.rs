//! The port's `Cursors`: how far followers have come.
//!
//! Fed by the sinks that keep their cursor in the store, and by lanes that note Kafka's; feeds
//! them when they go on, and everyone who asks what is published.

use async_trait::async_trait;

use super::fault::fault;
use super::{Sqlite, rows};
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::{Cursors, Error, Moved, sql};

#[async_trait]
impl Cursors for Sqlite {
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error> {
        let row = find(tenant, follower).fetch_optional(&self.readers).await.map_err(fault)?;
        row.as_ref().map(sql::cursor).transpose()
    }

    async fn load_lane(&self, lane: Lane, follower: &Follower) -> Result<Vec<(TenantId, Cursor)>, Error> {
        let find =
            sqlx::query(sql!("sqlite/cursor_find_lane.sql")).bind(lane.number()).bind(follower.as_str());
        let found = find.fetch_all(&self.readers).await.map_err(fault)?;
        found.iter().map(|row| Ok((sql::tenant(row)?, sql::cursor(row)?))).collect()
    }

    async fn advance(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        seen: Option<&Cursor>,
        to: &Cursor,
    ) -> Result<Moved, Error> {
        let mut writing = self.writer.begin().await?;
        let advance = match seen {
            None => place(sqlx::query(sql!("sqlite/cursor_insert.sql")), tenant, follower, to),
            Some(seen) => {
                let advance = stands(sqlx::query(sql!("sqlite/cursor_advance.sql")), to);
                stands(advance.bind(tenant.as_str()).bind(follower.as_str()), seen)
            }
        };
        if advance.execute(writing.connection()).await.map_err(fault)?.rows_affected() == 1 {
            writing.commit().await?;
            return Ok(Moved::Moved);
        }
        let row = find(tenant, follower).fetch_optional(writing.connection()).await.map_err(fault)?;
        writing.rollback().await?;
        Ok(Moved::Stale(row.as_ref().map(sql::cursor).transpose()?))
    }

    async fn note(&self, follower: &Follower, cursors: &[(TenantId, Cursor)]) -> Result<(), Error> {
        let mut writing = self.writer.begin().await?;
        let note = |s, (tenant, cursor): &(TenantId, Cursor)| place(s, tenant, follower, cursor);
        rows::write(writing.connection(), sql!("sqlite/cursor_note.sql"), cursors, note).await?;
        writing.commit().await
    }
}

fn find(tenant: &TenantId, follower: &Follower) -> rows::Statement {
    sqlx::query(sql!("sqlite/cursor_find.sql")).bind(tenant.as_str()).bind(follower.as_str())
}

/// Binds a whole row.
fn place(
    statement: rows::Statement,
    tenant: &TenantId,
    follower: &Follower,
    cursor: &Cursor,
) -> rows::Statement {
    stands(statement.bind(tenant.as_str()).bind(follower.as_str()), cursor)
}

/// Binds where a cursor stands.
fn stands(statement: rows::Statement, cursor: &Cursor) -> rows::Statement {
    let Cursor { log_id, position, event_id } = cursor;
    statement.bind(log_id.to_string()).bind(position.as_column()).bind(&event_id.as_bytes()[..])
}
