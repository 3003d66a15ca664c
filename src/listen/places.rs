//! Where a group stands in its topics: one subscription of each tenant whose topics it reads.
//!
//! `coordinator` keeps them for each group, moves them upon the versions that it knows, and reads
//! them again if somebody else has moved them. What a group has committed is in the store before
//! the client is told so.

mod holding;

use std::collections::HashMap;
use std::slice;

use tokio::time::Instant;

use super::topics::{Seen, Served};
use crate::domain::subscription::{Group, Part, PartCommit, Refusal, Subscription};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::store::{Error, FoundSubscription, Store, SubscriptionChange};

/// The number of times that a change is decided.
const TRIES_MAX: u32 = 10;

/// The subscriptions of one group.
pub(super) struct Places {
    scope: String,
    group: Group,
    known: HashMap<TenantId, Known>,
    /// Whether it is known with which tenants the group's clients read before this process had it.
    is_recalled: bool,
}

struct Known {
    /// The row; `None` if there is none.
    row: Option<FoundSubscription>,
    read: Instant,
    /// Whether it is to be read again before it tells anything.
    is_stale: bool,
}

/// Whoever moves a group.
pub(super) enum Mover {
    /// The members, who are heard of by this.
    Members,
    /// Somebody else, with the entry for the trail. A client that has moved the group before, and
    /// moves it on, does nothing that the trail tells: consumers without a group's members do so.
    Other { entry: TrailEntry, is_first: bool },
}

/// Whether the trail has an entry of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    ByTheTrail,
    ByNobody,
}

/// The reason why places are not moved.
#[derive(Debug)]
pub(super) enum Kept {
    /// The store failed.
    Store(Error),
    /// The group reads over HTTP now.
    Refused(Refusal),
    /// The tenant has no log.
    NotEnabled,
}

impl From<Error> for Kept {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Places {
    /// Makes the places of a group, of which none is known yet.
    pub(super) fn new(scope: String, group: Group) -> Self {
        Self { scope, group, known: HashMap::new(), is_recalled: false }
    }

    /// Returns the name of the reader that the group's Kafka clients are together. Two groups of
    /// one name, in two scopes, are two readers.
    fn reader(&self) -> String {
        let Self { scope, group, .. } = self;
        format!("Kafka clients of {group} in {scope}")
    }

    /// Reads the rows of these tenants again, at once, and those of others before they tell
    /// anything: somebody may have moved the group while it had no members.
    pub(super) async fn look_again<'a>(
        &mut self,
        store: &dyn Store,
        tenants: impl IntoIterator<Item = &'a TenantId>,
    ) -> Result<(), Error> {
        self.known.values_mut().for_each(|known| known.is_stale = true);
        self.read_all(store, tenants).await
    }

