//! Purges: everything of a tenant is removed, from the sinks first and from the store last.
//!
//! `tenant_jobs` begins a purge and carries it out. From its first moment on the store has no log
//! of the tenant, so no reader, append or takeover finds one. Then each sink's lane passes the
//! purge: the lane is taken over, which fences whoever still has a page of the tenant, the cursors
//! of its log are forgotten, and the store notes it under the lease. Once all sinks have passed,
//! what they have of the tenant is removed, and then the store's rows. Each step may be repeated.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::removal::pace::Pace;
use super::{FollowDeps, own};
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::LogId;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::sink::{KnownCursors, PurgedLogs, Sink, TenantTopics};
use crate::store::{self, Purge, Store};

/// The time for which a purge lasts at least, so that readers of all replicas are cut, and whoever
/// had found the tenant before has ended.
const GRACE: Duration = Duration::from_secs(2);

/// Returns the purges of a lane that a sink has not passed.
pub(super) async fn to_pass(
    store: &dyn Store,
    lane: Lane,
    follower: &Follower,
) -> Result<Vec<Purge>, store::Error> {
    let mut purges = store.purges().await?;
    purges.retain(|purge| purge.lane == lane && !purge.passed.contains(follower));
    Ok(purges)
}

/// Returns those of a lane's cursors that are of the purged logs, under any id that they had.
pub(super) async fn cursors_of(
    store: &dyn Store,
    purges: &[Purge],
    known: &KnownCursors,
) -> Result<Vec<(LogId, Follower)>, store::Error> {
    let mut ids = HashSet::new();
    for purge in purges {
        ids.extend(log_ids(store, purge).await?);
    }
    Ok(known.keys().filter(|(log_id, _)| ids.contains(log_id)).cloned().collect())
}

/// Returns the ids of the log that is purged, all that it has had.
async fn log_ids(store: &dyn Store, purge: &Purge) -> Result<BTreeSet<LogId>, store::Error> {
    let incarnations = store.incarnations(&purge.tenant).await?;
    Ok(incarnations.iter().map(|one| one.log_id).chain([purge.log_id]).collect())
}

/// The longest time for which rows of one purge are removed before others are looked at.
const SLICE: Duration = Duration::from_secs(2);

/// The part of a replica in the purges.
pub(super) struct PurgeWork {
    deps: FollowDeps,
    sinks: Vec<Arc<dyn Sink>>,
    /// Whether the store knows these sinks.
    are_known: bool,
    /// The purges that this replica's lanes were told of, and when.
    told: HashMap<(TenantId, LogId), Instant>,
    pace: Pace,
}

/// The purges that are under way, each with what it waits for; `None` if that is the matter of
/// another replica, which has the lane.
pub(super) type UnderWay = BTreeMap<TenantId, Option<Vec<String>>>;

impl PurgeWork {
    /// Makes the part of a replica that publishes to these sinks.
    pub(super) fn new(deps: FollowDeps, sinks: &[Arc<dyn Sink>]) -> Self {
        let (sinks, told, pace) = (sinks.to_vec(), HashMap::new(), Pace::default());
        Self { deps, sinks, are_known: false, told, pace }
    }

    /// Tells this replica's lanes of new purges, and carries out those of its own lanes as far as
    /// that is possible now. Returns those that are under way.
    pub(super) async fn carry_out_all(&mut self) -> Result<UnderWay, store::Error> {
        if !self.are_known {
            for sink in &self.sinks {
                self.deps.store.know_sink(sink.follower()).await?;
            }
            self.are_known = true;
        }
        let mut under_way = UnderWay::new();
        let purges = self.deps.store.purges().await?;
        self.told.retain(|(tenant, log_id), _| {
            purges.iter().any(|it| it.tenant == *tenant && it.log_id == *log_id)
        });
        self.deps.metrics.purges(Some(purges.len()));
        if purges.is_empty() {
            return Ok(under_way);
        }
        for purge in &purges {
            self.deps.metrics.tenant_purged(&purge.tenant);
            if let Entry::Vacant(new) = self.told.entry((purge.tenant.clone(), purge.log_id)) {
                new.insert(Instant::now());
                self.deps.wakeups.take_over(purge.lane);
            }
        }
        let own = own::lanes(&self.deps).await?;
        for purge in purges {
            if !own.contains(&purge.lane) {
                under_way.insert(purge.tenant, None);
                continue;
            }
            let waits_for = self.carry_out(&purge).await?;
            if !waits_for.is_empty() {
                under_way.insert(purge.tenant, Some(waits_for));
            }
        }
        Ok(under_way)
    }

