//! The port's `Trail` on PostgreSQL.
//!
//! The adapter's files that write an act write its entry with it, in one transaction.

use async_trait::async_trait;

use super::Postgres;
use super::rows::Statement;
use super::transaction::Transaction;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::{Act, TrailEntry, TrailRow};
use crate::store::error::TransactionError;
use crate::store::trail::trail_row;
use crate::store::{Error, Trail, TrailScan};

#[async_trait]
impl Trail for Postgres {
    async fn add_trail(&self, entry: &TrailEntry) -> Result<(), Error> {
        self.sessions.acquire().await?.write(insert(entry)).await.map(drop)
    }

    async fn trail(&self, scan: &TrailScan) -> Result<Vec<TrailRow>, Error> {
        let (from, to, after, _) = scan.bounds();
        let list = sqlx::query(sql!("postgres/trail_list.sql"))
            .bind(scan.tenant.as_ref().map(TenantId::to_string))
            .bind(scan.act.map(Act::as_str))
            .bind(from)
            .bind(to)
            .bind(after)
            .bind(scan.after_number())
            .bind(i64::try_from(scan.rows_max).unwrap_or(i64::MAX));
        self.sessions.acquire().await?.find_all(list).await?.iter().map(trail_row).collect()
    }

    async fn drop_trail(&self, before: Time, max: usize) -> Result<u64, Error> {
        let old = sqlx::query(sql!("postgres/trail_drop.sql"))
            .bind(before.as_ms())
            .bind(i64::try_from(max).unwrap_or(i64::MAX));
        self.sessions.acquire().await?.write(old).await
    }
}

impl Postgres {
    /// Runs a statement that changes one row at most, and writes the entry of the act with it.
    /// Returns whether the row was changed; if not, nothing is written.
    pub(super) async fn act(
        &self,
        statement: Statement,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        if by.is_none() {
            return Ok(self.sessions.acquire().await?.write(statement).await? == 1);
        }
        let mut session = self.sessions.begin().await?;
        if session.change(statement).await? == 0 {
            session.rollback().await?;
            return Ok(false);
        }
        session.note(by).await?;
        session.commit().await?;
        Ok(true)
    }
}

impl Transaction {
    /// Writes the entry of an act, if it has one.
    pub(super) async fn note(
        &mut self,
        entry: Option<&TrailEntry>,
    ) -> Result<(), TransactionError> {
        match entry {
            Some(entry) => self.insert(insert(entry), 1).await,
            None => Ok(()),
        }
    }
}

/// Returns the statement that writes an entry.
fn insert(entry: &TrailEntry) -> Statement {
    let TrailEntry { actor, act, tenant, object, reason } = entry;
    sqlx::query(sql!("postgres/trail_insert.sql"))
        .bind(actor.who.clone())
        .bind(actor.issuer.clone())
        .bind(tenant.as_ref().map(TenantId::to_string))
        .bind(act.as_str())
        .bind(object.clone())
        .bind(reason.clone())
        .bind(actor.request_id.clone())
}
