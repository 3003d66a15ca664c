//! Tenant jobs: enables, disables and purges tenants, as FOLIO's tenant interface asks.
//!
//! `http` and the subcommands submit a request. A tenant is enabled or disabled at once, in the
//! store, and a purge begins at once; what a job still waits for is told by its row, which the
//! replica that has the tenant's lane keeps. Every step may be repeated, so a replica that is
//! killed, or two that do the same, change nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::interruptible::Interruptible;
use super::purge::PurgeWork;
use super::topics::{self, TopicDeps};
use super::worker::{Backoff, Progress};
use super::{FollowDeps, own};
use crate::clock::Clock;
use crate::domain::follower::Follower;
use crate::domain::position::LogId;
use crate::domain::replay::Wish;
use crate::domain::settings::{IllegalTopic, Settings};
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{JobProgress, TenantAct, TenantAttributes, TenantJob, TenantJobId};
use crate::domain::trail::{Act, Actor, TrailEntry};
use crate::sink::{Repair, Sink, Sinks};
use crate::store::{self, PurgeStart, Store, Unpublished};

/// The longest time until a job is begun by the replica that has the tenant's lane.
const PERIOD: Duration = Duration::from_secs(1);
/// Half of the first pause of a job that waits; it doubles up to the period.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The interval at which jobs that ended long ago are removed.
const DROP_EVERY: Duration = Duration::from_secs(3_600);
/// The interval at which replays of disabled tenants are looked for.
const LOOK_FOR_REPLAYS_EVERY: Duration = Duration::from_secs(10);
/// The time for which a job that has ended is kept, unless whoever asked removes it before.
const KEEP_MS: i64 = 7 * 24 * 3_600 * 1_000;

/// The reason why a request of the tenant interface was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum NotSubmitted {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The tenant's topics can't be beside those of the other tenants.
    #[error(transparent)]
    Topics(#[from] IllegalTopic),
    /// There is no such tenant to disable or purge.
    #[error("tenant `{0}` has no log: it was never enabled, or is purged")]
    NotEnabled(TenantId),
    /// The tenant can't be enabled yet.
    #[error("tenant `{0}` is being purged: enable it once that is complete")]
    Purging(TenantId),
    /// Events would be lost.
    #[error(
        "a purge of tenant `{tenant}` would lose {} events that are pending and {} that are \
         parked: wait until they are published, release or discard what is parked, or force it \
         (the parameter `force`, or --force in the shell)",
        .unpublished.pending, .unpublished.parked
    )]
    Loses {
        /// The tenant.
        tenant: TenantId,
        /// The numbers of events.
        unpublished: Unpublished,
    },
}

/// A look for tenants' files that were added, which adds their settings and returns the tenants. It
/// blocks while it reads.
pub type LookForFiles = Arc<dyn Fn() -> Vec<TenantId> + Send + Sync>;

/// The parts that requests of the tenant interface need.
#[derive(Clone)]
pub struct TenantDeps {
    store: Arc<dyn Store>,
    settings: Arc<Settings>,
    files: LookForFiles,
    /// The sinks that must have a tenant's events before it is purged.
    followers: Vec<Follower>,
    /// Tenants whose files were added, until the store knows of it.
    added: Arc<Mutex<BTreeSet<TenantId>>>,
    clock: Arc<dyn Clock>,
}

