//! The port's `Removal` on MongoDB.
//!
//! `follow::removal` calls it with a few events at a time. A removal writes its tenant's row, so
//! that of a removal and a rotation of the log's id one loses; appends don't write that row.

use std::collections::{BTreeMap, HashMap};

use ::mongodb::bson::{Bson, Document, RawDocumentBuf, doc, rawdoc};
use async_trait::async_trait;

use super::collections::{BY_KEY, BY_TOPIC, Collections, along};
use super::cursors::id;
use super::error::{reading, writing};
use super::transaction::{self, Transaction, TransactionBody};
use super::{Mongodb, bulk, rows, trail};
use crate::domain::cursor::Cursor;
use crate::domain::floors::Floors;
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::removal::RemovedId;
use crate::store::{Error, LogEntry, Removal, RemovalStep, Stand, TopicRange, Weight};

#[async_trait]
impl Removal for Mongodb {
    async fn floors(&self, tenant: &TenantId) -> Result<Floors, Error> {
        let mut session = self.session().await?;
        let its = doc! { "_id.tenant": tenant.as_str() };
        let found = reading(bulk::find(&self.collections.floors, its, &mut session)).await?;
        let floors: Result<Vec<_>, _> = found.iter().map(|row| row.floor()).collect();
        floors.map(Floors::new)
    }

    async fn know_sink(&self, follower: &Follower) -> Result<(), Error> {
        let its = doc! { "_id": { "follower": follower.as_str() } };
        let nothing_more = doc! { "$setOnInsert": {} };
        let know = self.collections.sinks.update_one(its, nothing_more).upsert(true);
        writing(know).await.map(drop)
    }

    async fn stands(&self, tenant: &TenantId) -> Result<Vec<Stand>, Error> {
        let mut session = self.session().await?;
        let Collections { sinks, cursors, .. } = &self.collections;
        let known = reading(bulk::find(sinks, doc! {}, &mut session)).await?;
        let its = doc! { "_id.tenant": tenant.as_str() };
        stands(&known, &reading(bulk::find(cursors, its, &mut session)).await?)
    }

    async fn entries(&self, range: &TopicRange, max: usize) -> Result<Vec<LogEntry>, Error> {
        let mut ours = of_topic(range);
        ours.insert("_id.position", within(range));
        self.list(ours, BY_TOPIC, doc! { "_id.position": 1 }, max).await
    }

    async fn newest_of_keys(
        &self,
        range: &TopicRange,
        keys: &[Key],
        each_max: usize,
    ) -> Result<Vec<LogEntry>, Error> {
        let mut newest = Vec::new();
        for key in keys {
            let mut ours = of_topic(range);
            ours.insert("key", key.as_str());
            ours.insert("_id.position", within(range));
            let order = doc! { "_id.tenant": -1, "key": -1, "_id.position": -1 };
            newest.extend(self.list(ours, BY_KEY, order, each_max).await?);
        }
        Ok(newest)
    }

    async fn weigh(&self, range: &TopicRange, earlier_than: Time) -> Result<Weight, Error> {
        let mut ours = of_topic(range);
        ours.insert("_id.position", within(range));
        ours.insert("time_ms", doc! { "$lt": earlier_than.as_ms() });
        let bytes = doc! { "$sum": { "$toLong": { "$binarySize": "$payload" } } };
        let weigh = vec![
            doc! { "$match": ours },
            doc! { "$group": { "_id": null, "events": { "$sum": 1_i64 }, "bytes": bytes } },
        ];
        let weigh = self.collections.events.aggregate(weigh).hint(along(BY_TOPIC));
        let found = bulk::aggregate(weigh, &mut self.snapshot().await?).await?;
        found.first().map_or(Ok(Weight::default()), |row| row.weight())
    }

    async fn remove(&self, step: &RemovalStep) -> Result<Option<u64>, Error> {
        let remove = Remove { collections: &self.collections, step };
        transaction::commit(&self.collections.open_transactions, &remove).await
    }

    async fn forget_ids(&self, tenant: &TenantId, before: Time, max: usize) -> Result<u64, Error> {
        let forget = Forget { collections: &self.collections, tenant, before, max };
        transaction::commit(&self.collections.open_transactions, &forget).await
    }

    async fn forget_follower(
        &self,
        follower: &Follower,
        of: Option<&TenantId>,
        by: Option<&TrailEntry>,
    ) -> Result<Option<u64>, Error> {
        let forget = ForgetFollower { collections: &self.collections, follower, of, by };
        transaction::commit(&self.collections.open_transactions, &forget).await
    }
}

