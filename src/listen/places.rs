//! Where a group stands in its topics: one subscription of each tenant whose topics it reads.
//!
//! `coordinator` keeps them for each group, moves them upon the versions that it knows, and reads
//! them again if somebody else has moved them. What a group has committed is in the store before
//! the client is told so.
//!
//! A replica that takes a group gives each row a generation of its own before it tells or moves
//! anything, and finds after that that it still has the group. So whoever had the group before
//! finds another generation, looks, and learns that it has lost the group: it moves nothing.

mod holding;

use std::collections::HashMap;
use std::slice;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::topics::{Seen, Served};
use crate::domain::subscription::{Group, Part, PartCommit, Refusal, Subscription};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::store::{Error, FoundSubscription, KafkaGroup, Store, SubscriptionChange};

/// The number of times that a change is decided.
const TRIES_MAX: u32 = 10;

/// The subscriptions of one group.
pub(super) struct Places {
    scope: String,
    group: Group,
    /// The run of the replica that has the group.
    holder: String,
    /// Whether the store has a row of the group.
    is_saved: bool,
    known: HashMap<TenantId, Known>,
    /// Whether it is known with which tenants the group's clients read before this process had it.
    is_recalled: bool,
    /// Whether it was told that the members get nothing, since the group has a handler.
    is_told: bool,
    /// Cancelled once another replica has the group.
    gone: CancellationToken,
}

struct Known {
    /// The row; `None` if there is none.
    row: Option<FoundSubscription>,
    read: Instant,
    /// Whether it is to be read again before it tells anything.
    is_stale: bool,
    /// The generation that this replica has given the row, and under which it moves it.
    own: Option<u64>,
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
    /// The group reads over HTTP now, has a handler, or has halted.
    Refused(Refusal),
    /// The tenant has no log.
    NotEnabled,
    /// Another replica has the group.
    Elsewhere,
}

impl From<Error> for Kept {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Places {
    /// Makes the places of a group that its holder has taken, of which none is known yet; `gone` is
    /// cancelled once another replica has it.
    pub(super) fn taken(row: &KafkaGroup, gone: CancellationToken) -> Self {
        let KafkaGroup { scope, group, holder, version, .. } = row.clone();
        Self {
            scope,
            group,
            holder,
            is_saved: version > 0,
            known: HashMap::new(),
            is_recalled: false,
            is_told: false,
            gone,
        }
    }

    /// Notes that the store has a row of the group.
    pub(super) fn note_saved(&mut self) {
        self.is_saved = true;
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
        named.into_iter().for_each(|(tenant, _)| self.note(tenant, None, read));
        found.into_iter().for_each(|row| self.note(row.tenant.clone(), Some(row), read));
        Ok(())
    }

    /// Notes the row of a tenant as it was read.
    fn note(&mut self, tenant: TenantId, row: Option<FoundSubscription>, read: Instant) {
        let own = self.known.get(&tenant).and_then(|known| known.own);
        self.known.insert(tenant, Known { row, read, is_stale: false, own });
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
        subscription.refuse_whoever_comes().map_err(Kept::Refused)?;
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
            let known = &self.known[tenant];
            let before = known.row.as_ref().map(|found| &found.subscription);
            let next = decide(before, now).map_err(Kept::Refused)?;
            if next.as_ref() == before {
                return Ok(false);
            }
            let (is_new, present) = (before.is_none(), before.map(|it| it.generation));
            let generation = next.as_ref().map(|it| it.generation);
            if is_new || present != known.own {
                self.ensure_held(store).await?;
            }
            if self.write(store, tenant, next, by).await? {
                self.note_own(tenant, generation);
                return Ok(true);
            }
            if is_new && self.read(store, tenant).await.is_ok() && self.known[tenant].row.is_none()
            {
                return Err(Kept::NotEnabled);
            }
        }
        Err(changed_by_others())
    }

