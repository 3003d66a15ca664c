//! The topics that Kafka clients see: whose log each one is in, and its number of partitions.
//!
//! A topic is one that the tenant's files name, or one that its log has events of. Its number of
//! partitions is fixed in the store when a client first sees it, since keys would move to other
//! partitions if it changed. A topic that a client may not see is one that there is not: no answer
//! and no look tells the two apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::principal::{Principal, Scope};
use crate::access::Credential;
use crate::domain::compression::Compression;
use crate::domain::position::LogId;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{Error, Store};

/// The age up to which what is known answers a client that asks for topics, and up to which a
/// tenant counts as enabled.
const FRESH: Duration = Duration::from_secs(1);
/// The time between two looks for tenants that are disabled while their clients are connected.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The age up to which it answers one that asks for a topic that is not among them.
const FRESH_FOR_UNKNOWN: Duration = Duration::from_millis(100);

/// A topic as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    /// The tenant whose log has it.
    pub(super) tenant: TenantId,
    /// The topic.
    pub(super) topic: Topic,
    /// The number of its partitions.
    pub(super) partitions: u16,
    /// Whether the log keeps the last event of each key.
    pub(super) compacted: bool,
    /// How its batches are compressed.
    pub(super) compression: Compression,
}

/// The topics by their names.
type ByName = BTreeMap<String, Served>;

/// The topics that a client sees.
pub(super) struct Seen {
    all: Arc<ByName>,
    logs: Arc<LogIds>,
    scope: Scope,
    /// The credential, which may show fewer than all of its tenant's.
    credential: Option<Arc<Credential>>,
}

/// The enabled tenants, with the ids of their logs.
type LogIds = BTreeMap<TenantId, LogId>;

impl Seen {
    /// Returns no topics.
    #[cfg(test)]
    pub(super) fn nothing(scope: Scope) -> Self {
        Self { all: Arc::default(), logs: Arc::default(), scope, credential: None }
    }

    fn by(principal: &Principal, (all, logs): (Arc<ByName>, Arc<LogIds>)) -> Self {
        let (scope, credential) = (principal.scope.clone(), principal.credential().cloned());
        Self { all, logs, scope, credential }
    }

    fn has(&self, served: &Served) -> bool {
        self.scope.sees(&served.tenant) && self.shows(&served.topic)
    }

    /// Returns a topic by its name.
    pub(super) fn get(&self, name: &str) -> Option<&Served> {
        self.all.get(name).filter(|served| self.has(served))
    }

    /// Returns the id that a tenant's log had when the topics were looked for.
    pub(super) fn log_id(&self, tenant: &TenantId) -> Option<LogId> {
        self.logs.get(tenant).copied()
    }

    /// Returns the names of all of them.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.all.iter().filter(|(_, served)| self.has(served)).map(|(name, _)| name)
    }

    /// Returns all topics of a tenant's log, whether or not the client sees them.
    pub(super) fn of_log(&self, tenant: &TenantId) -> impl Iterator<Item = &Served> {
        self.all.values().filter(move |served| served.tenant == *tenant)
    }

    /// Returns whether the client may be told the name of a topic of its tenant, which may be gone.
    pub(super) fn shows(&self, topic: &Topic) -> bool {
        self.credential.as_ref().is_none_or(|credential| credential.has_topic(topic))
    }

    /// Returns all of them.
    pub(super) fn served(&self) -> impl Iterator<Item = &Served> {
        self.all.values().filter(|served| self.has(served))
    }
}

/// The topics of all enabled tenants.
pub(super) struct Topics {
    store: Arc<dyn Store>,
    settings: Arc<Settings>,
    /// Locked for moments alone, so that nobody who is content with it waits for a look.
    known: Mutex<Known>,
    /// Held while the tenants are looked for, so that all who wait for that share one look.
    listing: tokio::sync::Mutex<()>,
    /// The same, for the topics of all of them, which may take long.
    finding: tokio::sync::Mutex<()>,
    /// Told when other tenants are enabled than before.
    changed: watch::Sender<()>,
}

