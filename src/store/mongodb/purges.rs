//! The port's `Purges` on MongoDB.
//!
//! `follow::purge` calls it. Each step writes the purge's row, so that of two replicas one loses.
//! The head goes with the purge's beginning, since reads and appends find a log by its head; its
//! number stands in the purge's row until the tenant comes back.

use ::mongodb::bson::{Bson, Document, RawDocument, doc};
use async_trait::async_trait;

use super::collections::Collections;
use super::error::{reading, writing};
use super::rows::Rows;
use super::transaction::{self, Transaction, TransactionBody};
use super::{Mongodb, bulk, cursors, parking, removal, rows, trail};
use crate::domain::follower::Follower;
use crate::domain::incarnation::Incarnations;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::purges::Unpublished;
use crate::store::tenants::ComesBack;
use crate::store::{Error, Lease, LeaseCheck, Purge, PurgeStart, Purges, TenantLog};

/// The state of a purged tenant's parked scopes, which no lane has any more.
const PURGED: &str = "purged";
const NO_LANE: i32 = -1;

#[async_trait]
impl Purges for Mongodb {
    async fn begin_purge(
        &self,
        tenant: &TenantId,
        at: Time,
        published_by: Option<&[Follower]>,
        by: Option<&TrailEntry>,
    ) -> Result<PurgeStart, Error> {
        let begin = Begin { collections: &self.collections, tenant, at, published_by, by };
        transaction::commit(&self.collections.open_transactions, &begin).await
    }

    async fn purges(&self) -> Result<Vec<Purge>, Error> {
        let mut session = self.session().await?;
        let under_way = doc! { "ended_ms": Bson::Null };
        let found = reading(bulk::find(&self.collections.purges, under_way, &mut session)).await?;
        let mut purges = found.iter().map(|row| purge(row)).collect::<Result<Vec<_>, _>>()?;
        purges
            .sort_by(|one, other| (one.started, &one.tenant).cmp(&(other.started, &other.tenant)));
        Ok(purges)
    }

    async fn was_purged(&self, tenant: &TenantId) -> Result<bool, Error> {
        let found = self.collections.purges.find_one(doc! { "_id": tenant.as_str() });
        Ok(reading(found.session(&mut self.session().await?)).await?.is_some())
    }

    async fn pass_purge(
        &self,
        lease: &Lease,
        follower: &Follower,
        purge: &Purge,
    ) -> Result<LeaseCheck, Error> {
        let pass = Pass { collections: &self.collections, lease, follower, purge };
        transaction::commit(&self.collections.open_transactions, &pass).await
    }

    async fn note_removed(&self, follower: &Follower, purge: &Purge) -> Result<(), Error> {
        let mut its = under_way(purge);
        its.insert("passed.follower", follower.as_str());
        let note = doc! { "$addToSet": { "removed": { "follower": follower.as_str() } } };
        writing(self.collections.purges.update_one(its, note)).await.map(drop)
    }

    async fn purge_step(&self, purge: &Purge, max: usize) -> Result<bool, Error> {
        let step = Step { collections: &self.collections, purge, max };
        transaction::commit(&self.collections.open_transactions, &step).await
    }

    async fn end_purge(&self, purge: &Purge, at: Time) -> Result<bool, Error> {
        let end = End { collections: &self.collections, purge, at };
        transaction::commit(&self.collections.open_transactions, &end).await
    }
}

struct Begin<'a> {
    collections: &'a Collections,
    tenant: &'a TenantId,
    at: Time,
    published_by: Option<&'a [Follower]>,
    by: Option<&'a TrailEntry>,
}

#[async_trait]
impl TransactionBody for Begin<'_> {
    type Done = PurgeStart;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<PurgeStart, TransactionError> {
        let Collections { tenants, heads, lanes, purges, parked, .. } = self.collections;
        let its = doc! { "_id": self.tenant.as_str() };
        let head = heads.find_one_and_delete(its.clone()).session(&mut *transaction).await?;
        let Some(head) = head else {
            if self.published_by.is_none() && self.takes_all(transaction).await? {
                trail::note(self.collections, self.by, transaction).await?;
                return Ok(PurgeStart::Widened);
            }
            return Ok(PurgeStart::NoLog);
        };
        let log = head.tenant_log(head.position()?)?;
        if let Some(followers) = self.published_by {
            let loses = unpublished(self.collections, &log, followers, transaction).await?;
            if !loses.is_nothing() {
                // The head comes back as it was, in the same transaction.
                heads.insert_one(head).session(&mut *transaction).await?;
                return Ok(PurgeStart::Loses(loses));
            }
        }
        tenants.delete_one(its).session(&mut *transaction).await?;
        let lane = i32::from(log.lane.number());
        let fewer = doc! { "$inc": { "tenants": -1_i64 } };
        lanes.update_one(doc! { "_id": lane }, fewer).session(&mut *transaction).await?;
        let given_up = doc! { "$set": { "state": PURGED, "lane": NO_LANE } };
        parked.update_many(of_tenant(self.tenant), given_up).session(&mut *transaction).await?;
        let row = doc! { "$set": {
            "log_id": log.log_id.to_string(),
            "lane": lane,
            "started_ms": self.at.as_ms(),
            "position": log.head.as_column(),
            "time_ms": head.time()?.as_ms(),
            "passed": [],
            "removed": [],
            "steps": 0_i64,
            "takes_all": 0_i64,
            "ended_ms": Bson::Null,
        } };
        let purge = purges.update_one(doc! { "_id": self.tenant.as_str() }, row).upsert(true);
        purge.session(&mut *transaction).await?;
        trail::note(self.collections, self.by, transaction).await?;
        Ok(PurgeStart::Begun)
    }
}

