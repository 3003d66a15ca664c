//! Tenant jobs: enables, disables and purges tenants, as FOLIO's tenant interface asks.
//!
//! `http` and the subcommands submit a request. A tenant is enabled or disabled at once, in the
//! store, and a purge begins at once; what a job still waits for is told by its row, which the
//! replica that has the tenant's lane keeps. Every step may be repeated, so a replica that is
//! killed, or two that do the same, change nothing.

mod ends;
mod replays;
mod rows;
pub(super) mod task;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::clock::Clock;
use crate::domain::follower::Follower;
use crate::domain::known_topic::{KnownTopic, TopicUse};
use crate::domain::position::LogId;
use crate::domain::settings::{FoundFiles, IllegalTopic, LeftOut, Settings};
use crate::domain::tenant::TenantId;
use crate::domain::tenant_job::{JobProgress, TenantAct, TenantAttributes, TenantJob, TenantJobId};
use crate::domain::trail::{Act, Actor, TrailEntry};
use crate::follow::purge;
use crate::store::{self, ComesBack, PurgeStart, Store, Unpublished};

pub use ends::JobEnd;
use ends::JobEnds;

/// The reason that the trail has for a purge that may lose events; the one that was given follows.
const FORCED: &str = "forced, whatever is not published";
/// The same of one that loses nothing.
const FORCED_IN_VAIN: &str = "forced, and nothing is lost";
/// The reason that the trail has for the disabling of a tenant before a forced purge.
const BEFORE_PURGE: &str = "it is purged, whatever is not published";

/// The reason why a request of the tenant interface was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum NotSubmitted {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The tenant's topics can't be beside those of the other tenants.
    #[error(transparent)]
    Topics(#[from] IllegalTopic),
    /// The tenant's own file is illegal.
    #[error("the tenant can't be enabled: {0}")]
    File(LeftOut),
    /// There is no such tenant to disable or purge.
    #[error("tenant `{0}` has no log: it was never enabled")]
    NotEnabled(TenantId),
    /// The tenant can't be enabled yet.
    #[error("tenant `{0}` is being purged: enable it once that is complete")]
    Purging(TenantId),
    /// Too many other requests for the tenant have not ended.
    #[error("tenant `{0}` has {max} jobs that have not ended", max = rows::OPEN_MAX)]
    TooManyJobs(TenantId),
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

/// A request of the tenant interface that was carried out, or is being.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The job that tells how far it is.
    pub job: TenantJob,
    /// Whether this request changed anything, and has a row in the trail.
    pub has_changed: bool,
}

/// A look for tenants' files that were added, which adds their settings and returns the tenants,
/// and the files that are illegal. It blocks while it reads.
pub type LookForFiles = Arc<dyn Fn() -> FoundFiles + Send + Sync>;

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
    /// The tenants without settings of their own for whose files was looked since they are enabled.
    looked: Arc<Mutex<HashSet<TenantId>>>,
    clock: Arc<dyn Clock>,
    ends: JobEnds,
}