impl TenantDeps {
    /// Makes the parts of the tenants in a store, with the settings that name their topics and the
    /// followers of all sinks.
    pub fn new(
        store: Arc<dyn Store>,
        settings: Arc<Settings>,
        files: LookForFiles,
        followers: Vec<Follower>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, settings, files, followers, added: Arc::default(), clock }
    }

    /// Enables, disables or purges a tenant, and adds the job that tells how far that is. To ask
    /// again changes nothing.
    pub async fn submit(
        &self,
        tenant: &TenantId,
        attributes: TenantAttributes,
        by: &TrailEntry,
    ) -> Result<TenantJob, NotSubmitted> {
        match attributes.act {
            TenantAct::Enable => {
                self.take_up_files().await?;
                self.check_topics(tenant).await?;
                self.enable(tenant, by).await?;
            }
            TenantAct::Disable => self.disable(tenant, by).await?,
            TenantAct::Purge { force } => self.purge(tenant, force, by).await?,
        }
        Ok(self.add_job(tenant, attributes).await?)
    }

    /// Looks for tenants' files that were added. A file enables its tenant if the store has never
    /// seen it; of one that is enabled already, it may name further topics.
    pub async fn take_up_files(&self) -> Result<(), store::Error> {
        let look = self.files.clone();
        let found = tokio::task::spawn_blocking(move || look()).await.unwrap_or_default();
        self.added().extend(found);
        loop {
            let Some(tenant) = self.added().first().cloned() else { return Ok(()) };
            match self.check_topics(&tenant).await {
                Ok(()) => {}
                Err(NotSubmitted::Store(error)) => return Err(error),
                Err(illegal) => {
                    tracing::error!(%tenant, "the tenant is not enabled by its file: {illegal}");
                    self.added().remove(&tenant);
                    continue;
                }
            }
            self.store.enable_if_new(&tenant, LogId::new(self.clock.new_id())).await?;
            if let Some(log) = self.store.find_tenant(&tenant).await? {
                self.store.note_topics(&tenant, &self.settings.subjects(&tenant)).await?;
                if log.is_enabled {
                    self.add_job(&tenant, TenantAttributes::of(TenantAct::Enable)).await?;
                }
            }
            self.added().remove(&tenant);
        }
    }

    /// Refuses a tenant whose topics collide with those of a tenant that the store has.
    async fn check_topics(&self, tenant: &TenantId) -> Result<(), NotSubmitted> {
        let mut all: Vec<_> = self.store.list().await?.into_iter().map(|log| log.tenant).collect();
        all.push(tenant.clone());
        Ok(self.settings.check_beside(&all)?)
    }

    fn added(&self) -> MutexGuard<'_, BTreeSet<TenantId>> {
        self.added.lock().expect("no holder panics")
    }

    async fn add_job(
        &self,
        tenant: &TenantId,
        attributes: TenantAttributes,
    ) -> Result<TenantJob, store::Error> {
        let now = self.clock.now();
        // To disable a tenant leaves nothing to wait for.
        let completed = (attributes.act == TenantAct::Disable).then_some(now);
        let progress = JobProgress { completed, ..JobProgress::default() };
        let id = TenantJobId::new(self.clock.new_id());
        let job = TenantJob { id, tenant: tenant.clone(), attributes, submitted: now, progress };
        self.store.add_tenant_job(&job).await?;
        Ok(job)
    }

    async fn enable(&self, tenant: &TenantId, by: &TrailEntry) -> Result<(), NotSubmitted> {
        let by = by.as_act(Act::EnableTenant).on(tenant);
        if !self.store.enable(tenant, LogId::new(self.clock.new_id()), Some(&by)).await? {
            return Err(NotSubmitted::Purging(tenant.clone()));
        }
        self.store.note_topics(tenant, &self.settings.subjects(tenant)).await?;
        tracing::info!(%tenant, "the tenant is enabled");
        Ok(())
    }

    /// Disables a tenant. Its replays are cancelled: those to its own topics close upward first.
    async fn disable(&self, tenant: &TenantId, by: &TrailEntry) -> Result<(), NotSubmitted> {
        if self.store.find_tenant(tenant).await?.is_none() {
            return Err(NotSubmitted::NotEnabled(tenant.clone()));
        }
        let entry = by.as_act(Act::DisableTenant).on(tenant);
        if self.store.disable(tenant, self.clock.now(), Some(&entry)).await? {
            tracing::info!(%tenant, "the tenant is disabled");
        }
        Ok(cancel_replays(&*self.store, &*self.clock, tenant, by).await?)
    }

    /// Begins the purge of a tenant. One that is under way goes on.
    async fn purge(
        &self,
        tenant: &TenantId,
        force: bool,
        by: &TrailEntry,
    ) -> Result<(), NotSubmitted> {
        let published_by = (!force).then_some(&self.followers[..]);
        let entry = by.as_act(Act::PurgeTenant).on(tenant);
        let entry = entry.because(force.then_some("forced, whatever is not published"));
        let begun = self.store.begin_purge(tenant, self.clock.now(), published_by, Some(&entry));
        match begun.await? {
            PurgeStart::Begun => tracing::info!(%tenant, force, "the purge of the tenant begins"),
            PurgeStart::Loses(unpublished) => {
                return Err(NotSubmitted::Loses { tenant: tenant.clone(), unpublished });
            }
            PurgeStart::NoLog => {
                let purges = self.store.purges().await?;
                if purges.iter().all(|purge| purge.tenant != *tenant) {
                    return Err(NotSubmitted::NotEnabled(tenant.clone()));
                }
            }
        }
        Ok(())
    }
}