    /// Writes the row of a tenant upon the version that is known. Returns whether it was written;
    /// if not, it is to be read again.
    async fn write(
        &mut self,
        store: &dyn Store,
        tenant: &TenantId,
        next: Option<Subscription>,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Kept> {
        let known = self.known.get_mut(tenant).expect("it was read");
        let before = known.row.as_ref();
        let (version, now) = before.map_or((0, Time::ZERO), |found| (found.version, found.now));
        let by = by.map(|entry| entry.clone().of(tenant));
        let (tenant, group, dead) = (tenant.clone(), self.group.clone(), Vec::new());
        let change = SubscriptionChange { tenant, group, version, next: next.clone(), dead, by };
        if store.change_subscriptions(slice::from_ref(&change)).await? != [true] {
            known.is_stale = true;
            return Ok(false);
        }
        // Only a row that was found tells the store's time: that of the reading, which is kept.
        known.is_stale = version == 0;
        let SubscriptionChange { tenant, group, .. } = change;
        known.row = next.map(|subscription| FoundSubscription {
            tenant,
            group,
            version: version + 1,
            subscription,
            now,
        });
        Ok(true)
    }

    /// Reads the row of a tenant, if it isn't known; returns the time by the store's clock. A row
    /// that Kafka clients have moved is this replica's from then on, unless others read.
    async fn read(&mut self, store: &dyn Store, tenant: &TenantId) -> Result<Time, Kept> {
        for _ in 0..TRIES_MAX {
            let now = self.look(store, tenant).await?;
            let known = &self.known[tenant];
            let row = known.row.as_ref().map(|found| &found.subscription);
            let other = row.filter(|it| it.parts.is_some() && known.own != Some(it.generation));
            let other = other.filter(|it| self.may_read(it, now));
            let Some(mut next) = other.cloned() else { return Ok(now) };
            next.generation += 1;
            let generation = next.generation;
            if self.write(store, tenant, Some(next), None).await? {
                self.ensure_held(store).await?;
                self.note_own(tenant, Some(generation));
            }
        }
        Err(changed_by_others())
    }

    /// Reads the row of a tenant, if it isn't known; returns the time by the store's clock.
    async fn look(&mut self, store: &dyn Store, tenant: &TenantId) -> Result<Time, Kept> {
        if self.known.get(tenant).is_none_or(|known| known.is_stale) {
            let named = [(tenant.clone(), self.group.clone())];
            let row = store.find_subscriptions(&named).await?.pop();
            self.note(tenant.clone(), row, Instant::now());
        }
        let known = &self.known[tenant];
        let passed = i64::try_from(known.read.elapsed().as_millis()).unwrap_or(i64::MAX);
        Ok(known.row.as_ref().map_or(Time::ZERO, |found| found.now.after(passed)))
    }

    /// Returns whether nobody reads but the group's own Kafka clients.
    fn may_read(&self, subscription: &Subscription, now: Time) -> bool {
        subscription.holder(now).is_none_or(|lease| lease.reader == self.reader())
    }

    /// Looks whether this replica still has the group, which it lets go if not.
    async fn ensure_held(&self, store: &dyn Store) -> Result<(), Kept> {
        let found = store.find_kafka_group_holder(&self.scope, &self.group).await?;
        let is_held = found.map_or(!self.is_saved, |holder| holder == self.holder);
        if is_held && !self.gone.is_cancelled() {
            return Ok(());
        }
        self.gone.cancel();
        Err(Kept::Elsewhere)
    }

    /// Notes that the row of a tenant is this replica's in a generation.
    fn note_own(&mut self, tenant: &TenantId, generation: Option<u64>) {
        if let Some(known) = self.known.get_mut(tenant) {
            known.own = generation;
        }
    }
}

/// Returns the error of a row that was changed between each reading and writing of it.
fn changed_by_others() -> Kept {
    Kept::Store(Error::Unavailable("others change the subscription all the time".to_owned()))
}

/// Returns the topics of a tenant that a subscription matches, with their numbers of partitions.
fn matched(subscription: &Subscription, tenant: &TenantId, topics: &Seen) -> Vec<(Topic, usize)> {
    let its = topics.of_log(tenant).filter(|it| subscription.form.filter.has_topic(&it.topic));
    its.map(|it| (it.topic.clone(), usize::from(it.partitions))).collect()
}