/// Returns the reason of a purge that is forced though events are lost.
fn forced(Unpublished { pending, parked }: Unpublished) -> String {
    format!("forced: {pending} events are lost that are pending, and {parked} that are parked")
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
        let (added, looked, ends) = (Arc::default(), Arc::default(), JobEnds::default());
        Self { store, settings, files, followers, added, looked, clock, ends }
    }

    /// Returns the look-out for a job's end, for whoever waits for it.
    pub fn watch(&self, id: TenantJobId) -> JobEnd {
        self.ends.watch(id)
    }

    /// Enables, disables or purges a tenant, and adds the job that tells how far that is. To ask
    /// again changes nothing, and is answered with the job that is open.
    pub async fn submit(
        &self,
        tenant: &TenantId,
        attributes: TenantAttributes,
        by: &TrailEntry,
    ) -> Result<Submitted, NotSubmitted> {
        if !rows::have_room(&*self.store, tenant, &attributes).await? {
            return Err(NotSubmitted::TooManyJobs(tenant.clone()));
        }
        let by = by.because(attributes.reason.as_deref());
        let mut messages = match attributes.act {
            TenantAct::Purge { .. } => self.lasting(tenant).await?,
            TenantAct::Enable | TenantAct::Disable => Vec::new(),
        };
        let has_changed = match attributes.act {
            TenantAct::Enable => {
                let mut left_out = self.take_up_files().await?;
                if let Some(left_out) = left_out.remove(tenant) {
                    return Err(NotSubmitted::File(left_out));
                }
                self.enable(tenant, &by).await?
            }
            TenantAct::Disable => self.disable(tenant, &by).await?,
            TenantAct::Purge { force } => {
                let (is_new, lost) = self.purge(tenant, force, &by).await?;
                let loses = |lost: Unpublished| JobProgress::loses(lost.pending, lost.parked);
                messages.extend(lost.map(loses));
                is_new
            }
        };
        let begun = JobProgress { messages, ..JobProgress::default() };
        let deps = (&*self.store, &*self.clock);
        let job = rows::add(deps, tenant, (attributes, begun), &by.actor).await?;
        Ok(Submitted { job, has_changed })
    }

    /// Looks for the file of a tenant that has no settings of its own, and was enabled since this
    /// process has looked last, by another process or one of the files: what is posted to it goes
    /// where its file says from the first event on.
    pub async fn take_up_file_of(&self, tenant: &TenantId) -> Result<(), store::Error> {
        if self.settings.has_own(tenant) || self.looked().contains(tenant) {
            return Ok(());
        }
        if self.store.find_tenant(tenant).await?.is_some_and(|log| log.is_enabled) {
            self.take_up_files().await?;
            self.looked().insert(tenant.clone());
        }
        Ok(())
    }

    /// Looks for the files of those tenants again that are not enabled, once they are.
    pub async fn forget_disabled(&self) -> Result<(), store::Error> {
        if self.looked().is_empty() {
            return Ok(());
        }
        let logs = self.store.list().await?.into_iter();
        let enabled: HashSet<_> = logs.filter(|log| log.is_enabled).map(|log| log.tenant).collect();
        self.looked().retain(|tenant| enabled.contains(tenant));
        Ok(())
    }

    /// Looks for tenants' files that were added. A file enables its tenant if the store has never
    /// seen it; of one that is enabled already, it may name further topics. Returns the files that
    /// are illegal, by tenant.
    pub async fn take_up_files(&self) -> Result<BTreeMap<TenantId, LeftOut>, store::Error> {
        let look = self.files.clone();
        let found = tokio::task::spawn_blocking(move || look()).await.unwrap_or_default();
        self.added().extend(found.added);
        loop {
            let Some(tenant) = self.added().first().cloned() else { return Ok(found.left_out) };
            let by = store::enabled_by_file(&tenant);
            match self.give_log(&tenant, ComesBack::No, &by).await {
                Ok(()) => {}
                Err(NotSubmitted::Store(error)) => return Err(error),
                Err(illegal) => {
                    tracing::error!(%tenant, "the tenant is not enabled by its file: {illegal}");
                    self.added().remove(&tenant);
                    continue;
                }
            }
            if let Some(log) = self.store.find_tenant(&tenant).await? {
                self.store.note_topics(&tenant, &self.settings.subjects(&tenant)).await?;
                if log.is_enabled {
                    let attributes = TenantAttributes::of(TenantAct::Enable, None);
                    let by = Actor::gateway();
                    let (deps, new) = ((&*self.store, &*self.clock), JobProgress::default());
                    rows::add(deps, &tenant, (attributes, new), &by).await?;
                }
            }
            self.added().remove(&tenant);
        }
    }

    /// Gives a tenant that has no log one, unless its topics collide with those of a tenant that
    /// the store has. Of two tenants that are enabled at once, one is compared with the other.
    async fn give_log(
        &self,
        tenant: &TenantId,
        comes_back: ComesBack,
        by: &TrailEntry,
    ) -> Result<(), NotSubmitted> {
        loop {
            let beside = self.check_topics(tenant).await?;
            let log_id = LogId::new(self.clock.new_id());
            let (store, by) = (&*self.store, Some(by));
            if store.enable_beside(tenant, log_id, comes_back, &beside, by).await? {
                return Ok(());
            }
        }
    }

    /// Refuses a tenant whose topics collide with those of a tenant that the store has: those that
    /// the files name, and all others that the store knows, but for its own former ones that its
    /// log has no event of: nothing writes to them any more. Returns the tenants that it has.
    async fn check_topics(&self, tenant: &TenantId) -> Result<Vec<TenantId>, NotSubmitted> {
        let mut all: Vec<_> = self.store.list().await?.into_iter().map(|log| log.tenant).collect();
        all.push(tenant.clone());
        self.settings.check_beside(&all)?;
        let topics: Vec<_> = self.settings.specs(tenant).into_iter().map(|it| it.topic).collect();
        let mut known = self.store.known_topics(tenant, &topics).await?;
        let is_former = |it: &KnownTopic| {
            it.usage == TopicUse::Events && it.tenant == *tenant && !topics.contains(&it.topic)
        };
        if known.iter().any(is_former) {
            let of_log = self.store.topics(tenant).await?;
            known.retain(|it| !is_former(it) || of_log.contains(&it.topic));
        }
        self.settings.check_known(tenant, &known)?;
        Ok(all)
    }

    /// Returns the messages that name the topics which a purge leaves. An earlier request may have
    /// named some that the store knows no more, and told what is lost.
    async fn lasting(&self, tenant: &TenantId) -> Result<Vec<String>, store::Error> {
        let topics = purge::topics_left(&*self.store, &self.settings, tenant).await?;
        let mut all: BTreeSet<_> = topics.iter().map(JobProgress::stays_in).collect();
        for job in rows::open(&*self.store, tenant).await? {
            all.extend(job.progress.lasting().map(str::to_owned));
        }
        Ok(all.into_iter().collect())
    }

    fn added(&self) -> MutexGuard<'_, BTreeSet<TenantId>> {
        self.added.lock().expect("no holder panics")
    }

    fn looked(&self) -> MutexGuard<'_, HashSet<TenantId>> {
        self.looked.lock().expect("no holder panics")
    }

    async fn enable(&self, tenant: &TenantId, by: &TrailEntry) -> Result<bool, NotSubmitted> {
        let by = by.as_act(Act::EnableTenant).on(tenant);
        let was = self.store.find_tenant(tenant).await?.is_some_and(|log| log.is_enabled);
        self.give_log(tenant, ComesBack::Yes, &by).await?;
        if !self.store.enable(tenant, LogId::new(self.clock.new_id()), Some(&by)).await? {
            return Err(NotSubmitted::Purging(tenant.clone()));
        }
        self.store.note_topics(tenant, &self.settings.subjects(tenant)).await?;
        tracing::info!(%tenant, "the tenant is enabled");
        Ok(!was)
    }

    /// Disables a tenant. Its replays are cancelled: those to its own topics close upward first.
    async fn disable(&self, tenant: &TenantId, by: &TrailEntry) -> Result<bool, NotSubmitted> {
        if self.store.find_tenant(tenant).await?.is_none() {
            return self.refuse_unknown(tenant).await.map(|()| false);
        }
        let entry = by.as_act(Act::DisableTenant).on(tenant);
        let is_new = self.store.disable(tenant, self.clock.now(), Some(&entry)).await?;
        if is_new {
            tracing::info!(%tenant, "the tenant is disabled");
        }
        replays::cancel(&*self.store, &*self.clock, tenant, by).await?;
        Ok(is_new)
    }

    /// Refuses a tenant that the store has never seen; one that was purged is no error, so that a
    /// request may be repeated whose answer was lost.
    async fn refuse_unknown(&self, tenant: &TenantId) -> Result<(), NotSubmitted> {
        match self.store.was_purged(tenant).await? {
            true => Ok(()),
            false => Err(NotSubmitted::NotEnabled(tenant.clone())),
        }
    }

    /// Begins the purge of a tenant. One that is under way, or complete, is no error. Returns
    /// whether anything is new, and the events that are lost.
    async fn purge(
        &self,
        tenant: &TenantId,
        force: bool,
        by: &TrailEntry,
    ) -> Result<(bool, Option<Unpublished>), NotSubmitted> {
        let (now, published_by) = (self.clock.now(), Some(&self.followers[..]));
        let entry = by.as_act(Act::PurgeTenant).on(tenant);
        let because = |why: &str| {
            let reason = by.reason.as_deref().map(|reason| format!("{why}: {reason}"));
            entry.because(Some(reason.as_deref().unwrap_or(why)))
        };
        let begin = async |published_by, entry: Option<TrailEntry>| {
            self.store.begin_purge(tenant, now, published_by, entry.as_ref()).await
        };
        let mut loses = None;
        let begun = if force {
            // What is lost is counted once nobody posts any more.
            let disabled = by.as_act(Act::DisableTenant).on(tenant).because(Some(BEFORE_PURGE));
            self.store.disable(tenant, now, Some(&disabled)).await?;
            // First without force, so that the trail tells what is lost.
            match begin(published_by, Some(because(FORCED_IN_VAIN))).await? {
                PurgeStart::Begun => {
                    begin(None, None).await?;
                    PurgeStart::Begun
                }
                PurgeStart::Loses(lost) => {
                    loses = Some(lost);
                    begin(None, Some(because(&forced(lost)))).await?
                }
                _ => begin(None, Some(because(FORCED))).await?,
            }
        } else {
            begin(published_by, Some(entry.clone())).await?
        };
        match begun {
            PurgeStart::Begun => {
                tracing::info!(%tenant, force, "the purge of the tenant begins");
                Ok((true, loses))
            }
            PurgeStart::Widened => {
                tracing::info!(%tenant, "the purge of the tenant takes all that the sinks have");
                Ok((true, loses))
            }
            PurgeStart::Loses(unpublished) => {
                Err(NotSubmitted::Loses { tenant: tenant.clone(), unpublished })
            }
            PurgeStart::NoLog => {
                self.refuse_unknown(tenant).await?;
                Ok((false, None))
            }
        }
    }
}
