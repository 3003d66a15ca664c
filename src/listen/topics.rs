//! The topics that Kafka clients see: whose log each one is in, and its number of partitions.
//!
//! A topic is one that the tenant's files name, or one that its log has events of. Its number of
//! partitions is fixed in the store when a client first sees it, since keys would move to other
//! partitions if it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

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
    known: Mutex<Option<Known>>,
}

/// The topics as they were found.
struct Known {
    found: Instant,
    /// When the tenants were last seen to be enabled, and which those were.
    enabled: Instant,
    tenants: Arc<LogIds>,
    topics: Arc<ByName>,
}

impl Topics {
    /// Makes them of a store's tenants and their files.
    pub(super) fn new(store: Arc<dyn Store>, settings: Arc<Settings>) -> Self {
        Self { store, settings, known: Mutex::default() }
    }

    /// Returns all topics; while the store is away, those that were known last: a client that is
    /// told of no topics would let go of all that it reads.
    pub(super) async fn all(&self, principal: &Principal) -> Result<Seen, Error> {
        let known = match self.known_since(FRESH).await {
            Err(error) => match &*self.known.lock().await {
                Some(known) => (known.topics.clone(), known.tenants.clone()),
                None => return Err(error),
            },
            Ok(found) => found,
        };
        Ok(Seen::by(principal, known))
    }

    /// Returns the topics as they are known, looked for once more if a name is not among them.
    pub(super) async fn with<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        principal: &Principal,
    ) -> Result<Seen, Error> {
        let known = self.known_since(Duration::MAX).await?;
        let has_all = names.into_iter().all(|name| known.0.contains_key(name));
        let known = if has_all { known } else { self.known_since(FRESH_FOR_UNKNOWN).await? };
        Ok(Seen::by(principal, known))
    }

    /// Returns whether a tenant is enabled; while the store is away, whether it was.
    pub(super) async fn has(&self, tenant: &TenantId) -> bool {
        let is_away = self.known_since(FRESH).await.is_err();
        let known = self.known.lock().await;
        known.as_ref().map_or(is_away, |known| known.tenants.contains_key(tenant))
    }

    /// Returns what was found within a time, or finds it; without the topics of tenants that are
    /// not enabled any more.
    async fn known_since(&self, age_max: Duration) -> Result<(Arc<ByName>, Arc<LogIds>), Error> {
        let (mut known, now) = (self.known.lock().await, Instant::now());
        if let Some(known) = &mut *known
            && known.found.elapsed() <= age_max
        {
            if known.enabled.elapsed() > FRESH {
                let enabled = self.enabled().await?;
                let is_enabled = |served: &Served| enabled.contains_key(&served.tenant);
                if !known.topics.values().all(is_enabled) {
                    Arc::make_mut(&mut known.topics).retain(|_, served| is_enabled(served));
                }
                (known.enabled, known.tenants) = (now, enabled);
            }
            return Ok((known.topics.clone(), known.tenants.clone()));
        }
        let before = known.as_ref().map(|known| known.topics.clone()).unwrap_or_default();
        let tenants = self.enabled().await?;
        let topics = Arc::new(self.find(&tenants, &before).await?);
        let (found, logs) = (topics.clone(), tenants.clone());
        *known = Some(Known { found: now, enabled: now, tenants, topics });
        Ok((found, logs))
    }

    async fn enabled(&self) -> Result<Arc<LogIds>, Error> {
        let logs = self.store.list().await?.into_iter().filter(|log| log.is_enabled);
        Ok(Arc::new(logs.map(|log| (log.tenant, log.log_id)).collect()))
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