/// Cancels the replays of a tenant that is disabled.
async fn cancel_replays(
    store: &dyn Store,
    clock: &dyn Clock,
    tenant: &TenantId,
    by: &TrailEntry,
) -> Result<(), store::Error> {
    for replay in store.replays(tenant).await? {
        if replay.is_open() && replay.wish.0 != Wish::Cancel {
            let wish = (Wish::Cancel, clock.now());
            let entry = by.as_act(Act::CancelReplay).on(replay.id);
            let entry = entry.because(Some("the tenant is disabled"));
            store.wish_replay(tenant, replay.id, wish, None, Some(&entry)).await?;
        }
    }
    Ok(())
}

/// The task that carries out the jobs of this replica's lanes.
pub(super) struct TenantJobsTask {
    deps: FollowDeps,
    /// The sinks that have topics.
    sinks: Vec<Arc<dyn Sink>>,
    purges: PurgeWork,
    /// The Kafka whose topics an upgrade reports, if there is one.
    kafka: Option<Arc<dyn Repair>>,
    /// The last pause while jobs waited.
    pause: Duration,
    dropped: Option<Instant>,
    /// The last look for replays of disabled tenants.
    looked: Option<Instant>,
}

impl TenantJobsTask {
    /// Makes the task for these sinks.
    pub(super) fn new(deps: FollowDeps, sinks: &Sinks) -> Self {
        let purges = PurgeWork::new(deps.clone(), &sinks.sinks);
        let kafka = sinks.repair.clone();
        let sinks = sinks.sinks.iter().filter(|sink| sink.has_topics()).cloned().collect();
        Self { deps, sinks, purges, kafka, pause: LOOK_AGAIN, dropped: None, looked: None }
    }

    async fn carry_out_all(&mut self) -> Result<Progress, store::Error> {
        self.drop_old().await?;
        self.cancel_replays_of_disabled().await?;
        // A job that is listed before the purges are is no older than its purge.
        let open = self.deps.store.open_tenant_jobs().await?;
        let purges = self.purges.carry_out_all().await?;
        if open.is_empty() && purges.is_empty() {
            self.pause = LOOK_AGAIN;
            return Ok(Progress::Idle);
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

    /// Tells what a purge waits for, or that it is complete.
    async fn tell(
        &self,
        job: &TenantJob,
        waits_for: Option<&Vec<String>>,
    ) -> Result<(), store::Error> {
        let completed = waits_for.is_none().then(|| self.deps.clock.now());
        let messages = waits_for.cloned().unwrap_or_default();
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
            self.deps.store.write_tenant_job(&job.tenant, job.id, &progress).await?;
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
        topics::report::report(deps, &job.tenant, act, &clock.new_id().to_string()).await
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
            cancel_replays(&**store, &**clock, &log.tenant, &by).await?;
        }
        Ok(())
    }

    /// Removes jobs that ended long ago.
    async fn drop_old(&mut self) -> Result<(), store::Error> {
        if self.dropped.is_some_and(|dropped| dropped.elapsed() < DROP_EVERY) {
            return Ok(());
        }
        self.dropped = Some(Instant::now());
        self.deps.store.drop_tenant_jobs(self.deps.clock.now().before(KEEP_MS)).await
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
