//! Transactions: several statements on one connection, which are committed together or not at all.
//!
//! Calls that write with more than one statement use it, and those that read one state with
//! several. A transaction exists only once it has begun, and ends by `commit` or `rollback`, which
//! give its connection back. One that is dropped is rolled back, since its connection is closed.

use sqlx::postgres::PgRow;

use super::connection::{Connection, Sessions};
use super::error::{commit_error, store_error, transaction_error};
use super::rows::{self, Statement};
use crate::store::Error;
use crate::store::error::TransactionError;

/// A transaction that has begun.
pub(super) struct Transaction(Connection);

impl Sessions {
    /// Begins a transaction that writes.
    pub(super) async fn begin(&self) -> Result<Transaction, Error> {
        let mut connection = self.acquire().await?;
        connection.control(sql!("postgres/transaction_begin.sql")).await.map_err(store_error)?;
        Ok(Transaction(connection))
    }

    /// Begins a transaction that sees one state of the store.
    pub(super) async fn begin_read(&self) -> Result<Transaction, Error> {
        let mut connection = self.acquire_to_read().await?;
        connection
            .control(sql!("postgres/transaction_begin_read.sql"))
            .await
            .map_err(store_error)?;
        Ok(Transaction(connection))
    }
}

impl Transaction {
    /// Returns the rows that a statement finds.
    pub(super) async fn find(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<PgRow>, TransactionError> {
        self.0.fetch(statement).await.map_err(failed)
    }

    /// Writes rows, and checks their number.
    pub(super) async fn insert(
        &mut self,
        statement: Statement,
        rows: usize,
    ) -> Result<(), TransactionError> {
        Ok(rows::ensure_rows(self.change(statement).await?, rows)?)
    }

    /// Runs a statement and ignores its rows.
    pub(super) async fn run(&mut self, statement: Statement) -> Result<(), TransactionError> {
        self.change(statement).await.map(drop)
    }

    /// Changes the rows that a statement finds; returns their number.
    pub(super) async fn change(&mut self, statement: Statement) -> Result<u64, TransactionError> {
        self.0.execute(statement).await.map_err(failed)
    }

    /// Makes the transaction durable.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        self.0.control(sql!("postgres/transaction_commit.sql")).await.map_err(commit_error)?;
        self.0.put_back();
        Ok(())
    }

    /// Ends a transaction that wrote nothing.
    pub(super) async fn rollback(mut self) -> Result<(), Error> {
        self.0.control(sql!("postgres/transaction_rollback.sql")).await.map_err(store_error)?;
        self.0.put_back();
        Ok(())
    }
}

fn failed(error: sqlx::Error) -> TransactionError {
    transaction_error(error, store_error)
}
