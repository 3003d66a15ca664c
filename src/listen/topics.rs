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

use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{Error, Store};

/// The age up to which what is known answers a client that asks for topics.
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
}

/// The topics by their names.
pub(super) type ByName = BTreeMap<String, Served>;

/// The topics of all enabled tenants.
pub(super) struct Topics {
    store: Arc<dyn Store>,
    settings: Arc<Settings>,
    known: Mutex<Option<(Instant, Arc<ByName>)>>,
}

impl Topics {
    /// Makes them of a store's tenants and their files.
    pub(super) fn new(store: Arc<dyn Store>, settings: Arc<Settings>) -> Self {
        Self { store, settings, known: Mutex::default() }
    }

    /// Returns all topics.
    pub(super) async fn all(&self) -> Result<Arc<ByName>, Error> {
        self.known_since(FRESH).await
    }

    /// Returns the topics as they are known, looked for once more if a name is not among them.
    pub(super) async fn with<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Arc<ByName>, Error> {
        let known = self.known_since(Duration::MAX).await?;
        let has_all = names.into_iter().all(|name| known.contains_key(name));
        if has_all { Ok(known) } else { self.known_since(FRESH_FOR_UNKNOWN).await }
    }

    /// Returns what was found within a time, or finds it.
    async fn known_since(&self, age_max: Duration) -> Result<Arc<ByName>, Error> {
        let mut known = self.known.lock().await;
        if let Some((at, topics)) = &*known
            && at.elapsed() <= age_max
        {
            return Ok(topics.clone());
        }
        let begun = Instant::now();
        let before = known.as_ref().map(|(_, topics)| topics.clone()).unwrap_or_default();
        let found = Arc::new(self.find(&before).await?);
        *known = Some((begun, found.clone()));
        Ok(found)
    }

    async fn find(&self, before: &ByName) -> Result<ByName, Error> {
        let (mut found, mut new) = (ByName::new(), Vec::new());
        for log in self.store.list().await?.into_iter().filter(|log| log.is_enabled) {
            let named = self.settings.specs(&log.tenant).into_iter().map(|spec| spec.topic);
            let of_log = self.store.topics(&log.tenant).await?;
            let topics: BTreeSet<_> = named.chain(of_log).collect();
            for topic in topics {
                match before.get(topic.as_str()).filter(|it| it.tenant == log.tenant) {
                    Some(known) => drop(found.insert(topic.to_string(), known.clone())),
                    None => {
                        let wanted = self.settings.spec(&log.tenant, &topic).partitions;
                        new.push((log.tenant.clone(), topic, wanted));
                    }
                }
            }
        }
        if new.is_empty() {
            return Ok(found);
        }
        let fixed = self.store.fix_partitions(&new).await?;
        let served = |((tenant, topic, _), partitions): ((TenantId, Topic, u16), u16)| {
            (topic.to_string(), Served { tenant, topic, partitions })
        };
        found.extend(new.into_iter().zip(fixed).map(served));
        Ok(found)
    }
}
