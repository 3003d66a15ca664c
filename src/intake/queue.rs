//! What waits for one writer, and how much of it shares the next commit.
//!
//! Fed by `group_commit`; feeds `writer`. A commit takes all that waits, up to the limits of a group.
//! While a group is smaller than the store likes it, those who were just answered may still join
//! it: clients that post one change after the other would else share the commits by halves, each
//! waiting for the other half's.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::config::Config;
use super::error::Error;
use crate::domain::draft::Draft;
use crate::shares::Share;
use crate::store::{Batch, Outcome, Store};

/// How long after its answer a client is expected back: a few round trips.
const LINGER: Duration = Duration::from_millis(3);

/// What became of a batch, and the drafts that it held.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) drafts: Vec<Draft>,
}

pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) reply: oneshot::Sender<Result<Answer, Error>>,
    pub(super) share: Share,
}

pub(super) struct Queue {
    jobs: mpsc::Receiver<Job>,
    /// What didn't fit into the last group.
    left: Option<Job>,
    /// How many jobs the last group had.
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

    /// What is to be committed next, once the last group is answered; nothing when the queue is
    /// closed and empty.
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

    /// What waits already, or else comes up to then.
    async fn next(&mut self, until: Option<Instant>) -> Option<Job> {
        match (self.jobs.try_recv(), until) {
            (Ok(job), _) => Some(job),
            (Err(_), Some(until)) => timeout_at(until, self.jobs.recv()).await.ok().flatten(),
            (Err(_), None) => None,
        }
    }
}
