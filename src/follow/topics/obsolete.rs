//! Obsolete topics: those that the gateway has named for a tenant, and that no file names any more.
//!
//! They are known by their exact names, which the store keeps of every entity and process event, so
//! nobody else's topic is ever among them. One is deleted only if it is the tenant's alone, empty,
//! and nothing is left to be published to it, while the tenant's lane is held: no record can be
//! lost with it.

use std::collections::{BTreeMap, BTreeSet};

use super::lanes::{HeldLanes, on_lanes};
use super::{Error, TopicDeps, act, each_noted};
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::domain::trail::Actor;
use crate::store::{self, NotedTopic, TenantLog};

/// A topic that Kafka has, and no file names any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObsoleteTopic {
    /// The topic.
    pub topic: Topic,
    /// The tenants that have had it.
    pub tenants: Vec<TenantLog>,
    /// The reason why it can't be deleted; `None` if it can.
    pub kept: Option<Kept>,
}

/// The reason why an obsolete topic is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Kept {
    /// Several tenants have had it, or its name may be that of a tenant collection's topic.
    #[error("it may be a topic of a tenant collection, and those are never deleted")]
    Shared,
    /// Kafka still has records of it, or marks of transactions.
    #[error("it is not empty: {0} offsets are left")]
    Records(u64),
    /// Events of the tenant are not published yet, and may be of this topic.
    #[error("tenant {0} has events that are pending")]
    Pending(TenantId),
    /// Events of the topic are parked.
    #[error("events of it are parked")]
    Parked,
    /// A replay may write to it.
    #[error("tenant {0} has a replay that has not ended")]
    Replay(TenantId),
}

/// Returns the obsolete topics of one tenant, or of all, that Kafka has.
pub async fn obsolete(
    deps: TopicDeps<'_>,
    tenant: Option<&TenantId>,
) -> Result<Vec<ObsoleteTopic>, Error> {
    let TopicDeps { store, settings, kafka } = deps;
    let logs = store.list().await?.into_iter().map(|log| (log.tenant.clone(), log));
    let logs: BTreeMap<_, _> = logs.collect();
    let topics_of = |tenant: &TenantId| settings.specs(tenant).into_iter().map(|spec| spec.topic);
    let named: BTreeSet<_> = settings.tenants().chain(logs.keys()).flat_map(topics_of).collect();
    let mut its = None;
    if let Some(tenant) = tenant {
        let mut topics = store.all_topics_of(tenant).await?;
        topics.retain(|topic| !named.contains(topic));
        if topics.is_empty() || !logs.contains_key(tenant) {
            return Ok(Vec::new());
        }
        its = Some(topics);
    }
    let is_asked = |topic: &Topic| match &its {
        Some(its) => its.contains(topic),
        None => !named.contains(topic),
    };
    let mut noted: BTreeMap<Topic, Vec<TenantLog>> = BTreeMap::new();
    each_noted(store, |NotedTopic { tenant, topic, .. }| {
        let Some(log) = logs.get(&tenant).filter(|_| is_asked(&topic)) else { return };
        let logs = noted.entry(topic).or_default();
        if logs.last().is_none_or(|last| last.tenant != tenant) {
            logs.push(log.clone());
        }
    })
    .await?;
    let topics: Vec<_> = noted.keys().cloned().collect();
    let there = kafka.describe(&topics).await?;
    let mut found = Vec::new();
    for (topic, tenants) in noted.into_iter().filter(|(topic, _)| there.contains_key(topic)) {
        let kept = kept(deps, &topic, &tenants).await?;
        found.push(ObsoleteTopic { topic, tenants, kept });
    }
    Ok(found)
}

/// Deletes those of the topics that can be deleted, while their tenants' lanes are held; `by` names
/// this process in the leases, and the actor stands in the trail. The others are given back with
/// the reason, which may have come up meanwhile.
pub async fn delete(
    deps: TopicDeps<'_>,
    topics: Vec<ObsoleteTopic>,
    by: &str,
    actor: &Actor,
) -> Result<Vec<ObsoleteTopic>, Error> {
    let lanes: BTreeSet<_> = topics
        .iter()
        .filter(|topic| topic.kept.is_none())
        .flat_map(|topic| topic.tenants.iter().map(|log| log.lane))
        .collect();
    if lanes.is_empty() {
        return Ok(topics);
    }
    on_lanes(deps, lanes, by, async |held| {
        let mut all = topics;
        for obsolete in all.iter_mut().filter(|obsolete| obsolete.kept.is_none()) {
            obsolete.kept = delete_one(deps, &held, obsolete, actor).await?;
        }
        Ok(all)
    })
    .await
}

async fn delete_one(
    deps: TopicDeps<'_>,
    held: &HeldLanes,
    obsolete: &ObsoleteTopic,
    actor: &Actor,
) -> Result<Option<Kept>, Error> {
    let ObsoleteTopic { topic, tenants, .. } = obsolete;
    // Only now is nothing on its way to the topic any more.
    for log in tenants {
        if let Some(now) = deps.store.find_tenant(&log.tenant).await?
            && held.published(&now) < now.head
        {
            return Ok(Some(Kept::Pending(log.tenant.clone())));
        }
    }
    if let Some(kept) = kept(deps, topic, tenants).await? {
        return Ok(Some(kept));
    }
    let entry = act(actor, topic, tenants).because(Some("obsolete and empty: deleted"));
    deps.store.add_trail(&entry).await?;
    deps.kafka.delete(topic).await?;
    tracing::info!(%topic, "deleted an obsolete topic, which was empty");
    Ok(None)
}

/// Returns the reason why a topic can't be deleted just now.
async fn kept(
    deps: TopicDeps<'_>,
    topic: &Topic,
    tenants: &[TenantLog],
) -> Result<Option<Kept>, Error> {
    let [log] = tenants else { return Ok(Some(Kept::Shared)) };
    if !deps.settings.naming().is_of_tenant_alone(topic, &log.tenant) {
        return Ok(Some(Kept::Shared));
    }
    if let Some(records) = deps.kafka.span(topic).await?.filter(|records| *records > 0) {
        return Ok(Some(Kept::Records(records)));
    }
    Ok(left_to_publish(deps, topic, log).await?)
}

async fn left_to_publish(
    deps: TopicDeps<'_>,
    topic: &Topic,
    log: &TenantLog,
) -> Result<Option<Kept>, store::Error> {
    let (store, tenant, relay) = (deps.store, &log.tenant, Follower::relay());
    let relayed = log.passed_by(store.load(tenant, &relay).await?);
    let head = store.find_tenant(tenant).await?.map_or(Position::START, |now| now.head);
    if relayed < head {
        return Ok(Some(Kept::Pending(tenant.clone())));
    }
    let parked = store.parked(tenant, &relay).await?;
    if parked.iter().any(|scope| scope.topic == *topic && scope.is_open()) {
        return Ok(Some(Kept::Parked));
    }
    let is_replayed = store.replays(tenant).await?.iter().any(|replay| replay.is_open());
    Ok(is_replayed.then(|| Kept::Replay(tenant.clone())))
}
