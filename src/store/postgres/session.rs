//! Sessions: a connection of the pool for the length of one call, and the transaction on it.
//!
//! Fed by everything of this adapter; feeds the server. A connection goes back to the pool only
//! after a call that ended as it should; after an error that is told, or when a caller's future is
//! dropped half way, it is closed, which rolls back what was not to commit itself. No answer in
//! time is a lost connection (a server that vanished sends no word of it).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use tokio::time::timeout;

use super::Config;
use super::error::{autocommit_error, commit_error, is_retryable, store_error};
use super::options::{self, Durable, Setting};
use super::rows::{self, Statement};
use super::verify::verify;
use crate::store::Error;

/// How long a call waits for a connection.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How much longer than a statement may take its answer is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// How long an answer is awaited but of a read, which may be long: whoever waits is told that the
/// store is unavailable.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Where sessions come from.
pub(super) struct Sessions {
    pool: PgPool,
    /// How many connections were made.
    connected: Arc<AtomicU64>,
    /// Why the last connection that was made could not be used.
    refused: Arc<Mutex<Option<Error>>>,
    reads_within: Duration,
}

impl Sessions {
    /// Of a server whose commits are durable at that level.
    pub(super) fn new(config: &Config, options: PgConnectOptions, durable: &Durable) -> Self {
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

    /// Another number than before once a connection was made: it may be to another server, or to
    /// one that was down meanwhile.
    pub(super) fn incarnation(&self) -> u64 {
        self.connected.load(Ordering::SeqCst)
    }

    /// For statements that each stand alone.
    pub(super) async fn acquire(&self) -> Result<Session, Error> {
        self.within(ANSWERS_WITHIN.min(self.reads_within)).await
    }

    async fn within(&self, answer_within: Duration) -> Result<Session, Error> {
        let connection = self.pool.acquire().await.map_err(|error| self.unavailable(error))?;
        Ok(Session { connection: Some(connection), answer_within, retryable: false })
    }

    /// The pool tries again what it can't connect to, and only tells that its patience is over.
    fn unavailable(&self, error: sqlx::Error) -> Error {
        let refused = self.refused.lock().expect("no holder panics").take();
        refused
            .filter(|_| matches!(error, sqlx::Error::PoolTimedOut))
            .unwrap_or_else(|| store_error(error))
    }

    /// With a transaction that writes.
    pub(super) async fn begin(&self) -> Result<Session, Error> {
        let mut session = self.acquire().await?;
        session.control(sql!("postgres/begin.sql")).await.map_err(store_error)?;
        Ok(session)
    }

    /// With a transaction that sees one state of the store.
    pub(super) async fn begin_read(&self) -> Result<Session, Error> {
        let mut session = self.within(self.reads_within).await?;
        session.control(sql!("postgres/begin_read.sql")).await.map_err(store_error)?;
        Ok(session)
    }
}

/// A connection of one's own.
pub(super) struct Session {
    /// `None` once it went back.
    connection: Option<PoolConnection<sqlx::Postgres>>,
    answer_within: Duration,
    retryable: bool,
}

impl Session {
    /// The rows that a statement finds.
    pub(super) async fn find(&mut self, statement: Statement) -> Result<Vec<PgRow>, Error> {
        let found = self.fetch(statement).await;
        found.map_err(|error| self.noted(error, store_error))
    }

    /// The rows that a statement finds, when there is nothing else to ask.
    pub(super) async fn find_all(mut self, statement: Statement) -> Result<Vec<PgRow>, Error> {
        let rows = self.find(statement).await?;
        self.put_back();
        Ok(rows)
    }

    /// The one row that a statement finds, if any, when there is nothing else to ask.
    pub(super) async fn find_one(self, statement: Statement) -> Result<Option<PgRow>, Error> {
        Ok(self.find_all(statement).await?.pop())
    }

    /// Writes exactly that many rows, within a transaction.
    pub(super) async fn insert(&mut self, statement: Statement, rows: usize) -> Result<(), Error> {
        rows::ensure_rows(self.change(statement).await?, rows)
    }

    /// Runs a statement whose rows don't count, within a transaction.
    pub(super) async fn run(&mut self, statement: Statement) -> Result<(), Error> {
        self.change(statement).await.map(drop)
    }

    /// Changes what it finds, within a transaction; tells how many rows.
    pub(super) async fn change(&mut self, statement: Statement) -> Result<u64, Error> {
        self.execute(statement).await.map_err(|error| self.noted(error, store_error))
    }

    /// Writes by a statement that is a transaction by itself; tells how many rows.
    pub(super) async fn write(mut self, statement: Statement) -> Result<u64, Error> {
        let written = self.execute(statement).await.map_err(autocommit_error)?;
        self.put_back();
        Ok(written)
    }

    /// Writes by a statement that is a transaction by itself, and gives the rows back.
    pub(super) async fn write_rows(&mut self, statement: Statement) -> Result<Vec<PgRow>, Error> {
        let rows = self.fetch(statement).await;
        rows.map_err(|error| self.noted(error, autocommit_error))
    }

    /// The same where there is one row, if any, and nothing else to ask.
    pub(super) async fn write_one(mut self, statement: Statement) -> Result<Option<PgRow>, Error> {
        let row = self.write_rows(statement).await?.pop();
        self.put_back();
        Ok(row)
    }

    /// Makes the transaction durable.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        self.control(sql!("postgres/commit.sql")).await.map_err(commit_error)?;
        self.put_back();
        Ok(())
    }

    /// Ends a transaction where there was nothing to write.
    pub(super) async fn rollback(mut self) -> Result<(), Error> {
        self.control(sql!("postgres/rollback.sql")).await.map_err(store_error)?;
        self.put_back();
        Ok(())
    }

    /// Whether the transaction failed for another's sake, and may be run again.
    pub(super) fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// Begins or ends a transaction.
    async fn control(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        let within = self.answer_within;
        timeout(within, sqlx::raw_sql(statement).execute(self.connection()))
            .await
            .unwrap_or_else(|_| Err(no_answer()))
            .map(drop)
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<PgRow>, sqlx::Error> {
        let within = self.answer_within;
        timeout(within, statement.fetch_all(self.connection()))
            .await
            .unwrap_or_else(|_| Err(no_answer()))
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, sqlx::Error> {
        let within = self.answer_within;
        let done = timeout(within, statement.execute(self.connection())).await;
        done.unwrap_or_else(|_| Err(no_answer())).map(|done| done.rows_affected())
    }

    fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("it goes back at the end")
    }

    fn noted(&mut self, error: sqlx::Error, meaning: fn(sqlx::Error) -> Error) -> Error {
        self.retryable = is_retryable(&error);
        meaning(error)
    }

    /// Gives the connection back: nothing is open on it.
    pub(super) fn put_back(&mut self) {
        self.connection = None;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.close_on_drop();
        }
    }
}

fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
