//! The task that carries out tenant jobs: it creates topics, removes what is purged, and keeps the
//! rows that tell how far that is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::replays;
use crate::domain::tenant_job::{JobProgress, TenantAct, TenantJob};
use crate::domain::trail::{Act, Actor};
use crate::follow::interruptible::Interruptible;
use crate::follow::purge::PurgeWork;
use crate::follow::topics::{self, TopicDeps};
use crate::follow::worker::{Backoff, Progress};
use crate::follow::{FollowDeps, own};
use crate::sink::{Repair, Sink, Sinks};
use crate::store;

/// The longest time until a job is begun by the replica that has the tenant's lane.
const PERIOD: Duration = Duration::from_secs(1);
/// Half of the first pause of a job that waits; it doubles up to the period.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The interval at which replays of disabled tenants are looked for.
const LOOK_FOR_REPLAYS_EVERY: Duration = Duration::from_secs(10);

/// The task that carries out the jobs of this replica's lanes.
pub(in crate::follow) struct TenantJobsTask {
    deps: FollowDeps,
    /// The sinks that have topics.
    sinks: Vec<Arc<dyn Sink>>,
    purges: PurgeWork,
    /// The Kafka whose topics an upgrade reports, if there is one.
    kafka: Option<Arc<dyn Repair>>,
    /// The last pause while jobs waited.
    pause: Duration,
    /// The last look for replays of disabled tenants.
    looked: Option<Instant>,
}

impl TenantJobsTask {
    /// Makes the task for these sinks.
    pub(in crate::follow) fn new(deps: FollowDeps, sinks: &Sinks) -> Self {
        let purges = PurgeWork::new(deps.clone(), &sinks.sinks);
        let kafka = sinks.repair.clone();
        let sinks = sinks.sinks.iter().filter(|sink| sink.has_topics()).cloned().collect();
        Self { deps, sinks, purges, kafka, pause: LOOK_AGAIN, looked: None }
    }

    async fn carry_out_all(&mut self) -> Result<Progress, store::Error> {
        self.cancel_replays_of_disabled().await?;
        // A job that is listed before the purges are is no older than its purge.
        let open = self.deps.store.open_tenant_jobs().await?;
        let purges = self.purges.carry_out_all().await?;
        if open.is_empty() && purges.is_empty() {
            self.pause = LOOK_AGAIN;
            return Ok(Progress::Idle);
        }
        if open.iter().any(|job| job.attributes.act == TenantAct::Enable) {
            // Another process may have enabled it, which has read the tenant's file.
            self.deps.tenants.take_up_files().await?;
        }
        let own = own::logs(&self.deps).await?;
        for job in &open {
            match job.attributes.act {
                TenantAct::Purge { .. } => self.tell(job, purges.get(&job.tenant)).await?,
                _ if own.iter().any(|log| log.tenant == job.tenant) => self.carry_out(job).await?,
                _ => self.give_up(job).await?,
            }
        }
        self.pause = PERIOD.min(self.pause * 2);
        Ok(Progress::Until(Instant::now() + self.pause))
    }

    /// Creates the topics of a tenant that was enabled. Until the sinks have them, the job says
    /// what it waits for.
    async fn carry_out(&self, job: &TenantJob) -> Result<(), store::Error> {
        let FollowDeps { settings, clock, .. } = &self.deps;
        let specs = settings.specs(&job.tenant);
        let mut messages = Vec::new();
        for sink in &self.sinks {
            if let Err(error) = sink.ensure(&specs).await {
                messages.push(format!("waits for the topics in {}: {error}", sink.names().sink));
            }
        }
        let mut is_done = messages.is_empty();
        if is_done {
            match self.report(job).await {
                Ok(report) => messages = report,
                Err(error) => {
                    is_done = false;
                    messages.push(format!("waits for the comparison of the topics: {error}"));
                }
            }
        }
        let completed = is_done.then(|| clock.now());
        let progress = JobProgress { messages, error: None, completed };
        self.write(job, progress).await
    }

    /// Tells what a purge waits for, or that it is complete, and what it leaves. One of another
    /// replica's lane is told of by that replica, unless there is none.
    async fn tell(
        &self,
        job: &TenantJob,
        waits_for: Option<&Option<Vec<String>>>,
    ) -> Result<(), store::Error> {
        let completed = waits_for.is_none().then(|| self.deps.clock.now());
        let mut messages: Vec<_> = job.progress.lasting().map(str::to_owned).collect();
        match waits_for {
            None => {}
            Some(Some(waits_for)) => messages.extend(waits_for.iter().cloned()),
            Some(None) if job.progress.messages.len() > messages.len() => return Ok(()),
            Some(None) => messages.push("waits for the replica that has the tenant's lane".into()),
        }
        self.write(job, JobProgress { messages, error: None, completed }).await
    }

    /// Ends the job of a tenant that was purged since. That of another replica's tenant stays.
    async fn give_up(&self, job: &TenantJob) -> Result<(), store::Error> {
        if self.deps.store.find_tenant(&job.tenant).await?.is_some() {
            return Ok(());
        }
        let error = Some("the tenant was purged meanwhile".to_owned());
        let completed = Some(self.deps.clock.now());
        self.write(job, JobProgress { messages: Vec::new(), error, completed }).await
    }

    async fn write(&self, job: &TenantJob, progress: JobProgress) -> Result<(), store::Error> {
        if progress != job.progress {
            let (tenant, waits_for) = (&job.tenant, progress.messages.join("; "));
            if progress.completed.is_none() && !waits_for.is_empty() {
                tracing::info!(%tenant, "the job of the tenant is under way: {waits_for}");
            }
            self.deps.store.write_tenant_job(&job.tenant, job.id, &progress).await?;
            if progress.completed.is_some() {
                self.deps.tenants.ends.tell(job.id);
            }
        }
        Ok(())
    }

    /// Returns what there is to tell about the topics of a tenant that is upgraded.
    async fn report(&self, job: &TenantJob) -> Result<Vec<String>, topics::Error> {
        let FollowDeps { store, settings, clock, .. } = &self.deps;
        let (Some(kafka), Some(act)) = (&self.kafka, job.attributes.obsolete) else {
            return Ok(Vec::new());
        };
        let deps = TopicDeps { store: &**store, settings, kafka: &**kafka };
        topics::report::report(deps, &job.tenant, act, &clock.new_id().to_string(), &job.by).await
    }

    /// Cancels replays of disabled tenants that are left: whoever disabled the tenant was killed
    /// before it had cancelled them all, or one was submitted at the same moment.
    async fn cancel_replays_of_disabled(&mut self) -> Result<(), store::Error> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_FOR_REPLAYS_EVERY) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let FollowDeps { store, clock, .. } = &self.deps;
        for log in own::logs(&self.deps).await?.iter().filter(|log| !log.is_enabled) {
            let by = Actor::gateway().does(Act::CancelReplay).of(&log.tenant);
            replays::cancel(&**store, &**clock, &log.tenant, &by).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Interruptible for TenantJobsTask {
    const NAME: &'static str = "tenant-jobs";
    type Error = store::Error;

    fn pauses(&self) -> (Duration, Backoff) {
        (PERIOD, Backoff::new(PERIOD, PERIOD * 60))
    }

    async fn round(&mut self) -> Result<Progress, store::Error> {
        self.carry_out_all().await
    }
}
