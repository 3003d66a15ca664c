//! Transactions: a body is run until it commits, fails for good, or the time is over.
//!
//! Calls that write several documents at once use it. The body is repeated from its start if it
//! lost against another transaction, or the primary changed. It checks in the transaction what it
//! depends on, so that it may run any number of times. An error before the commit says that nothing
//! was written; an error of the commit says so only if the server did.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use ::mongodb::bson::doc;
use ::mongodb::error::TRANSIENT_TRANSACTION_ERROR;
use ::mongodb::options::ReadConcern;
use ::mongodb::{Client, ClientSession};
use async_trait::async_trait;
use tokio::time::{sleep, timeout};

use super::error::{ANSWERS_WITHIN, no_answer, store_error, text};
use super::open_transactions::OpenTransactions;
use crate::store::Error;
use crate::store::error::TransactionError;

/// The time for which a body is repeated: longer than it takes until a dead replica's locks are
/// broken.
const PATIENCE: Duration = Duration::from_secs(12);
/// The time after which a body that keeps losing looks for transactions that have been open for too
/// long.
const SUSPICIOUS_AFTER: Duration = Duration::from_secs(1);
pub(super) const TOO_LONG: Duration = Duration::from_secs(5);
/// The number of times that a commit of unknown outcome is sent.
const COMMITS_MAX: u32 = 3;
/// The longest pause: a few times as long as a transaction takes.
const PAUSE_MS_MAX: u64 = 16;

/// A transaction that has begun. It ends by `commit`, or is aborted if its body fails.
pub(super) struct Transaction<'s>(&'s mut ClientSession);

/// Lets the driver's calls take a transaction as their session.
impl<'a> From<&'a mut Transaction<'_>> for &'a mut ClientSession {
    fn from(transaction: &'a mut Transaction<'_>) -> Self {
        transaction.0
    }
}

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
    let (since, mut session) = (Instant::now(), begin(open_transactions.client()).await?);
    for attempt in 0.. {
        let waited = (attempt > 0).then(|| since.elapsed());
        let why = match attempted(open_transactions, body, &mut session, waited).await {
            Ok((done, transaction)) => match transaction.commit().await {
                Ok(()) => return Ok(done),
                Err(failed) => failed,
            },
            Err(failed) => {
                // It may be aborted already; if not, its locks must not last until the next
                // attempt.
                drop(timeout(ANSWERS_WITHIN, session.abort_transaction()).await);
                failed
            }
        };
        match why {
            TransactionError::Fatal(error) => return Err(error),
            TransactionError::Retry(error) if since.elapsed() > PATIENCE => return Err(error),
            TransactionError::Retry(_) => sleep(pause(attempt)).await,
        }
    }
    unreachable!("an endless loop ends by returning")
}

/// Starts a session without causal consistency, with which a transaction would wait until its
/// snapshot holds what its session did before, as long as the rest of it takes. The body checks
/// what must hold.
async fn begin(client: &Client) -> Result<ClientSession, Error> {
    client.start_session().causal_consistency(false).await.map_err(store_error)
}

/// Begins a transaction and runs its body; `waited` is the time since the first attempt.
async fn attempted<'s, B: TransactionBody>(
    open_transactions: &OpenTransactions,
    body: &B,
    session: &'s mut ClientSession,
    waited: Option<Duration>,
) -> Result<(B::Done, Transaction<'s>), TransactionError> {
    let attempt = async move {
        match waited {
            None => open_transactions.begin(session).await?,
            Some(waited) if waited > SUSPICIOUS_AFTER => {
                open_transactions.end_others(TOO_LONG).await?;
                open_transactions.begin(session).await?;
            }
            Some(_) => {}
        }
        let mut transaction = Transaction::begin(session, open_transactions).await?;
        Ok((body.run(&mut transaction).await?, transaction))
    };
    timeout(ANSWERS_WITHIN, attempt).await.map_err(|_| Error::Unavailable(no_answer()))?
}

impl<'s> Transaction<'s> {
    /// Begins the transaction, and removes in it the entry that it is open.
    async fn begin(
        session: &'s mut ClientSession,
        open_transactions: &OpenTransactions,
    ) -> Result<Self, TransactionError> {
        session.start_transaction().read_concern(ReadConcern::snapshot()).await?;
        open_transactions.end(session).await?;
        Ok(Self(session))
    }

    /// Commits. If the server did not say whether it committed, the commit is sent again, which
    /// changes nothing if it did.
    async fn commit(self) -> Result<(), TransactionError> {
        let mut last = no_answer();
        for _ in 0..COMMITS_MAX {
            match timeout(ANSWERS_WITHIN, self.0.commit_transaction()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(cause)) if cause.contains_label(TRANSIENT_TRANSACTION_ERROR) => {
                    return Err(cause.into());
                }
                Ok(Err(cause)) => last = text(&cause),
                Err(_) => break,
            }
        }
        let admin = self.0.client().database("admin");
        // If it isn't committed by now it never will be, so its locks are released at once.
        let end = admin.run_command(doc! { "killSessions": [self.0.id()] });
        drop(timeout(ANSWERS_WITHIN, end).await);
        Err(Error::Unknown(last).into())
    }
}

/// Returns a pause that grows with each attempt, and is random, so that two that collide wait for
/// different times.
fn pause(attempt: u32) -> Duration {
    let most_us = 1_000 * PAUSE_MS_MAX.min(2 << attempt.min(8));
    Duration::from_micros(RandomState::new().hash_one(attempt) % most_us)
}
