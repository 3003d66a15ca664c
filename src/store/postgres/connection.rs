//! Connections: a call takes one of the pool, for statements each of which commits itself.
//!
//! Every file of this adapter uses it. A transaction on a connection is another type
//! (`transaction`), so that nothing can be committed that was not begun. A connection goes back to
//! the pool only after a call that ended well. After an error, or if a caller's future is dropped
//! half way, it is closed, which rolls back an open transaction. A missing answer counts as a lost
//! connection, since a server that vanished sends nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use tokio::time::timeout;

use super::error::{autocommit_error, store_error, transaction_error};
use super::options::{self, Durable, Setting};
use super::rows::Statement;
use super::verify::verify;
use crate::store::error::TransactionError;
use crate::store::{Error, PostgresConfig};

/// The longest time that a call waits for a connection.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);
/// The time for which an answer is awaited after its statement's own limit.
const GRACE: Duration = Duration::from_secs(5);

/// The longest time for which an answer is awaited, except that of a read, which may be long. After
/// that, the store counts as unavailable.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// The source of connections.
pub(super) struct Sessions {
    pool: PgPool,
    /// The number of connections that were made.
    connected: Arc<AtomicU64>,
    /// The reason why the last connection that was made could not be used.
    refused: Arc<Mutex<Option<Error>>>,
    reads_within: Duration,
}

impl Sessions {
    /// Makes the pool of connections to a server whose commits are durable at this level.
    pub(super) fn new(
        config: &PostgresConfig,
        options: PgConnectOptions,
        durable: &Durable,
    ) -> Self {
        let (connected, refused) =
            (Arc::<AtomicU64>::default(), Arc::<Mutex<Option<Error>>>::default());
        let (count, because) = (connected.clone(), refused.clone());
        let settings: Arc<[Setting]> = options::of_sessions(config, durable).into();
        let pool = PgPoolOptions::new()
            .after_connect(move |connection, _| {
                count.fetch_add(1, Ordering::SeqCst);
                let (settings, because) = (settings.clone(), because.clone());
                Box::pin(async move {
                    let error = verify(connection, &settings).await.err();
                    because.lock().expect("no holder panics").clone_from(&error);
                    error.map_or(Ok(()), |error| Err(sqlx::Error::Configuration(error.into())))
                })
            })
            .max_connections(config.connections_max.max(1))
            .acquire_timeout(WAIT_MAX)
            .connect_lazy_with(options);
        let reads_within = match config.statement_timeout {
            Duration::ZERO => Duration::MAX,
            timeout => timeout.saturating_add(GRACE),
        };
        Self { pool, connected, refused, reads_within }
    }

    /// Returns a number that changes whenever a connection is made, since it may be to another
    /// server, or to one that was down meanwhile.
    pub(super) fn incarnation(&self) -> u64 {
        self.connected.load(Ordering::SeqCst)
    }

    /// Acquires a connection for single statements.
    pub(super) async fn acquire(&self) -> Result<Connection, Error> {
        self.within(ANSWERS_WITHIN.min(self.reads_within)).await
    }

    /// Acquires a connection for statements that may take as long as a read.
    pub(super) async fn acquire_to_read(&self) -> Result<Connection, Error> {
        self.within(self.reads_within).await
    }

    async fn within(&self, answer_within: Duration) -> Result<Connection, Error> {
        let pooled = self.pool.acquire().await.map_err(|error| self.unavailable(error))?;
        Ok(Connection { pooled: Some(pooled), answer_within })
    }

    /// Explains an error of the pool, which tries again while it can't connect, and in the end
    /// reports only a time-out.
    fn unavailable(&self, error: sqlx::Error) -> Error {
        let refused = self.refused.lock().expect("no holder panics").take();
        refused
            .filter(|_| matches!(error, sqlx::Error::PoolTimedOut))
            .unwrap_or_else(|| store_error(error))
    }
}

/// A connection that one call has, on which each statement commits itself.
pub(super) struct Connection {
    /// The pool's connection; `None` once it went back.
    pooled: Option<PoolConnection<sqlx::Postgres>>,
    answer_within: Duration,
}

impl Connection {
    /// Returns the rows that a statement finds.
    pub(super) async fn find(&mut self, statement: Statement) -> Result<Vec<PgRow>, Error> {
        self.fetch(statement).await.map_err(store_error)
    }

    /// Returns the rows that a statement finds, and gives the connection back.
    pub(super) async fn find_all(mut self, statement: Statement) -> Result<Vec<PgRow>, Error> {
        let rows = self.find(statement).await?;
        self.put_back();
        Ok(rows)
    }

    /// Returns the one row that a statement finds, if any, and gives the connection back.
    pub(super) async fn find_one(self, statement: Statement) -> Result<Option<PgRow>, Error> {
        Ok(self.find_all(statement).await?.pop())
    }

    /// Writes, and gives the connection back; returns the number of rows.
    pub(super) async fn write(mut self, statement: Statement) -> Result<u64, Error> {
        let written = self.execute(statement).await.map_err(autocommit_error)?;
        self.put_back();
        Ok(written)
    }

    /// Writes, and returns the rows that the statement returns.
    pub(super) async fn write_rows(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<PgRow>, TransactionError> {
        let told = self.fetch(statement).await;
        told.map_err(|error| transaction_error(error, autocommit_error))
    }

    /// Writes, and gives the connection back; returns the one row, if any.
    pub(super) async fn write_one(mut self, statement: Statement) -> Result<Option<PgRow>, Error> {
        let row = self.write_rows(statement).await?.pop();
        self.put_back();
        Ok(row)
    }

    /// Gives the connection back, with nothing open on it.
    pub(super) fn put_back(&mut self) {
        self.pooled = None;
    }

    /// Begins or ends a transaction.
    pub(super) async fn control(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        let within = self.answer_within;
        timeout(within, sqlx::raw_sql(statement).execute(self.pooled()))
            .await
            .unwrap_or_else(|_| Err(no_answer()))
            .map(drop)
    }

    /// Waits for the rows of a statement.
    pub(super) async fn fetch(&mut self, statement: Statement) -> Result<Vec<PgRow>, sqlx::Error> {
        let within = self.answer_within;
        timeout(within, statement.fetch_all(self.pooled()))
            .await
            .unwrap_or_else(|_| Err(no_answer()))
    }

    /// Waits for the number of rows that a statement changed.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64, sqlx::Error> {
        let within = self.answer_within;
        let done = timeout(within, statement.execute(self.pooled())).await;
        done.unwrap_or_else(|_| Err(no_answer())).map(|done| done.rows_affected())
    }

    fn pooled(&mut self) -> &mut PgConnection {
        self.pooled.as_mut().expect("it goes back at the end")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(pooled) = &mut self.pooled {
            pooled.close_on_drop();
        }
    }
}

fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