/// The tenants and the topics as they were found; `None` if nobody has looked yet.
#[derive(Default)]
struct Known {
    tenants: Option<Found<LogIds>>,
    topics: Option<Found<ByName>>,
}

/// Something as it was found, and when the look for it began.
struct Found<T> {
    since: Instant,
    found: Arc<T>,
}

impl<T> Found<T> {
    /// Returns it if the look began within a time, or after it was asked for.
    fn fresh(&self, asked: Instant, age_max: Duration) -> Option<Arc<T>> {
        let is_fresh = self.since >= asked || self.since.elapsed() <= age_max;
        is_fresh.then(|| self.found.clone())
    }
}

impl Known {
    /// Drops the topics of tenants that are not enabled any more.
    fn keep_enabled(&mut self) {
        let (Some(tenants), Some(topics)) = (&self.tenants, &mut self.topics) else { return };
        let is_enabled = |served: &Served| tenants.found.contains_key(&served.tenant);
        if !topics.found.values().all(is_enabled) {
            Arc::make_mut(&mut topics.found).retain(|_, served| is_enabled(served));
        }
    }
}

impl Topics {
    /// Makes them of a store's tenants and their files.
    pub(super) fn new(store: Arc<dyn Store>, settings: Arc<Settings>) -> Self {
        let (listing, finding) = <(tokio::sync::Mutex<()>, tokio::sync::Mutex<()>)>::default();
        let (known, changed) = (Mutex::default(), watch::Sender::new(()));
        Self { store, settings, known, listing, finding, changed }
    }

    /// Returns all topics; while the store is away, those that were known last: a client that is
    /// told of no topics would let go of all that it reads.
    pub(super) async fn all(&self, principal: &Principal) -> Result<Seen, Error> {
        let known = match self.known_since(FRESH).await {
            Err(error) => self.known(Instant::now(), Duration::MAX).ok_or(error)?,
            Ok(found) => found,
        };
        Ok(Seen::by(principal, known))
    }

