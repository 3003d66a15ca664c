//! Renewals: many readers' leases and progress are written in one call to the store.
//!
//! A reader waits here before it gives events away, so that they count as delivered first. The
//! renewals that come while a call is under way share the next one.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Error;
use crate::domain::subscription::{Group, Progress, Subscription};
use crate::domain::tenant::TenantId;
use crate::store::{self, FoundSubscription, Store, SubscriptionChange};

/// The most renewals of one call.
const TOGETHER_MAX: usize = 500;
/// The most renewals that wait; a reader that finds no room waits for it.
const WAITING_MAX: usize = 4_096;
/// The number of times that a renewal is tried if others change its subscription.
const TRIES_MAX: u32 = 20;

type Name = (TenantId, Group);

/// The way to renew.
pub(super) struct Renewals(mpsc::Sender<Job>);

/// The renewals that wait.
pub(super) struct Jobs(mpsc::Receiver<Job>);

struct Job {
    name: Name,
    generation: u64,
    progress: Progress,
    reply: oneshot::Sender<Result<Subscription, Error>>,
    tries: u32,
}

impl Renewals {
    pub(super) fn new() -> (Self, Jobs) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), Jobs(receiver))
    }

    /// Renews the lease of a generation, and notes its progress; returns the subscription as it
    /// stands then.
    pub(super) async fn renew(
        &self,
        name: &Name,
        generation: u64,
        progress: Progress,
    ) -> Result<Subscription, Error> {
        let (reply, renewed) = oneshot::channel();
        let job = Job { name: name.clone(), generation, progress, reply, tries: 0 };
        let over = || store::Error::Unavailable("the gateway stops".to_owned());
        self.0.send(job).await.map_err(|_| over())?;
        renewed.await.map_err(|_| over())?
    }
}

impl Jobs {
    /// Renews until all ways to renew are gone.
    pub(super) async fn run(mut self, store: Arc<dyn Store>) {
        let mut again = Vec::new();
        loop {
            let mut jobs: Vec<Job> = std::mem::take(&mut again);
            if jobs.is_empty() {
                match self.0.recv().await {
                    Some(job) => jobs.push(job),
                    None => return,
                }
            }
            while jobs.len() < TOGETHER_MAX
                && let Ok(job) = self.0.try_recv()
            {
                jobs.push(job);
            }
            again = renew(&*store, jobs).await;
        }
    }
}

/// Renews once; returns the jobs to try again.
async fn renew(store: &dyn Store, jobs: Vec<Job>) -> Vec<Job> {
    let names: Vec<_> = jobs.iter().map(|job| job.name.clone()).collect();
    let found = match store.find_subscriptions(&names).await {
        Ok(found) => found,
        Err(error) => return fail(jobs, &error),
    };
    let name = |found: FoundSubscription| ((found.tenant.clone(), found.group.clone()), found);
    let mut found: HashMap<_, _> = found.into_iter().map(name).collect();
    let (mut changed, mut changes, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for mut job in jobs {
        job.tries += 1;
        // One that was renewed in this call already has no row any more, and is tried again.
        let Some(mut row) = found.remove(&job.name) else {
            if changes.iter().any(|change: &SubscriptionChange| is_of(change, &job.name)) {
                again.push(job);
            } else {
                let unknown = Error::Unknown(job.name.1.clone());
                drop(job.reply.send(Err(unknown)));
            }
            continue;
        };
        match row.subscription.renew(job.generation, job.progress, row.now) {
            Err(refusal) => drop(job.reply.send(Err(Error::Refused(refusal)))),
            Ok(()) => {
                let (tenant, group) = job.name.clone();
                let next = Some(row.subscription.clone());
                changes.push(SubscriptionChange {
                    tenant,
                    group,
                    version: row.version,
                    next,
                    dead: Vec::new(),
                    by: None,
                });
                changed.push((job, row.subscription));
            }
        }
    }
    if changes.is_empty() {
        return again;
    }
    match store.change_subscriptions(&changes).await {
        Err(error) => {
            again.extend(fail(changed.into_iter().map(|(job, _)| job).collect(), &error));
        }
        Ok(written) => {
            for ((job, subscription), written) in changed.into_iter().zip(written) {
                if written {
                    drop(job.reply.send(Ok(subscription)));
                } else if job.tries < TRIES_MAX {
                    again.push(job);
                } else {
                    fail(vec![job], &store::Error::Unavailable("others change it".to_owned()));
                }
            }
        }
    }
    again
}

fn is_of(change: &SubscriptionChange, name: &Name) -> bool {
    (&change.tenant, &change.group) == (&name.0, &name.1)
}

/// Tells all of these jobs that the store failed.
fn fail(jobs: Vec<Job>, error: &store::Error) -> Vec<Job> {
    for job in jobs {
        drop(job.reply.send(Err(error.clone().into())));
    }
    Vec::new()
}
