//! The port's `Cursors`: how far followers have come.
//!
//! Fed by the sinks that keep their cursor in the store, and by lanes that write down Kafka's;
//! feeds them when they go on, and everyone who asks what is published.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Postgres;
use super::rows::Statement;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::{Cursors, Error, Lease, LeaseCheck, Moved, sql};

#[async_trait]
impl Cursors for Postgres {
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error> {
        let find = whose(sqlx::query(sql!("postgres/cursor_find.sql")), tenant, follower);
        self.sessions.acquire().await?.find_one(find).await?.as_ref().map(sql::cursor).transpose()
    }

    async fn load_lane(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<(TenantId, Cursor)>, Error> {
        let find = sqlx::query(sql!("postgres/cursor_find_lane.sql"))
            .bind(i64::from(lane.number()))
            .bind(follower.to_string());
        let found = self.sessions.acquire().await?.find_all(find).await?;
        found.iter().map(|row| Ok((sql::tenant(row)?, sql::cursor(row)?))).collect()
    }

    async fn advance(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        seen: Option<&Cursor>,
        to: &Cursor,
    ) -> Result<Moved, Error> {
        let advance = match seen {
            None => {
                stands(whose(sqlx::query(sql!("postgres/cursor_insert.sql")), tenant, follower), to)
            }
            Some(seen) => {
                let advance =
                    whose(sqlx::query(sql!("postgres/cursor_advance.sql")), tenant, follower);
                stands(stands(advance, to), seen)
            }
        };
        match self.sessions.acquire().await?.write(advance).await? {
            1 => Ok(Moved::Moved),
            _ => Ok(Moved::Stale(self.load(tenant, follower).await?)),
        }
    }

    async fn checkpoint(
        &self,
        lease: &Lease,
        follower: &Follower,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<LeaseCheck, Error> {
        let each: BTreeMap<_, _> =
            cursors.iter().map(|(tenant, cursor)| (tenant, cursor)).collect();
        let checkpoint = sqlx::query(sql!("postgres/cursor_checkpoint.sql"))
            .bind(follower.to_string())
            .bind(lease.term.cast_signed())
            .bind(each.keys().map(|tenant| tenant.as_str()).collect::<Vec<_>>())
            .bind(each.values().map(|cursor| cursor.log_id.to_string()).collect::<Vec<_>>())
            .bind(each.values().map(|cursor| cursor.position.as_column()).collect::<Vec<_>>())
            .bind(each.values().map(|cursor| cursor.event_id.to_string()).collect::<Vec<_>>());
        let written = self.sessions.acquire().await?.write(checkpoint).await?;
        Ok(if written == each.len() as u64 { LeaseCheck::Held } else { LeaseCheck::Lost })
    }
}

/// Binds whose cursor it is.
pub(super) fn whose(statement: Statement, tenant: &TenantId, follower: &Follower) -> Statement {
    statement.bind(tenant.to_string()).bind(follower.to_string())
}

/// Binds where a cursor stands.
fn stands(statement: Statement, cursor: &Cursor) -> Statement {
    let Cursor { log_id, position, event_id } = cursor;
    statement.bind(log_id.to_string()).bind(position.as_column()).bind(event_id.to_string())
}