impl Mongodb {
    /// Returns the first events that a filter finds along an index in an order, without their
    /// content.
    async fn list(
        &self,
        filter: Document,
        index: &str,
        order: Document,
        max: usize,
    ) -> Result<Vec<LogEntry>, Error> {
        let mut session = self.session().await?;
        let fields = doc! { "key": 1, "type": 1, "time_ms": 1 };
        let find = self.collections.events.find(filter).sort(order).projection(fields);
        let find = find.limit(i64::try_from(max).unwrap_or(i64::MAX)).hint(along(index));
        let mut found = reading(find.session(&mut session).into_future()).await?;
        let mut entries = Vec::new();
        while reading(found.advance(&mut session)).await? {
            entries.push(found.current().entry()?);
        }
        Ok(entries)
    }
}

/// Joins the rows of the sinks that are known with those of the checkpoints in one log.
pub(super) fn stands(
    known: &[RawDocumentBuf],
    cursors: &[RawDocumentBuf],
) -> Result<Vec<Stand>, Error> {
    let mut stands: BTreeMap<Follower, Option<Cursor>> = BTreeMap::new();
    for row in known {
        stands.insert(row.follower()?, None);
    }
    for row in cursors {
        stands.insert(row.follower()?, Some(row.cursor()?));
    }
    Ok(stands.into_iter().collect())
}

struct Remove<'a> {
    collections: &'a Collections,
    step: &'a RemovalStep,
}

#[async_trait]
impl TransactionBody for Remove<'_> {
    type Done = Option<u64>;

    async fn run(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Option<u64>, TransactionError> {
        let Collections { events, idempotency, removed_ids, floors, .. } = self.collections;
        let RemovalStep { tenant, topic, positions, .. } = self.step;
        if !self.finds_log(transaction).await? {
            return Ok(None);
        }
        let places: Vec<_> =
            positions.iter().map(|position| rows::place(tenant, *position)).collect();
        let ours = doc! { "_id": { "$in": places }, "topic": topic.as_str() };
        let found = bulk::find(events, ours.clone(), transaction.into()).await?;
        let ids = found.iter().map(|row| Ok((row.position()?, (row.event_id()?, row.time()?))));
        let ids = ids.collect::<Result<HashMap<Position, RemovedId>, Error>>()?;
        events.delete_many(ours).session(&mut *transaction).await?;
        let is_old = |(_, time): &RemovedId| *time < self.step.forget_before;
        let old = ids.values().filter(|id| is_old(id));
        let old: Vec<_> = old.map(|(id, _)| id_of(tenant, rows::uuid(*id).into())).collect();
        if !old.is_empty() {
            let old = doc! { "_id": { "$in": old } };
            idempotency.delete_many(old).session(&mut *transaction).await?;
        }
        let young = ids.iter().filter(|(_, id)| !is_old(id)).map(|(position, (event_id, time))| {
            rawdoc! {
                "_id": { "tenant": tenant.as_str(), "position": position.as_column() },
                "event_id": rows::uuid(*event_id),
                "time_ms": time.as_ms(),
            }
        });
        let young: Vec<_> = young.collect();
        if !young.is_empty() {
            removed_ids.insert_many(young).session(&mut *transaction).await?;
        }
        let row = doc! { "_id": { "tenant": tenant.as_str(), "topic": topic.as_str() } };
        let raise = doc! { "$max": {
            "floor": self.step.floor().as_column(),
            "compacted_to": self.step.compacted_to.as_column(),
        } };
        floors.update_one(row, raise).upsert(true).session(&mut *transaction).await?;
        Ok(Some(ids.len() as u64))
    }
}

