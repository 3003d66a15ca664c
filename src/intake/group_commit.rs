//! Group commit: the batches of many requests share one commit.
//!
//! `Intake::post` calls it; each `writer` gets batches through its `queue`. Requests that arrive
//! while a commit is under way share the next one. A batch in the queue is appended even if its
//! client has left, and even if the store refuses another batch of its commit. Memory is bounded: a
//! batch that finds no room is refused at once, and nothing of it is written.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::config::Config;
use super::error::Error;
use super::job::{Answer, Job};
use super::queue::Queue;
use super::writer::{self, Wake};
use crate::domain::draft::Draft;
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;
use crate::metrics::Metrics;
use crate::shares::{Full, Shares};
use crate::store::{self, Batch, Outcome, Receipt, Store};
use crate::tasks::{Ended, Tasks};

/// A batch that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The tenant's log.
    pub log_id: LogId,
    /// The drafts of the batch.
    pub drafts: Vec<Draft>,
    /// The receipts, one per draft, in order.
    pub receipts: Vec<Receipt>,
    /// Whether any of the drafts was in the log before.
    pub repeated: bool,
}

/// The queues of batches that wait for their commit.
pub struct GroupCommit {
    queues: Vec<Writer>,
    waiting: Arc<Shares>,
}

/// The way to one writer.
struct Writer {
    jobs: mpsc::Sender<Job>,
    /// The batches that may wait.
    places: Arc<Shares>,
}

/// The tasks that append; they end once every [`GroupCommit`] is gone and the queues are empty.
pub struct Writers(Tasks);

impl Writers {
    /// Waits for a writer to end. While there is a [`GroupCommit`], a writer ends by a panic alone.
    pub async fn ended(&mut self) -> Ended {
        self.0.ended().await
    }

    /// Waits until every queued batch is in the log or refused. Returns the writer that panicked,
    /// if one did.
    pub async fn finish(self) -> Option<Ended> {
        self.0.finish().await
    }
}

impl GroupCommit {
    /// Starts as many writers as the store prefers.
    pub fn start(
        config: &Config,
        store: &Arc<dyn Store>,
        metrics: &Arc<Metrics>,
        wake: &Wake,
    ) -> (Self, Writers) {
        let (mut queues, mut tasks) = (Vec::new(), Tasks::default());
        for writer in 0..store.writers() {
            let (sender, jobs) = mpsc::channel(config.queue_batches_max);
            let places = Shares::new(config.queue_batches_max, config.tenant_batches_max);
            queues.push(Writer { jobs: sender, places });
            let queue = Queue::new(config, jobs, store);
            tasks.spawn(
                format!("intake writer {writer}"),
                writer::run(queue, store.clone(), metrics.clone(), wake.clone()),
            );
        }
        let waiting = Shares::new(config.queue_bytes_max, config.tenant_bytes_max);
        (Self { queues, waiting }, Writers(tasks))
    }

    /// Appends a batch, and returns once it is durable. Dropping the future does not undo it.
    pub async fn submit(&self, batch: Batch) -> Result<Appended, Error> {
        let bytes = batch.drafts.iter().map(Draft::memory_bytes).sum();
        let full = |full| match full {
            Full::All => Error::Full,
            Full::Tenant => Error::TenantFull(batch.tenant.clone()),
        };
        let Writer { jobs, places } = &self.queues[self.writer_of(&batch.tenant)];
        let place = places.take(&batch.tenant, 1).map_err(full)?;
        let share = self.waiting.take(&batch.tenant, bytes).map_err(full)?;
        let (reply, answer) = oneshot::channel();
        jobs.try_send(Job { batch, reply, share, place }).map_err(|_| Error::Full)?;
        let lost = || store::Error::Unknown("the writer is gone".to_owned());
        let Answer { outcome, drafts } = answer.await.map_err(|_| lost())??;
        match outcome {
            Outcome::Appended { log_id, receipts, repeated, .. } => {
                Ok(Appended { log_id, drafts, receipts, repeated })
            }
            Outcome::Conflict(conflict) => Err(Error::Conflict(conflict)),
            Outcome::NotEnabled => Err(Error::NotEnabled),
        }
    }

    /// Returns the tenant's writer. It is always the same, so that writers don't wait for each
    /// other's locks.
    fn writer_of(&self, tenant: &TenantId) -> usize {
        let mut hash = DefaultHasher::new();
        tenant.hash(&mut hash);
        usize::try_from(hash.finish() % self.queues.len() as u64)
            .expect("less than the number of queues")
    }
}
