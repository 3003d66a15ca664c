//! The store's transactions: each is registered as open before it begins.
//!
//! Calls that write several rows at once use it; `mongodb_client::transaction` runs them. A body
//! that keeps losing looks for transactions that a dead replica has left open.

use std::time::Duration;

use ::mongodb::ClientSession;
use async_trait::async_trait;

use super::open_transactions::OpenTransactions;
use crate::mongodb_client::transaction::{self as client, Again, TransactionFailure};
use crate::store::Error;
use crate::store::error::TransactionError;

pub(super) use client::Transaction;

/// The time after which a body that keeps losing looks for transactions that have been open for too
/// long.
const SUSPICIOUS_AFTER: Duration = Duration::from_secs(1);
pub(super) const TOO_LONG: Duration = Duration::from_secs(5);

/// The reads and writes of a transaction.
#[async_trait]
pub(super) trait TransactionBody: Sync {
    /// The result, which holds once it is committed.
    type Done: Send;

    /// Runs the body in the transaction.
    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<Self::Done, TransactionError>;
}

/// Runs a body and commits it.
pub(super) async fn commit<B: TransactionBody>(
    open_transactions: &OpenTransactions,
    body: &B,
) -> Result<B::Done, Error> {
    client::commit(open_transactions.client(), &Registered { open_transactions, body }).await
}

/// A body whose transaction is registered while it is open.
struct Registered<'a, B> {
    open_transactions: &'a OpenTransactions,
    body: &'a B,
}

#[async_trait]
impl<B: TransactionBody> client::TransactionBody for Registered<'_, B> {
    type Done = B::Done;
    type Failure = TransactionError;

    async fn prepare(
        &self,
        session: &mut ClientSession,
        waited: Option<Duration>,
    ) -> Result<(), TransactionError> {
        match waited {
            None => self.open_transactions.begin(session).await,
            Some(waited) if waited > SUSPICIOUS_AFTER => {
                self.open_transactions.end_others(TOO_LONG).await?;
                self.open_transactions.begin(session).await
            }
            Some(_) => Ok(()),
        }
    }

    /// The entry is removed in the transaction itself.
    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<B::Done, TransactionError> {
        self.open_transactions.end(transaction.into()).await?;
        self.body.run(transaction).await
    }
}

impl TransactionFailure for TransactionError {
    type Error = Error;

    fn no_answer(why: String) -> Self {
        Error::Unavailable(why).into()
    }

    fn unknown(why: String) -> Self {
        Error::Unknown(why).into()
    }

    fn into_error(self) -> (Error, Again) {
        match self {
            Self::Retry(error) => (error, Again::Yes),
            Self::Fatal(error) => (error, Again::No),
        }
    }
}
