//! The queue of one writer: it forms the group of batches that share the next commit.
//!
//! `group_commit` puts batches in, and `writer` takes groups out. A group takes all batches that
//! wait, up to its limits; beyond them the tenants take turns (`waiting`). While it is smaller than
//! the store prefers, it waits a moment for the clients that were just answered: otherwise, clients
//! that post one change after the other would split into two halves, each waiting for the other
//! half's commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::config::Config;
use super::job::Job;
use super::waiting::Waiting;
use crate::store::Store;

/// The time within which an answered client is expected to post again: a few round trips.
const LINGER: Duration = Duration::from_millis(3);

/// The batches that wait for one writer.
pub(super) struct Queue {
    jobs: mpsc::Receiver<Job>,
    /// The batches that have come, and were not in a group yet.
    waiting: Waiting,
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
            waiting: Waiting::default(),
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
        self.take_in();
        let expected = self.answered + self.waiting.len();
        let first = match self.waiting.take() {
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
                self.waiting.put_back(job);
                break;
            }
            group.push(job);
        }
        self.answered = group.len();
        Some(group)
    }

    /// Returns the next job that waits, or that comes before `until`.
    async fn next(&mut self, until: Option<Instant>) -> Option<Job> {
        self.take_in();
        match (self.waiting.take(), until) {
            (Some(job), _) => Some(job),
            (None, Some(until)) => timeout_at(until, self.jobs.recv()).await.ok().flatten(),
            (None, None) => None,
        }
    }

    /// Takes in all batches that have come.
    fn take_in(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            self.waiting.push(job);
        }
    }
}