    /// Reads the rows of these tenants.
    async fn read_all<'a>(
        &mut self,
        store: &dyn Store,
        tenants: impl IntoIterator<Item = &'a TenantId>,
    ) -> Result<(), Error> {
        let group = &self.group;
        let named: Vec<_> = tenants.into_iter().map(|it| (it.clone(), group.clone())).collect();
        let found = store.find_subscriptions(&named).await?;
        let read = Instant::now();
        for (tenant, _) in named {
            self.known.insert(tenant, Known { row: None, read, is_stale: false });
        }
        for row in found {
            let tenant = row.tenant.clone();
            self.known.insert(tenant, Known { row: Some(row), read, is_stale: false });
        }
        Ok(())
    }

    /// Returns where the group stands in a partition; `None` if it has not been there.
    pub(super) async fn of(
        &mut self,
        store: &dyn Store,
        served: &Served,
        partition: usize,
    ) -> Result<Option<Part>, Kept> {
        let now = self.read(store, &served.tenant).await?;
        let Some(found) = &self.known[&served.tenant].row else {
            return Ok(None);
        };
        let subscription = &found.subscription;
        if subscription.parts.is_none()
            && let Some(lease) = subscription.holder(now)
        {
            return Err(Kept::Refused(Refusal::Held(lease.clone())));
        }
        Ok(subscription.part(&served.topic, partition))
    }

    /// Returns the topics of a tenant in which the group stands somewhere, with those partitions.
    pub(super) async fn topics(
        &mut self,
        store: &dyn Store,
        tenant: &TenantId,
    ) -> Result<Vec<(Topic, Vec<usize>)>, Kept> {
        self.read(store, tenant).await?;
        let row = self.known[tenant].row.as_ref();
        let Some(parts) = row.and_then(|found| found.subscription.parts.as_ref()) else {
            return Ok(Vec::new());
        };
        let some = |(topic, parts): (&Topic, &[Option<Part>])| {
            let at = parts.iter().enumerate().filter(|(_, part)| part.is_some());
            (topic.clone(), at.map(|(partition, _)| partition).collect())
        };
        Ok(parts.iter().map(some).collect())
    }

    /// Moves the group in a tenant's topics.
    pub(super) async fn commit(
        &mut self,
        store: &dyn Store,
        tenant: &TenantId,
        commits: &[PartCommit],
        topics: &Seen,
        mover: &Mover,
    ) -> Result<Told, Kept> {
        self.read(store, tenant).await?;
        let by = match mover {
            Mover::Other { entry, is_first } if *is_first || self.is_back(tenant, commits) => {
                Some(entry)
            }
            Mover::Other { .. } | Mover::Members => None,
        };
        let reader = &self.reader();
        let committed = self.change(store, tenant, by, |row, now| {
            let Some(subscription) = row else {
                return Ok(Some(Subscription::of_kafka(commits)));
            };
            let matched = matched(subscription, tenant, topics);
            let mut next = subscription.clone();
            next.commit_parts(reader, commits, &matched, now)?;
            Ok(Some(next))
        });
        let is_changed = committed.await?;
        if let Mover::Members = mover {
            self.hold_one(store, tenant, true).await?;
        }
        Ok(if is_changed && by.is_some() { Told::ByTheTrail } else { Told::ByNobody })
    }

    /// Returns whether any of these commits is before where the group is known to stand.
    fn is_back(&self, tenant: &TenantId, commits: &[PartCommit]) -> bool {
        let Some(row) = self.known.get(tenant).and_then(|known| known.row.as_ref()) else {
            return false;
        };
        let part = |it: &PartCommit| row.subscription.part(&it.topic, it.partition);
        commits.iter().any(|it| part(it).is_some_and(|part| it.part.cursor < part.cursor))
    }

    /// Forgets where the group stands in a partition of a tenant's topic.
    pub(super) async fn forget(
        &mut self,
        store: &dyn Store,
        served: &Served,
        partition: usize,
        by: &TrailEntry,
    ) -> Result<(), Kept> {
        self.change(store, &served.tenant, Some(by), |row, _| {
            let mut next = row.cloned();
            if let Some(next) = &mut next {
                next.forget_part(&served.topic, partition);
            }
            Ok(next)
        })
        .await
        .map(drop)
    }

    /// Forgets where the group stands with a tenant, if only Kafka clients have read for it.
    pub(super) async fn remove(
        &mut self,
        store: &dyn Store,
        tenant: &TenantId,
        by: &TrailEntry,
    ) -> Result<(), Kept> {
        self.change(store, tenant, Some(by), |row, _| {
            Ok(row.filter(|subscription| subscription.parts.is_none()).cloned())
        })
        .await
        .map(drop)
    }

    /// Changes the row of a tenant as `decide` says, with an entry of the trail if that is an act.
    /// Returns whether there was anything to change.
    async fn change(
        &mut self,
        store: &dyn Store,
        tenant: &TenantId,
        by: Option<&TrailEntry>,
        decide: impl Fn(Option<&Subscription>, Time) -> Result<Option<Subscription>, Refusal>,
    ) -> Result<bool, Kept> {
        for _ in 0..TRIES_MAX {
            let now = self.read(store, tenant).await?;
            let known = self.known.get_mut(tenant).expect("it was read");
            let before = known.row.as_ref().map(|found| &found.subscription);
            let next = decide(before, now).map_err(Kept::Refused)?;
            if next.as_ref() == before {
                return Ok(false);
            }
            let version = known.row.as_ref().map_or(0, |found| found.version);
            let by = by.map(|entry| entry.clone().of(tenant));
            let (tenant, group) = (tenant.clone(), self.group.clone());
            let change = SubscriptionChange { tenant, group, version, next: next.clone(), by };
            let written = store.change_subscriptions(slice::from_ref(&change)).await? == [true];
            if !written {
                let is_new = version == 0;
                self.known.remove(&change.tenant);
                if is_new
                    && self.read(store, &change.tenant).await.is_ok_and(|_| {
                        self.known.get(&change.tenant).is_some_and(|known| known.row.is_none())
                    })
                {
                    return Err(Kept::NotEnabled);
                }
                continue;
            }
            // Only a row that was found tells the store's time.
            known.is_stale = version == 0;
            let SubscriptionChange { tenant, group, .. } = change;
            known.row = next.map(|subscription| FoundSubscription {
                tenant,
                group,
                version: version + 1,
                subscription,
                now,
            });
            return Ok(true);
        }
        let others = "others change the subscription all the time".to_owned();
        Err(Kept::Store(Error::Unavailable(others)))
    }

    /// Reads the row of a tenant, if it isn't known; returns the time by the store's clock.
    async fn read(&mut self, store: &dyn Store, tenant: &TenantId) -> Result<Time, Kept> {
        if self.known.get(tenant).is_none_or(|known| known.is_stale) {
            let named = [(tenant.clone(), self.group.clone())];
            let row = store.find_subscriptions(&named).await?.pop();
            let known = Known { row, read: Instant::now(), is_stale: false };
            self.known.insert(tenant.clone(), known);
        }
        let known = &self.known[tenant];
        let passed = i64::try_from(known.read.elapsed().as_millis()).unwrap_or(i64::MAX);
        Ok(known.row.as_ref().map_or(Time::ZERO, |found| found.now.after(passed)))
    }
}

/// Returns the topics of a tenant that a subscription matches, with their numbers of partitions.
fn matched(subscription: &Subscription, tenant: &TenantId, topics: &Seen) -> Vec<(Topic, usize)> {
    let its = topics.of_log(tenant).filter(|it| subscription.form.filter.has_topic(&it.topic));
    its.map(|it| (it.topic.clone(), usize::from(it.partitions))).collect()
}