    /// Returns the topics as they are known, looked for once more if the client sees none of a
    /// name. It is told so after the same look, whether or not another tenant has the topic.
    pub(super) async fn with<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        principal: &Principal,
    ) -> Result<Seen, Error> {
        self.look(names, principal, Duration::MAX).await
    }

    /// Returns the same for a client that begins to read, or that moves a group from outside: with
    /// all topics that the group may have read over HTTP until now.
    pub(super) async fn newest<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        principal: &Principal,
    ) -> Result<Seen, Error> {
        self.look(names, principal, FRESH).await
    }

    async fn look<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        principal: &Principal,
        age_max: Duration,
    ) -> Result<Seen, Error> {
        let seen = Seen::by(principal, self.known_since(age_max).await?);
        if names.into_iter().all(|name| seen.get(name).is_some()) {
            return Ok(seen);
        }
        Ok(Seen::by(principal, self.known_since(FRESH_FOR_UNKNOWN).await?))
    }

    /// Returns whether a tenant is enabled; while the store is away, whether it was.
    pub(super) async fn has(&self, tenant: &TenantId) -> bool {
        let seen = match self.enabled(FRESH).await {
            // It may have been enabled just now.
            Ok(tenants) if !tenants.contains_key(tenant) => self.enabled(Duration::ZERO).await,
            seen => seen,
        };
        match seen {
            Ok(tenants) => tenants.contains_key(tenant),
            Err(_) => self.lock().tenants.as_ref().is_none_or(|it| it.found.contains_key(tenant)),
        }
    }

    /// Waits until a tenant is not enabled any more, as a look of anybody's finds.
    pub(super) async fn disabled(&self, tenant: &TenantId) {
        let mut changed = self.changed.subscribe();
        while self.has(tenant).await {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Looks for those who wait until a tenant is disabled: once for all of them, again and again.
    pub(super) async fn watch(&self) {
        loop {
            sleep(LOOK_EVERY).await;
            if self.changed.receiver_count() > 0
                && let Err(error) = self.enabled(Duration::ZERO).await
            {
                tracing::debug!(%error, "failed to look for tenants that are disabled");
            }
        }
    }

    /// Returns what was found within a time, or finds it; without the topics of tenants that are
    /// not enabled any more.
    async fn known_since(&self, age_max: Duration) -> Result<(Arc<ByName>, Arc<LogIds>), Error> {
        let asked = Instant::now();
        self.enabled(FRESH).await?;
        if let Some(known) = self.known(asked, age_max) {
            return Ok(known);
        }
        let _turn = self.finding.lock().await;
        if let Some(known) = self.known(asked, age_max) {
            return Ok(known);
        }
        let since = Instant::now();
        let tenants = self.enabled(Duration::ZERO).await?;
        let before = self.lock().topics.as_ref().map(|it| it.found.clone()).unwrap_or_default();
        let found = Arc::new(self.find(&tenants, &before).await?);
        let mut known = self.lock();
        known.topics = Some(Found { since, found: found.clone() });
        // Some may have been disabled meanwhile.
        known.keep_enabled();
        drop(known);
        Ok(self.known(since, Duration::MAX).unwrap_or((found, tenants)))
    }

    /// Returns what is known, if its topics were found within a time or after they were asked for.
    fn known(&self, asked: Instant, age_max: Duration) -> Option<(Arc<ByName>, Arc<LogIds>)> {
        let known = self.lock();
        let topics = known.topics.as_ref()?.fresh(asked, age_max)?;
        Some((topics, known.tenants.as_ref()?.found.clone()))
    }

    /// Returns the enabled tenants as they were within a time, or as they are.
    async fn enabled(&self, age_max: Duration) -> Result<Arc<LogIds>, Error> {
        let asked = Instant::now();
        let known = || self.lock().tenants.as_ref().and_then(|it| it.fresh(asked, age_max));
        if let Some(tenants) = known() {
            return Ok(tenants);
        }
        let _turn = self.listing.lock().await;
        if let Some(tenants) = known() {
            return Ok(tenants);
        }
        let since = Instant::now();
        let logs = self.store.list().await?.into_iter().filter(|log| log.is_enabled);
        let found: Arc<LogIds> = Arc::new(logs.map(|log| (log.tenant, log.log_id)).collect());
        let mut known = self.lock();
        let before = known.tenants.replace(Found { since, found: found.clone() });
        known.keep_enabled();
        drop(known);
        if before.is_none_or(|before| before.found != found) {
            self.changed.send_replace(());
        }
        Ok(found)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no holder panics")
    }

    async fn find(&self, tenants: &LogIds, before: &ByName) -> Result<ByName, Error> {
        let (mut found, mut new) = (ByName::new(), Vec::new());
        for tenant in tenants.keys() {
            let named = self.settings.specs(tenant).into_iter().map(|spec| spec.topic);
            let of_log = self.store.topics(tenant).await?;
            let mut topics: BTreeSet<_> = named.chain(of_log).collect();
            // Their events go as soon as every sink has them, whether or not a group has.
            let rules = self.settings.log_rules(tenant);
            topics.retain(|topic| rules.get(topic).is_none_or(|rule| rule.stored));
            for topic in topics {
                match before.get(topic.as_str()).filter(|it| it.tenant == *tenant) {
                    Some(known) => drop(found.insert(topic.to_string(), known.clone())),
                    None => {
                        let wanted = self.settings.spec(tenant, &topic).partitions;
                        new.push((tenant.clone(), topic, wanted));
                    }
                }
            }
        }
        if new.is_empty() {
            return Ok(found);
        }
        let fixed = self.store.fix_partitions(&new).await?;
        for ((tenant, topic, _), partitions) in new.into_iter().zip(fixed) {
            let spec = self.settings.spec(&tenant, &topic);
            let (compacted, compression) = (spec.compacted, spec.compression.unwrap_or_default());
            let name = topic.to_string();
            found.insert(name, Served { tenant, topic, partitions, compacted, compression });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