impl Remove<'_> {
    /// Returns whether the log has the id that it had when the step was made, no sink stands
    /// further back, and the step's last event stands there, unless it was removed.
    async fn finds_log(&self, transaction: &mut Transaction<'_>) -> Result<bool, TransactionError> {
        let Collections { tenants, heads, cursors, events, .. } = self.collections;
        let RemovalStep { tenant, log_id, .. } = self.step;
        let its = doc! { "_id": tenant.as_str(), "log_id": log_id.to_string() };
        let touch = tenants.update_one(its, doc! { "$inc": { "removals": 1_i64 } });
        if touch.session(&mut *transaction).await?.matched_count == 0 {
            return Ok(false);
        }
        let stands = self.step.stands.iter().map(|(follower, position)| {
            let position = doc! { "$gte": position.as_column() };
            doc! { "_id": id(tenant, follower), "log_id": log_id.to_string(), "position": position }
        });
        let stands: Vec<_> = stands.collect();
        let each = stands.len();
        if each > 0 {
            let found = bulk::find(cursors, doc! { "$or": stands }, transaction.into()).await?;
            if found.len() < each {
                return Ok(false);
            }
        }
        let (last, last_ms) = (self.step.last(), self.step.last_time.as_ms());
        let grown = doc! { "_id": tenant.as_str(), "position": { "$gte": last.as_column() } };
        let other = doc! { "_id": rows::place(tenant, last), "time_ms": { "$ne": last_ms } };
        Ok(!bulk::find(heads, grown, transaction.into()).await?.is_empty()
            && bulk::find(events, other, transaction.into()).await?.is_empty())
    }
}

struct Forget<'a> {
    collections: &'a Collections,
    tenant: &'a TenantId,
    before: Time,
    max: usize,
}

#[async_trait]
impl TransactionBody for Forget<'_> {
    type Done = u64;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<u64, TransactionError> {
        let Collections { idempotency, removed_ids, .. } = self.collections;
        let first = vec![
            doc! { "$match": { "_id": {
                "$gt": rows::place(self.tenant, Position::START),
                "$lt": rows::place(self.tenant, Position::from_column(i64::MAX)),
            } } },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$limit": i64::try_from(self.max).unwrap_or(i64::MAX) },
            doc! { "$match": { "time_ms": { "$lt": self.before.as_ms() } } },
        ];
        let old = bulk::join(removed_ids.aggregate(first), transaction).await?;
        if old.is_empty() {
            return Ok(0);
        }
        let id = |row: &_| Ok(id_of(self.tenant, rows::uuid(Columns::event_id(row)?).into()));
        let ids = old.iter().map(|row| id(&**row)).collect::<Result<Vec<_>, Error>>()?;
        let notes = old.iter().map(|row| Ok(rows::place(self.tenant, row.position()?)));
        let notes = notes.collect::<Result<Vec<_>, Error>>()?;
        let gone = |ids: Vec<Document>| doc! { "_id": { "$in": ids } };
        idempotency.delete_many(gone(ids)).session(&mut *transaction).await?;
        removed_ids.delete_many(gone(notes)).session(&mut *transaction).await?;
        Ok(old.len() as u64)
    }
}

struct ForgetFollower<'a> {
    collections: &'a Collections,
    follower: &'a Follower,
    /// The tenant of the log; `None` stands for all logs.
    of: Option<&'a TenantId>,
    by: Option<&'a TrailEntry>,
}

#[async_trait]
impl TransactionBody for ForgetFollower<'_> {
    type Done = Option<u64>;

    async fn run(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Option<u64>, TransactionError> {
        let Collections { cursors, parked, sinks, purges, .. } = self.collections;
        let mut its = doc! { "_id.follower": self.follower.as_str() };
        if let Some(tenant) = self.of {
            its.insert("_id.tenant", tenant.as_str());
        }
        parked.delete_many(its.clone()).session(&mut *transaction).await?;
        let logs = cursors.delete_many(its).session(&mut *transaction).await?.deleted_count;
        let mut is_known = logs > 0;
        if self.of.is_none() {
            let follower = self.follower.as_str();
            let known = sinks.delete_one(doc! { "_id": { "follower": follower } });
            is_known |= known.session(&mut *transaction).await?.deleted_count > 0;
            let passed = doc! { "passed.follower": follower };
            let forget = doc! { "$pull": { "passed": { "follower": follower } } };
            let passed = purges.update_many(passed, forget).session(&mut *transaction).await?;
            is_known |= passed.modified_count > 0;
        }
        trail::note(self.collections, self.by.filter(|_| is_known), transaction).await?;
        Ok(is_known.then_some(logs))
    }
}

/// Returns the id of the row of an event id.
fn id_of(tenant: &TenantId, event_id: Bson) -> Document {
    doc! { "tenant": tenant.as_str(), "event_id": event_id }
}

/// Returns the filter for the events of a range's topic.
fn of_topic(range: &TopicRange) -> Document {
    doc! { "_id.tenant": range.tenant.as_str(), "topic": range.topic.as_str() }
}

/// Returns the condition that a position is in a range.
fn within(range: &TopicRange) -> Document {
    doc! { "$gt": range.after.as_column(), "$lt": range.before.as_column() }
}
