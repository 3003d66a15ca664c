//! The batches that wait for one writer, by tenant: tenants take turns, each in its own order.
//!
//! `queue` puts batches in as they come, and takes them out for the next group. A tenant that has
//! many batches here is served once in a turn like any other, so that no tenant waits for another's
//! backlog.

use std::collections::{HashMap, VecDeque};

use super::job::Job;
use crate::domain::tenant::TenantId;

/// The batches that wait.
#[derive(Default)]
pub(super) struct Waiting {
    by_tenant: HashMap<TenantId, VecDeque<Job>>,
    /// The tenants that have batches here, each once, in the order of their turns.
    turns: VecDeque<TenantId>,
    jobs: usize,
}

impl Waiting {
    /// Puts a batch behind those of its tenant.
    pub(super) fn push(&mut self, job: Job) {
        let tenant = &job.batch.tenant;
        self.jobs += 1;
        match self.by_tenant.get_mut(tenant) {
            Some(jobs) => jobs.push_back(job),
            None => {
                self.turns.push_back(tenant.clone());
                self.by_tenant.insert(tenant.clone(), [job].into());
            }
        }
    }

    /// Takes the first batch of the tenant whose turn it is; its next turn is after all others'.
    pub(super) fn take(&mut self) -> Option<Job> {
        let tenant = self.turns.pop_front()?;
        let jobs = self.by_tenant.get_mut(&tenant)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.by_tenant.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        self.jobs -= 1;
        job
    }

    /// Puts a batch back that was just taken: it is its tenant's first, and has the next turn.
    pub(super) fn put_back(&mut self, job: Job) {
        let tenant = job.batch.tenant.clone();
        self.turns.retain(|waiting| *waiting != tenant);
        self.turns.push_front(tenant.clone());
        self.by_tenant.entry(tenant).or_default().push_front(job);
        self.jobs += 1;
    }

    /// Returns the number of batches.
    pub(super) fn len(&self) -> usize {
        self.jobs
    }
}
