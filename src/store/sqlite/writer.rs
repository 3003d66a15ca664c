//! The one writer: a connection that transactions take turns on.
//!
//! Fed by everything of this adapter that writes. A connection goes back only after a transaction
//! that ended as it should; after an error, or when a caller's future is dropped half way, it is
//! closed, which rolls back, and the next transaction opens another. (sqlx counts a transaction as
//! open for ever that SQLite itself has rolled back, as it does when the disk is full.)

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use tokio::sync::{Mutex, MutexGuard};

use super::fault::{commit_fault, fault};
use super::rows::TUPLES_MAX;
use crate::store::Error;

/// SQLite's number for `synchronous=FULL`.
const FULL: i64 = 2;
/// Statements that stay prepared: what an append finds and writes, in each number of tuples, and all others.
const STATEMENTS: usize = 5 * TUPLES_MAX;

/// Where transactions that write queue up, first come, first served.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    idle: Mutex<Option<SqliteConnection>>,
}

impl Writer {
    /// With a connection that was opened with these options.
    pub(super) fn new(options: SqliteConnectOptions, connection: SqliteConnection) -> Self {
        Self { options, idle: Mutex::new(Some(connection)) }
    }

    /// Begins a transaction as soon as the one before it has ended.
    pub(super) async fn begin(&self) -> Result<Writing<'_>, Error> {
        let mut idle = self.idle.lock().await;
        let mut connection = match idle.take() {
            Some(connection) => connection,
            None => connect(&self.options).await?,
        };
        sqlx::query(sql!("sqlite/begin.sql")).execute(&mut connection).await.map_err(fault)?;
        Ok(Writing { idle, connection })
    }
}

/// A transaction that writes; dropped before its commit, it has written nothing.
pub(super) struct Writing<'a> {
    idle: MutexGuard<'a, Option<SqliteConnection>>,
    connection: SqliteConnection,
}

impl Writing<'_> {
    /// To run statements on.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Makes all of it durable.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        sqlx::query(sql!("sqlite/commit.sql")).execute(&mut self.connection).await.map_err(commit_fault)?;
        *self.idle = Some(self.connection);
        Ok(())
    }

    /// Ends it where there was nothing to write.
    pub(super) async fn rollback(mut self) -> Result<(), Error> {
        sqlx::query(sql!("sqlite/rollback.sql")).execute(&mut self.connection).await.map_err(fault)?;
        *self.idle = Some(self.connection);
        Ok(())
    }
}

/// Opens a connection that writes, and refuses it unless its commits are durable.
pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, Error> {
    // A statement of many rows notes the pages that it changes, to take itself back: in memory, not in a file.
    let options = options.clone().statement_cache_capacity(STATEMENTS).pragma("temp_store", "MEMORY");
    let mut connection = options.connect().await.map_err(fault)?;
    let mode =
        sqlx::query(sql!("sqlite/journal_mode.sql")).fetch_one(&mut connection).await.map_err(fault)?;
    let mode: String = mode.try_get(0).map_err(fault)?;
    if mode != "wal" {
        return Err(Error::Refused(format!("journal_mode is `{mode}`, but must be `wal`")));
    }
    let level =
        sqlx::query(sql!("sqlite/synchronous.sql")).fetch_one(&mut connection).await.map_err(fault)?;
    let level: i64 = level.try_get(0).map_err(fault)?;
    if level < FULL {
        return Err(Error::Refused(format!("synchronous is {level}, but must be 2 (FULL) or 3 (EXTRA)")));
    }
    Ok(connection)
}
