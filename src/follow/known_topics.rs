//! The topics that the store knows: those that tenants have or have had, and the targets of their
//! replays.
//!
//! Whoever takes a topic compares it with all of them; a purge removes those of its tenant.

use std::collections::BTreeSet;

use crate::domain::known_topic::{KnownTopic, TopicUse};
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{Error, Store};

/// Returns every topic that the store knows of any tenant, also of one that is being purged.
pub(super) async fn of_all(store: &dyn Store) -> Result<Vec<KnownTopic>, Error> {
    let mut tenants: BTreeSet<_> = store.list().await?.into_iter().map(|log| log.tenant).collect();
    tenants.extend(store.purges().await?.into_iter().map(|purge| purge.tenant));
    let mut all = Vec::new();
    for tenant in tenants {
        all.extend(of_tenant(store, &tenant).await?);
    }
    Ok(all)
}

/// Returns every topic that the store knows of a tenant, by name.
pub(super) async fn names(store: &dyn Store, tenant: &TenantId) -> Result<BTreeSet<Topic>, Error> {
    Ok(of_tenant(store, tenant).await?.into_iter().map(|known| known.topic).collect())
}

async fn of_tenant(store: &dyn Store, tenant: &TenantId) -> Result<Vec<KnownTopic>, Error> {
    let events = store.all_topics_of(tenant).await?.into_iter();
    let known = |(topic, usage)| KnownTopic { topic, tenant: tenant.clone(), usage };
    let mut all: Vec<_> = events.map(|topic| known((topic, TopicUse::Events))).collect();
    let replays = store.replays(tenant).await?.into_iter();
    let targets = replays.filter_map(|replay| Some((replay.plan.target?.topic, replay.id)));
    all.extend(targets.map(|(topic, id)| known((topic, TopicUse::Target(id)))));
    Ok(all)
}
