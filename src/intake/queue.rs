//! The queue of one writer: it forms the group of batches that share the next commit.
//!
//! `group_commit` puts batches in, and `writer` takes groups out. A group takes all batches that
//! wait, up to its limits. While it is smaller than the store prefers, it waits a moment for the
//! clients that were just answered: otherwise, clients that post one change after the other would
//! split into two halves, each waiting for the other half's commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::config::Config;
use super::error::Error;
use crate::domain::draft::Draft;
use crate::shares::Share;
use crate::store::{Batch, Outcome, Store};

/// The time within which an answered client is expected to post again: a few round trips.
const LINGER: Duration = Duration::from_millis(3);

/// The outcome of a batch, and its drafts.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) drafts: Vec<Draft>,
}

/// A batch that waits for its commit.
pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) reply: oneshot::Sender<Result<Answer, Error>>,
    pub(super) share: Share,
}

/// The batches that wait for one writer.
pub(super) struct Queue {
    jobs: mpsc::Receiver<Job>,
    /// The batch that did not fit into the last group.
    left: Option<Job>,
    /// The number of jobs in the last group.
    answered: usize,
    drafts_min: usize,
    drafts_max: usize,
    bytes_max: usize,
}

impl Queue {
    pub(super) fn new(config: &Config, jobs: mpsc::Receiver<Job>, store: &Arc<dyn Store>) -> Self {
        let Config { group_drafts_max: drafts_max, group_bytes_max: bytes_max, .. } = *config;
        Self {
            jobs,
            left: None,
            answered: 0,
            drafts_min: store.group_drafts_min(),
            drafts_max,
            bytes_max,
        }
    }

    /// Forms the next group, once the last one is answered. Returns `None` when the queue is closed
    /// and empty.
    pub(super) async fn group(&mut self) -> Option<Vec<Job>> {
        let until = Instant::now() + LINGER;
        let expected = self.answered + usize::from(self.left.is_some()) + self.jobs.len();
        let first = match self.left.take() {
            Some(job) => job,
            None => self.jobs.recv().await?,
        };
        let (mut drafts, mut bytes) = (first.batch.drafts.len(), first.share.size());
        let mut group = vec![first];
        loop {
            let lingers = drafts < self.drafts_min && group.len() < expected;
            let Some(job) = self.next(lingers.then_some(until)).await else { break };
            drafts += job.batch.drafts.len();
            bytes += job.share.size();
            if drafts > self.drafts_max || bytes > self.bytes_max {
                self.left = Some(job);
                break;
            }
            group.push(job);
        }
        self.answered = group.len();
        Some(group)
    }

    /// Returns the next job that waits, or that comes before `until`.
    async fn next(&mut self, until: Option<Instant>) -> Option<Job> {
        match (self.jobs.try_recv(), until) {
            (Ok(job), _) => Some(job),
            (Err(_), Some(until)) => timeout_at(until, self.jobs.recv()).await.ok().flatten(),
            (Err(_), None) => None,
        }
    }
}