impl Begin<'_> {
    /// Lets a purge that is under way also remove what the sinks have of another log. Returns
    /// whether it did not before.
    async fn takes_all(&self, transaction: &mut Transaction<'_>) -> Result<bool, TransactionError> {
        let its = doc! { "_id": self.tenant.as_str(), "ended_ms": Bson::Null, "takes_all": 0_i64 };
        let take_all = doc! { "$set": { "takes_all": 1_i64 } };
        let purges = &self.collections.purges;
        let changed = purges.update_one(its, take_all).session(transaction).await?;
        Ok(changed.modified_count > 0)
    }
}

struct Pass<'a> {
    collections: &'a Collections,
    lease: &'a Lease,
    follower: &'a Follower,
    purge: &'a Purge,
}

#[async_trait]
impl TransactionBody for Pass<'_> {
    type Done = LeaseCheck;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<LeaseCheck, TransactionError> {
        let Self { collections, lease, follower, purge } = self;
        if parking::is_lost(collections, lease, transaction).await? {
            return Ok(LeaseCheck::Lost);
        }
        let passed = doc! { "$addToSet": { "passed": { "follower": follower.as_str() } } };
        if change(collections, purge, passed, transaction).await? {
            let row = doc! { "_id": cursors::id(&purge.tenant, follower) };
            collections.cursors.delete_one(row).session(transaction).await?;
        }
        Ok(LeaseCheck::Held)
    }
}

struct Step<'a> {
    collections: &'a Collections,
    purge: &'a Purge,
    max: usize,
}

#[async_trait]
impl TransactionBody for Step<'_> {
    type Done = bool;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, TransactionError> {
        let Self { collections, purge, max } = self;
        let count = doc! { "$inc": { "steps": 1_i64 } };
        if !change(collections, purge, count, transaction).await? {
            return Ok(false);
        }
        for (rows, its) in in_steps(collections, &purge.tenant) {
            let find = rows.find(its);
            let find = find.limit(i64::try_from(*max).unwrap_or(i64::MAX));
            let mut found = find.projection(doc! { "_id": 1 }).session(&mut *transaction).await?;
            let mut ids = Vec::new();
            while found.advance((&mut *transaction).into()).await? {
                let id = found
                    .current()
                    .get_document("_id")
                    .map_err(|why| Error::Corrupt(format!("collection {}: {why}", rows.name())))?;
                ids.push(Document::try_from(id).map_err(|why| Error::Corrupt(why.to_string()))?);
            }
            if !ids.is_empty() {
                let those = doc! { "_id": { "$in": ids } };
                rows.delete_many(those).session(transaction).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

struct End<'a> {
    collections: &'a Collections,
    purge: &'a Purge,
    at: Time,
}

#[async_trait]
impl TransactionBody for End<'_> {
    type Done = bool;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, TransactionError> {
        let its = under_way(self.purge);
        let found = self.collections.purges.find_one(its).session(&mut *transaction).await?;
        let Some(row) = found else { return Ok(true) };
        let purge = purge(&row)?;
        if purge.passed.iter().any(|follower| !purge.removed.contains(follower)) {
            return Ok(false);
        }
        let ended = doc! { "$set": { "ended_ms": self.at.as_ms() } };
        if change(self.collections, self.purge, ended, transaction).await? {
            remove_all(self.collections, &self.purge.tenant, transaction).await?;
        }
        Ok(true)
    }
}

/// Returns the collections of which rows of a tenant are removed in steps, and which those are.
fn in_steps<'a>(
    collections: &'a Collections,
    tenant: &TenantId,
) -> impl Iterator<Item = (&'a Rows, Document)> {
    let Collections { events, idempotency, removed_ids, parked, .. } = collections;
    let Collections {
        replays, erasures, subscriptions, dead_letters, claims, kafka_groups, ..
    } = collections;
    let of_groups = [subscriptions, dead_letters, claims];
    let all = [events, idempotency, removed_ids, parked, replays, erasures];
    let its = of_tenant(tenant);
    let groups = (kafka_groups, within("scope", tenant));
    all.into_iter().chain(of_groups).map(move |rows| (rows, its.clone())).chain([groups])
}

