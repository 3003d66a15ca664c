//! More partitions for a topic, between two pages of its tenants' lanes.
//!
//! A key may go to another partition than before, and Kafka orders no records of two partitions. So
//! the topic grows only once its tenants have nothing pending, and while their lanes are held: each
//! event up to the position that is told is in the former partitions, and each later one goes by
//! the new number.

use std::collections::BTreeSet;

use super::lanes::on_lanes;
use super::{Error, TopicDeps, WantedTopic, wanted};
use crate::domain::follower::Follower;
use crate::domain::parked::{Request, State};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{self, Store, TenantLog};

/// The work that must be done before a topic grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// The positions that the relay has not passed.
    pub pending: u64,
    /// The parked scopes of the topic that are being released.
    pub releases: usize,
    /// The replays that have not ended.
    pub replays: usize,
}

/// Whether a topic grows although events of it are parked, which are published after later ones, by
/// the new number, once they are released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parked {
    /// It does.
    Accepted,
    /// It does not.
    Refused,
}

impl Unfinished {
    /// Returns whether nothing is left to do.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// A topic that has more partitions now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// The number of partitions before.
    pub from: usize,
    /// The last position of each tenant's log that is published by the former number of partitions.
    pub up_to: Vec<(TenantId, Position)>,
}

/// Returns what the tenants of a topic still have to publish to it.
pub async fn unfinished(
    store: &dyn Store,
    tenants: &[TenantLog],
    topic: &Topic,
) -> Result<Unfinished, store::Error> {
    let (mut all, relay) = (Unfinished::default(), Follower::relay());
    for log in tenants {
        let Some(TenantLog { tenant, log_id, head, .. }) = store.find_tenant(&log.tenant).await?
        else {
            continue;
        };
        let cursor = store.load(&tenant, &relay).await?.filter(|cursor| cursor.log_id == log_id);
        let relayed = cursor.map_or(Position::START, |cursor| cursor.position);
        all.pending += head.number().saturating_sub(relayed.number());
        let parked = store.parked(&tenant, &relay).await?;
        let releases = parked.iter().filter(|it| it.topic == *topic && it.is_open());
        all.releases += releases
            .filter(|it| it.state == State::Releasing || it.requested == Some(Request::Release))
            .count();
        let replays = store.replays(&tenant).await?;
        all.replays += replays.iter().filter(|replay| replay.is_open()).count();
    }
    Ok(all)
}

/// Returns the number of partitions that a topic of the files has in Kafka, if it can grow to what
/// they say.
pub async fn partitions(deps: TopicDeps<'_>, wanted: &WantedTopic) -> Result<usize, Error> {
    let spec = &wanted.spec;
    let refused = |why: String| Err(Error::NotGrown(spec.topic.clone(), why));
    let described = deps.kafka.describe(std::slice::from_ref(&spec.topic)).await?;
    match described.get(&spec.topic).map(|it| it.partitions) {
        None => refused("Kafka does not have it: `topics apply` creates it".to_owned()),
        Some(found) if found >= usize::from(spec.partitions) => refused(format!(
            "it has {found} partitions, and the files say {}: partitions never become fewer",
            spec.partitions
        )),
        Some(found) => Ok(found),
    }
}

/// Returns an error if events of a topic are parked.
pub async fn refuse_parked(deps: TopicDeps<'_>, topic: &WantedTopic) -> Result<(), Error> {
    let mut parked = 0;
    for log in &topic.tenants {
        let all = deps.store.parked(&log.tenant, &Follower::relay()).await?;
        parked += all.iter().filter(|it| it.topic == topic.spec.topic && it.is_open()).count();
    }
    match parked {
        0 => Ok(()),
        _ => Err(Error::NotGrown(
            topic.spec.topic.clone(),
            format!(
                "{parked} of its keys, or the whole of it, are parked, and what is released later \
                 goes by the new number: release or discard them first, or add --with-parked"
            ),
        )),
    }
}

/// Gives a topic the partitions that the files say, while nothing is published on its tenants'
/// lanes; `by` names this process in the leases.
pub async fn grow(
    deps: TopicDeps<'_>,
    topic: &WantedTopic,
    parked: Parked,
    by: &str,
) -> Result<Grown, Error> {
    let WantedTopic { spec, tenants } = topic;
    let lanes: BTreeSet<_> = tenants.iter().map(|log| log.lane).collect();
    on_lanes(deps, lanes, by, async |held| {
        refuse_others(deps, topic).await?;
        refuse_unfinished(deps, topic).await?;
        if parked == Parked::Refused {
            refuse_parked(deps, topic).await?;
        }
        let from = partitions(deps, topic).await?;
        let published = tenants.iter().map(|log| (log.tenant.clone(), held.published(log)));
        let up_to = published.collect();
        deps.kafka.grow(&spec.topic, spec.partitions).await?;
        tracing::info!(topic = %spec.topic, from, to = spec.partitions, "the topic has more \
            partitions");
        Ok(Grown { from, up_to })
    })
    .await
}

/// Returns an error if a replay or a release has begun since nothing was pending: the rest of it
/// would go by the new number.
async fn refuse_unfinished(deps: TopicDeps<'_>, topic: &WantedTopic) -> Result<(), Error> {
    let name = &topic.spec.topic;
    let Unfinished { replays, releases, .. } = unfinished(deps.store, &topic.tenants, name).await?;
    match replays + releases {
        0 => Ok(()),
        _ => {
            let why = format!(
                "{replays} replays of its tenants and {releases} releases have begun meanwhile; \
                 try again once they have ended"
            );
            Err(Error::NotGrown(name.clone(), why))
        }
    }
}

/// Returns an error if the topic has other tenants by now: their lanes are not held.
async fn refuse_others(deps: TopicDeps<'_>, topic: &WantedTopic) -> Result<(), Error> {
    let name = &topic.spec.topic;
    let now = wanted(deps, None).await?.into_iter().find(|it| it.spec.topic == *name);
    let now = now.map(|it| it.tenants).unwrap_or_default();
    let is_known = |log: &TenantLog| topic.tenants.iter().any(|it| it.tenant == log.tenant);
    match now.iter().find(|log| !is_known(log)) {
        None => Ok(()),
        Some(log) => {
            let why = format!("tenant `{}` was enabled meanwhile; try again", log.tenant);
            Err(Error::NotGrown(name.clone(), why))
        }
    }
}
