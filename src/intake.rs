//! In: batches of drafts on their way into the log, many requests to a commit.
//!
//! Fed by `http`; feeds `store`, then wakes the tenant's lane. Requests that arrive while a commit
//! is under way share the next one. A batch that is in the queue is appended whether its client
//! still waits or not, and whatever the store has against others of its commit. Memory is bounded:
//! what doesn't fit is refused at once, and nothing of it was written.

mod queue;
mod writer;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::domain::draft::Draft;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::shares::{Full, Shares};
use crate::store::{self, Batch, Outcome, Receipt, Store};
use crate::tasks::{Ended, Tasks};

use queue::{Job, Queue};

/// How much may wait, and how much goes into one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Batches that may wait at each writer.
    pub queue_batches_max: usize,
    /// Bytes that may wait in all.
    pub queue_bytes_max: usize,
    /// Bytes of one tenant that may wait; a single batch may be larger.
    pub tenant_bytes_max: usize,
    /// Drafts that share a commit, at most; but a batch is never split.
    pub group_drafts_max: usize,
    /// Bytes that share a commit, at most; but a batch is never split.
    pub group_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_batches_max: 4096,
            queue_bytes_max: 128 << 20,
            tenant_bytes_max: 64 << 20,
            group_drafts_max: 2048,
            group_bytes_max: 16 << 20,
        }
    }
}

/// Why a batch is not in the log; nothing of it was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Too much waits already: try later.
    #[error("too many changes wait for the store")]
    Full,
    /// Too much of this tenant waits already: try later.
    #[error("too many changes of tenant `{0}` wait for the store")]
    TenantFull(TenantId),
    /// An event id is in the log with other content.
    #[error("the event id of change {index} stands for other content (position {position})")]
    Conflict {
        /// Which draft of the batch, from 0.
        index: usize,
        /// Where the event with that id stands; [`Position::START`] if that is in the batch itself.
        position: Position,
    },
    /// The tenant is not enabled.
    #[error("the tenant is not enabled")]
    NotEnabled,
    /// The store takes writes, but not this batch, and will not if it comes again.
    #[error("the store takes writes, but not this batch: {}", .0.why())]
    Unstorable(#[source] store::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A batch that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The tenant's log.
    pub log_id: LogId,
    /// One per draft, in order.
    pub receipts: Vec<Receipt>,
    /// Whether any of the drafts was there before.
    pub repeated: bool,
}

/// Called with the lane of every tenant that has new events.
pub type Wake = Arc<dyn Fn(Lane) + Send + Sync>;

/// The way in.
pub struct Intake {
    queues: Vec<mpsc::Sender<Job>>,
    waiting: Arc<Shares>,
}

/// The tasks that append; they end once every [`Intake`] is gone and the queues are empty.
pub struct Writers(Tasks);

impl Writers {
    /// The next one to end, which none does while there is an [`Intake`].
    pub async fn ended(&mut self) -> Ended {
        self.0.ended().await
    }

    /// Waits until all that was queued is in the log or refused. Returns the writer that panicked,
    /// if one did.
    pub async fn finish(self) -> Option<Ended> {
        self.0.finish().await
    }
}

impl Intake {
    /// Starts as many writers as the store likes.
    pub fn start(config: &Config, store: &Arc<dyn Store>, wake: &Wake) -> (Self, Writers) {
        let (mut queues, mut tasks) = (Vec::new(), Tasks::default());
        for writer in 0..store.writers() {
            let (sender, jobs) = mpsc::channel(config.queue_batches_max);
            queues.push(sender);
            let queue = Queue::new(config, jobs, store);
            tasks.spawn(
                format!("intake writer {writer}"),
                writer::run(queue, store.clone(), wake.clone()),
            );
        }
        let waiting = Shares::new(config.queue_bytes_max, config.tenant_bytes_max);
        (Self { queues, waiting }, Writers(tasks))
    }

    /// Appends a batch, and returns once it is durable. Dropping the future does not undo it.
    pub async fn submit(&self, batch: Batch) -> Result<Accepted, Error> {
        let bytes = batch.drafts.iter().map(Draft::memory_bytes).sum();
        let share = self.waiting.take(&batch.tenant, bytes).map_err(|full| match full {
            Full::All => Error::Full,
            Full::Tenant => Error::TenantFull(batch.tenant.clone()),
        })?;
        let queue = &self.queues[self.writer_of(&batch.tenant)];
        let (reply, answer) = oneshot::channel();
        queue.try_send(Job { batch, reply, share }).map_err(|_| Error::Full)?;
        let lost = || store::Error::Unknown("the writer is gone".to_owned());
        match answer.await.map_err(|_| lost())?? {
            Outcome::Appended { log_id, receipts, repeated, .. } => {
                Ok(Accepted { log_id, receipts, repeated })
            }
            Outcome::Conflict { index, position } => Err(Error::Conflict { index, position }),
            Outcome::NotEnabled => Err(Error::NotEnabled),
        }
    }

    /// A tenant is always at the same writer, so that writers don't wait for each other's locks.
    fn writer_of(&self, tenant: &TenantId) -> usize {
        let mut hash = DefaultHasher::new();
        tenant.hash(&mut hash);
        usize::try_from(hash.finish() % self.queues.len() as u64)
            .expect("less than the number of queues")
    }
}
