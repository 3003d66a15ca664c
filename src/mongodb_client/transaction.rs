//! Transactions: a body is run until it commits, fails for good, or the time is over.
//!
//! Calls that write several documents at once use it. The body is repeated from its start if it
//! lost against another transaction, or the primary changed. It checks in the transaction what it
//! depends on, so that it may run any number of times. An error before the commit says that nothing
//! was written; an error of the commit says so only if the server did.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use ::mongodb::bson::doc;
use ::mongodb::error::{Error as Cause, TRANSIENT_TRANSACTION_ERROR};
use ::mongodb::options::ReadConcern;
use ::mongodb::{Client, ClientSession};
use async_trait::async_trait;
use tokio::time::{sleep, timeout};

use super::error::{ANSWERS_WITHIN, no_answer, text};

/// The time for which a body is repeated: longer than it takes until a dead replica's locks are
/// broken.
const PATIENCE: Duration = Duration::from_secs(12);
/// The number of times that a commit of unknown outcome is sent.
const COMMITS_MAX: u32 = 3;
/// The longest pause: a few times as long as a transaction takes.
const PAUSE_MS_MAX: u64 = 16;

/// A transaction that has begun. It ends by `commit`, or is aborted if its body fails.
pub(crate) struct Transaction<'s>(&'s mut ClientSession);

/// Lets the driver's calls take a transaction as their session.
impl<'a> From<&'a mut Transaction<'_>> for &'a mut ClientSession {
    fn from(transaction: &'a mut Transaction<'_>) -> Self {
        transaction.0
    }
}

/// The reason why a transaction was not committed: an error of the caller's port, which may be
/// worth another attempt.
pub(crate) trait TransactionFailure: From<Cause> + Send {
    /// The error of the port.
    type Error: Send;

    /// Makes the failure of an attempt that had no answer in time: nothing was written.
    fn no_answer(why: String) -> Self;

    /// Makes the failure of a commit whose outcome is unknown.
    fn unknown(why: String) -> Self;

    /// Returns the error, and whether the body should be run again.
    fn into_error(self) -> (Self::Error, Again);
}

/// Whether a body is run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It may succeed.
    Yes,
    /// It would fail again.
    No,
}

/// The reads and writes of a transaction.
#[async_trait]
pub(crate) trait TransactionBody: Sync {
    /// The result, which holds once it is committed.
    type Done: Send;
    /// The reason why it fails.
    type Failure: TransactionFailure;

    /// Prepares an attempt, before the transaction begins; `waited` is the time since the first
    /// attempt, `None` at the first.
    async fn prepare(
        &self,
        _session: &mut ClientSession,
        _waited: Option<Duration>,
    ) -> Result<(), Self::Failure> {
        Ok(())
    }

    /// Runs the body in the transaction.
    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<Self::Done, Self::Failure>;
}

/// Runs a body and commits it.
pub(crate) async fn commit<B: TransactionBody>(
    client: &Client,
    body: &B,
) -> Result<B::Done, <B::Failure as TransactionFailure>::Error> {
    let since = Instant::now();
    let started = begin(client).await.map_err(B::Failure::from);
    let mut session = started.map_err(|failure| failure.into_error().0)?;
    for attempt in 0.. {
        let waited = (attempt > 0).then(|| since.elapsed());
        let failure = match attempted(body, &mut session, waited).await {
            Ok((done, transaction)) => match transaction.commit().await {
                Ok(()) => return Ok(done),
                Err(failure) => failure,
            },
            Err(failure) => {
                // It may be aborted already; if not, its locks must not last until the next
                // attempt.
                drop(timeout(ANSWERS_WITHIN, session.abort_transaction()).await);
                failure
            }
        };
        let (error, again) = failure.into_error();
        if again == Again::No || since.elapsed() > PATIENCE {
            return Err(error);
        }
        sleep(pause(attempt)).await;
    }
    unreachable!("an endless loop ends by returning")
}

/// Starts a session without causal consistency, with which a transaction would wait until its
/// snapshot holds what its session did before, as long as the rest of it takes. The body checks
/// what must hold.
async fn begin(client: &Client) -> Result<ClientSession, Cause> {
    client.start_session().causal_consistency(false).await
}

/// Begins a transaction and runs its body; `waited` is the time since the first attempt.
async fn attempted<'s, B: TransactionBody>(
    body: &B,
    session: &'s mut ClientSession,
    waited: Option<Duration>,
) -> Result<(B::Done, Transaction<'s>), B::Failure> {
    let attempt = async move {
        body.prepare(session, waited).await?;
        session.start_transaction().read_concern(ReadConcern::snapshot()).await?;
        let mut transaction = Transaction(session);
        Ok((body.run(&mut transaction).await?, transaction))
    };
    let attempted = timeout(ANSWERS_WITHIN, attempt).await;
    attempted.unwrap_or_else(|_| Err(B::Failure::no_answer(no_answer())))
}

impl Transaction<'_> {
    /// Commits. If the server did not say whether it committed, the commit is sent again, which
    /// changes nothing if it did.
    async fn commit<F: TransactionFailure>(self) -> Result<(), F> {
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
        Err(F::unknown(last))
    }
}

/// Returns a pause that grows with each attempt, and is random, so that two that collide wait for
/// different times.
fn pause(attempt: u32) -> Duration {
    let most_us = 1_000 * PAUSE_MS_MAX.min(2 << attempt.min(8));
    Duration::from_micros(RandomState::new().hash_one(attempt) % most_us)
}