    /// Carries a purge out, unless it has to wait. Returns what it waits for; nothing if it has
    /// ended.
    async fn carry_out(&mut self, purge: &Purge) -> Result<Vec<String>, store::Error> {
        let Self { deps: FollowDeps { store, settings, clock, .. }, sinks, .. } = self;
        let mut waits_for = waits_for(&**store, sinks, purge).await?;
        let told = self.told.get(&(purge.tenant.clone(), purge.log_id));
        if told.is_none_or(|at| at.elapsed() < GRACE) {
            waits_for.push("waits until open requests have ended".to_owned());
        }
        if !waits_for.is_empty() {
            return Ok(waits_for);
        }
        let mut left = sinks.clone();
        left.retain(|sink| !purge.removed.contains(sink.follower()));
        waits_for = remove_from(&**store, settings, &left, purge).await?;
        if !waits_for.is_empty() {
            return Ok(waits_for);
        }
        let until = Instant::now() + SLICE;
        while self.pace.step(async |max| store.purge_step(purge, max).await).await? {
            if Instant::now() > until {
                return Ok(vec!["removes what the store has of the tenant".to_owned()]);
            }
        }
        remove_groups(&**store, &purge.tenant).await?;
        if !store.scrub().await? {
            return Ok(vec!["waits until readers of the database let it be scrubbed".to_owned()]);
        }
        // Whoever had found the tenant before the purge may have created a topic since.
        waits_for = remove_from(&**store, settings, sinks, purge).await?;
        if !waits_for.is_empty() {
            return Ok(waits_for);
        }
        if !store.end_purge(purge, clock.now()).await? {
            return Ok(vec!["waits until another sink has nothing of the tenant".to_owned()]);
        }
        tracing::info!(tenant = %purge.tenant, log_id = %purge.log_id, "the tenant is purged");
        Ok(waits_for)
    }
}

/// Removes the groups of Kafka clients that see the tenant alone. Nobody joins them meanwhile: the
/// listener lets no client of a tenant in that is not enabled.
async fn remove_groups(store: &dyn Store, tenant: &TenantId) -> Result<(), store::Error> {
    let scope = tenant.as_str();
    for row in store.list_kafka_groups(scope).await? {
        // One that has changed meanwhile is looked for again before the purge ends.
        store.remove_kafka_group(scope, &row.group, row.version).await?;
    }
    Ok(())
}

/// Removes what these sinks have of the tenant, and notes that. Returns what the purge waits for.
async fn remove_from(
    store: &dyn Store,
    settings: &Settings,
    sinks: &[Arc<dyn Sink>],
    purge: &Purge,
) -> Result<Vec<String>, store::Error> {
    if sinks.is_empty() {
        return Ok(Vec::new());
    }
    let (topics, mut waits_for) = (topics(store, settings, purge).await?, Vec::new());
    for sink in sinks {
        match sink.remove_tenant(&purge.tenant, &topics).await {
            Ok(()) => store.note_removed(sink.follower(), purge).await?,
            Err(error) => {
                let sink = sink.names().sink;
                waits_for.push(format!("waits until all is removed from {sink}: {error}"));
            }
        }
    }
    Ok(waits_for)
}

/// Returns the sinks that have to pass a purge first, and to remove what they have of the tenant:
/// those of this replica, and all that the store knows.
async fn waits_for(
    store: &dyn Store,
    sinks: &[Arc<dyn Sink>],
    purge: &Purge,
) -> Result<Vec<String>, store::Error> {
    let has_passed = |follower: &Follower| purge.passed.contains(follower);
    let own = sinks.iter().filter(|sink| !has_passed(sink.follower()));
    let mut waits_for: Vec<_> = own
        .map(|sink| format!("waits until {} has forgotten the log", sink.names().sink))
        .collect();
    let known = store.stands(&purge.tenant).await?.into_iter().map(|(follower, _)| follower);
    for follower in known.chain(purge.passed.iter().cloned()).collect::<BTreeSet<_>>() {
        let is_elsewhere = sinks.iter().all(|sink| *sink.follower() != follower);
        if is_elsewhere && !purge.removed.contains(&follower) {
            waits_for.push(format!(
                "waits for the sink `{follower}`, which is not configured here: configure it, or \
                 forget it by `event-gateway sinks forget {follower}`"
            ));
        }
    }
    Ok(waits_for)
}

/// Returns the topics in which records of a tenant stay when it is purged, in order of their names.
pub async fn topics_left(
    store: &dyn Store,
    settings: &Settings,
    tenant: &TenantId,
) -> Result<Vec<Topic>, store::Error> {
    Ok(own_and_shared(store, settings, tenant).await?.1)
}

/// Returns all topics that a tenant's entities and process events have, or have had, and the
/// targets of its replays: its own, and those that other tenants have, or may have, as well.
async fn own_and_shared(
    store: &dyn Store,
    settings: &Settings,
    tenant: &TenantId,
) -> Result<(Vec<Topic>, Vec<Topic>), store::Error> {
    let mut all: BTreeSet<_> = store.all_topics_of(tenant).await?.into_iter().collect();
    let replays = store.replays(tenant).await?.into_iter();
    all.extend(replays.filter_map(|replay| Some(replay.plan.target?.topic)));
    all.extend(settings.specs(tenant).into_iter().map(|spec| spec.topic));
    let mut others = store.list().await?;
    others.retain(|other| other.tenant != *tenant);
    let is_shared = |topic: &Topic| others.iter().any(|other| settings.names(&other.tenant, topic));
    Ok(all.into_iter().partition(|topic| {
        settings.naming().is_of_tenant_alone(topic, tenant) && !is_shared(topic)
    }))
}

/// Returns the topics that a purge is about.
async fn topics(
    store: &dyn Store,
    settings: &Settings,
    purge: &Purge,
) -> Result<TenantTopics, store::Error> {
    let (own, shared) = own_and_shared(store, settings, &purge.tenant).await?;
    let logs = match purge.takes_all {
        true => None,
        false => Some(PurgedLogs { ids: log_ids(store, purge).await?, began: purge.started }),
    };
    Ok(TenantTopics { own, shared, logs })
}