/// Removes all that is left of a tenant that has no log, but the number of its head.
async fn remove_all(
    collections: &Collections,
    tenant: &TenantId,
    transaction: &mut Transaction<'_>,
) -> Result<(), TransactionError> {
    let Collections { cursors, delete_alls, floors, expansions, .. } = collections;
    let Collections { subject_topics, topic_partitions, incarnations, .. } = collections;
    let topics = [delete_alls, floors, expansions, subject_topics, topic_partitions];
    let rest = [cursors, incarnations].into_iter().chain(topics);
    let rest = rest.map(|rows| (rows, of_tenant(tenant)));
    for (rows, its) in in_steps(collections, tenant).chain(rest) {
        rows.delete_many(its).session(&mut *transaction).await?;
    }
    Ok(())
}

/// Forgets the purge of a tenant that comes back, if it has ended, and returns the position and the
/// time of its head; those of an empty log if it was never purged. `None` if its purge is under
/// way, or it doesn't come back. Removes what was written after the end by whoever had found the
/// tenant before the purge.
pub(super) async fn forget(
    collections: &Collections,
    tenant: &TenantId,
    comes_back: ComesBack,
    transaction: &mut Transaction<'_>,
) -> Result<Option<(Position, Time)>, TransactionError> {
    let its = doc! { "_id": tenant.as_str() };
    let found = collections.purges.find_one(its.clone()).session(&mut *transaction).await?;
    let Some(row) = found else { return Ok(Some((Position::START, Time::ZERO))) };
    if comes_back == ComesBack::No || row.integer_if_any("ended_ms")?.is_none() {
        return Ok(None);
    }
    collections.purges.delete_one(its).session(&mut *transaction).await?;
    remove_all(collections, tenant, transaction).await?;
    Ok(Some((row.position()?, row.time()?)))
}

/// Changes the row of a purge that is under way. Returns whether it is.
async fn change(
    collections: &Collections,
    purge: &Purge,
    change: Document,
    transaction: &mut Transaction<'_>,
) -> Result<bool, TransactionError> {
    let its = under_way(purge);
    let changed = collections.purges.update_one(its, change).session(transaction).await?;
    Ok(changed.matched_count == 1)
}

/// Returns the filter for the row of a purge that is under way.
fn under_way(purge: &Purge) -> Document {
    doc! {
        "_id": purge.tenant.as_str(),
        "log_id": purge.log_id.to_string(),
        "ended_ms": Bson::Null,
    }
}

/// Counts what the sinks have not published of a log.
async fn unpublished(
    collections: &Collections,
    log: &TenantLog,
    followers: &[Follower],
    transaction: &mut Transaction<'_>,
) -> Result<Unpublished, TransactionError> {
    let its = of_tenant(&log.tenant);
    let found = bulk::find(&collections.incarnations, its.clone(), (&mut *transaction).into());
    let mut incarnations = Vec::new();
    for row in &found.await? {
        incarnations.push(row.incarnation()?);
    }
    incarnations.sort_by_key(|it| it.from);
    let Collections { sinks, cursors, .. } = collections;
    let known = bulk::find(sinks, doc! {}, (&mut *transaction).into()).await?;
    let cursors = bulk::find(cursors, its.clone(), (&mut *transaction).into()).await?;
    let stands = removal::stands(&known, &cursors)?;
    let mut expansions = 0;
    for row in bulk::find(&collections.expansions, its.clone(), (&mut *transaction).into()).await? {
        expansions += u64::from(!row.expansion()?.is_complete());
    }
    let mut open = its;
    open.insert("state", doc! { "$in": ["parked", "releasing"] });
    let mut parked = 0;
    for row in bulk::find(&collections.parked, open, transaction.into()).await? {
        parked += row.count("events")?;
    }
    let incarnations = Incarnations::new(incarnations);
    Ok(Unpublished::of(log, &incarnations, (&stands, followers), (expansions, parked)))
}

/// Returns the filter for a tenant's rows.
fn of_tenant(tenant: &TenantId) -> Document {
    within("tenant", tenant)
}

/// Returns the filter for rows whose ids begin with a tenant, under this name. It goes along the
/// ids, which every collection has an index of: a document is less than one that goes on after it.
fn within(name: &str, tenant: &TenantId) -> Document {
    let tenant = tenant.as_str();
    doc! { "_id": { "$gte": { name: tenant }, "$lte": { name: tenant, "last": Bson::MaxKey } } }
}

fn purge(row: &RawDocument) -> Result<Purge, Error> {
    let sinks = |name| -> Result<Vec<_>, Error> {
        rows::documents(row, name)?.iter().map(|row| row.follower()).collect()
    };
    Ok(Purge {
        tenant: row.tenant()?,
        log_id: row.log_id()?,
        lane: row.lane()?,
        started: Time::from_ms(row.integer("started_ms")?),
        passed: sinks("passed")?,
        removed: sinks("removed")?,
        takes_all: row.integer("takes_all")? != 0,
    })
}
