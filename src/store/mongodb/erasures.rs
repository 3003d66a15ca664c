//! The port's `Erasures` on MongoDB: the last step empties events and appends in one snapshot, so
//! that one of it and another append loses.

use ::mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use async_trait::async_trait;
use futures_util::TryStreamExt;

use super::append::{Append, HeadVersion};
use super::collections::{BY_KEY, Collections, along};
use super::error::{reading, writing};
use super::trail::{ActOnRow, Change, column_of};
use super::transaction::{self, Transaction, TransactionBody};
use super::{Mongodb, bulk, rows};
use crate::domain::erasure::{Erasure, ErasureId};
use crate::domain::known_topic::KnownTopic;
use crate::domain::position::Position;
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::trail::TrailEntry;
use crate::domain::wire_form::WireForm;
use crate::store::append::head_cache::HeadCache;
use crate::store::columns::Columns;
use crate::store::erasures::{erasure, folded, known, last_appended, noted, topics_as_column};
use crate::store::error::TransactionError;
use crate::store::{Batch, ErasureStep, Erasures, Error, NotedTopic};

#[async_trait]
impl Erasures for Mongodb {
    async fn note_topics(
        &self,
        tenant: &TenantId,
        topics: &[(Subject, Topic)],
    ) -> Result<(), Error> {
        let its = doc! { "_id.tenant": tenant.as_str() };
        let mut session = self.session().await?;
        let found = bulk::find(&self.collections.subject_topics, its, &mut session);
        let known = reading(found).await?;
        let known = known.iter().map(|row| {
            Ok((row.noun("subject", |it| Ok::<_, Error>(Subject::from_column(it)))?, row.topic()?))
        });
        let known = known.collect::<Result<Vec<_>, Error>>()?;
        for (subject, topic) in topics.iter().filter(|noted| !known.contains(noted)) {
            let row = doc! { "_id": of_topic(tenant, subject, topic) };
            let noted = doc! { "$setOnInsert": { "noted": true } };
            let note = self.collections.subject_topics.update_one(row, noted);
            writing(note.upsert(true)).await?;
        }
        Ok(())
    }

    async fn topics_of(&self, tenant: &TenantId, subject: &Subject) -> Result<Vec<Topic>, Error> {
        let its = doc! { "_id.tenant": tenant.as_str(), "_id.subject": subject.as_str() };
        self.topics_noted(its).await
    }

    async fn all_topics_of(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
        self.topics_noted(doc! { "_id.tenant": tenant.as_str() }).await
    }

    async fn noted_topics(
        &self,
        after: Option<&NotedTopic>,
        max: usize,
    ) -> Result<Vec<NotedTopic>, Error> {
        let later = |it: &NotedTopic| {
            doc! { "_id": { "$gt": of_topic(&it.tenant, &it.subject, &it.topic) } }
        };
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let found = async {
            let found = self.collections.subject_topics.find(after.map(later).unwrap_or_default());
            found.sort(doc! { "_id": 1 }).limit(max).await?.try_collect::<Vec<_>>().await
        };
        reading(found).await?.iter().map(|row| noted(&**row)).collect()
    }

    async fn known_topics(
        &self,
        tenant: &TenantId,
        topics: &[Topic],
    ) -> Result<Vec<KnownTopic>, Error> {
        let Collections { tenants, purges, subject_topics, replays, .. } = &self.collections;
        let session = &mut self.snapshot().await?;
        let id = doc! { "$project": { "_id": 1 } };
        let under_way = doc! { "$match": { "ended_ms": Bson::Null } };
        let mut logs = bulk::aggregate(tenants.aggregate(vec![id.clone()]), session).await?;
        logs.extend(bulk::aggregate(purges.aggregate(vec![under_way, id]), session).await?);
        let logs = logs.iter().map(|row| Ok(row.tenant()?.to_string()));
        let logs = logs.collect::<Result<Vec<_>, Error>>()?;
        let names = folded(topics);
        let of_them = |name: &str| {
            let name = doc! { "$replaceAll": { "input": name, "find": ".", "replacement": "_" } };
            let is_same = doc! { "$in": [name, names.clone()] };
            doc! { "$match": { "_id.tenant": { "$in": logs.clone() }, "$expr": is_same } }
        };
        let is_other = doc! { "$ne": ["$_id.tenant", tenant.as_str()] };
        let other = doc! { "$cond": [is_other, "$_id.tenant", Bson::Null] };
        let noted = vec![
            of_them("$_id.topic"),
            doc! { "$group": { "_id": "$_id.topic", "other": { "$min": other } } },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$project": {
                "topic": "$_id", "tenant": { "$ifNull": ["$other", tenant.as_str()] },
            } },
        ];
        let targets = vec![
            of_them("$target"),
            doc! { "$sort": { "_id.number": -1 } },
            doc! { "$group": {
                "_id": { "topic": "$target", "tenant": "$_id.tenant" },
                "replay": { "$first": "$id" },
            } },
            doc! { "$sort": { "_id": 1 } },
        ];
        let mut found = bulk::aggregate(subject_topics.aggregate(noted), session).await?;
        found.extend(bulk::aggregate(replays.aggregate(targets), session).await?);
        found.iter().map(|row| known(&**row)).collect()
    }

    async fn add_erasure(&self, erasure: &Erasure, by: Option<&TrailEntry>) -> Result<bool, Error> {
        let its = doc! { "_id": id(&erasure.tenant, erasure.id) };
        let record = doc! {
            "_id.tenant": erasure.tenant.as_str(),
            "subject": erasure.subject.as_str(),
            "key": erasure.key.as_str(),
            "empties": true,
        };
        let row = doc! {
            "subject": erasure.subject.as_str(),
            "key": erasure.key.as_str(),
            "reason": erasure.reason.as_str(),
            "topics": topics_as_column(&erasure.topics),
            "submitted_ms": erasure.submitted.as_ms(),
            "events": 0_i64,
            "erased_to": 0_i64,
            "open": true,
            "empties": true,
        };
        let (collections, change) = (&self.collections, Change::Insert(&erasure.tenant, row));
        let rows = &collections.erasures;
        ActOnRow { collections, rows, its, change, unless: Some(record), by }.commit().await
    }

    async fn erasures(&self, tenant: &TenantId) -> Result<Vec<Erasure>, Error> {
        let ours = doc! { "_id.tenant": tenant.as_str() };
        self.erasures_found(ours, doc! { "submitted_ms": -1, "_id.id": 1 }).await
    }

    async fn find_erasure(
        &self,
        tenant: &TenantId,
        erasure_id: ErasureId,
    ) -> Result<Option<Erasure>, Error> {
        let its = doc! { "_id": id(tenant, erasure_id) };
        let found = reading(self.collections.erasures.find_one(its)).await?;
        found.map(|row| erasure(&*row)).transpose()
    }

    async fn open_erasures(&self) -> Result<Vec<Erasure>, Error> {
        let order = doc! { "_id.tenant": 1, "submitted_ms": 1, "_id.id": 1 };
        self.erasures_found(doc! { "open": true }, order).await
    }

    async fn erase(&self, step: &ErasureStep) -> Result<u64, Error> {
        let nothing = HeadCache::new();
        let erase = Erase { collections: &self.collections, nothing: &nothing, step };
        transaction::commit(&self.collections.open_transactions, &erase).await
    }

    async fn complete_erasure(
        &self,
        tenant: &TenantId,
        erasure_id: ErasureId,
        at: Time,
    ) -> Result<bool, Error> {
        let its = doc! {
            "_id": id(tenant, erasure_id), "open": true, "last": { "$exists": true },
        };
        let complete = doc! {
            "$set": { "completed_ms": at.as_ms() },
            "$unset": { "open": true },
        };
        let complete = self.collections.erasures.update_one(its, complete);
        Ok(writing(complete).await?.modified_count == 1)
    }

    async fn drop_erasures(&self, before: Time, max: usize) -> Result<u64, Error> {
        let erasures = &self.collections.erasures;
        let old = async {
            let old = erasures.find(doc! { "completed_ms": { "$lt": before.as_ms() } });
            let old = old.sort(doc! { "completed_ms": 1 }).limit(column_of(max));
            old.projection(doc! { "_id": 1 }).await?.try_collect::<Vec<_>>().await
        };
        let id = |row: &RawDocumentBuf| {
            Ok(doc! { "tenant": row.text("tenant")?, "id": row.text("id")? })
        };
        let ids = reading(old).await?.iter().map(id).collect::<Result<Vec<_>, Error>>()?;
        let dropped = erasures.delete_many(doc! { "_id": { "$in": ids } });
        Ok(writing(dropped).await?.deleted_count)
    }
}

impl Mongodb {
    /// Returns the topics of these notes, each once, in order.
    async fn topics_noted(&self, its: Document) -> Result<Vec<Topic>, Error> {
        let mut session = self.session().await?;
        let found = bulk::find(&self.collections.subject_topics, its, &mut session);
        let found = reading(found).await?;
        let mut topics = found.iter().map(|row| row.topic()).collect::<Result<Vec<_>, Error>>()?;
        topics.sort_unstable();
        topics.dedup();
        Ok(topics)
    }

    async fn erasures_found(&self, ours: Document, order: Document) -> Result<Vec<Erasure>, Error> {
        let found = async {
            let found = self.collections.erasures.find(ours).sort(order).await?;
            found.try_collect::<Vec<_>>().await
        };
        reading(found).await?.iter().map(|row| erasure(&**row)).collect()
    }
}

struct Erase<'a> {
    collections: &'a Collections,
    /// A cache without heads: they are read in the transaction.
    nothing: &'a HeadCache<HeadVersion>,
    step: &'a ErasureStep,
}

#[async_trait]
impl TransactionBody for Erase<'_> {
    type Done = u64;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<u64, TransactionError> {
        let Self { collections, nothing, step } = self;
        let Erasure { tenant, id: erasure_id, .. } = &step.erasure;
        let row = doc! { "_id": id(tenant, *erasure_id) };
        let found = bulk::find(&collections.erasures, row.clone(), transaction.into()).await?;
        let now = found.first().map(|row| erasure(&**row)).transpose()?;
        let now = now.map(|now| now.progress).filter(|progress| progress.last.is_none());
        let Some(now) = now else { return Ok(0) };
        let positions = self.positions(now.erased_to, transaction).await?;
        if !positions.is_empty() {
            let places: Vec<_> =
                positions.iter().map(|position| rows::place(tenant, *position)).collect();
            let empty = vec![doc! { "$set": {
                "payload": rows::binary(WireForm::TOMBSTONE),
                "headers": "[]",
                "erased_ms": { "$toLong": "$$NOW" },
            } }];
            let empty = collections.events.update_many(doc! { "_id": { "$in": places } }, empty);
            empty.session(&mut *transaction).await?;
        }
        let mut progress = doc! {
            "$inc": { "events": positions.len() as i64 },
            "$max": { "erased_to": positions.last().copied().unwrap_or_default().as_column() },
        };
        if positions.len() < step.events_max {
            let batch = Batch { tenant: tenant.clone(), drafts: step.erased.clone() };
            let append = Append::own(collections, nothing, &batch);
            let outcomes = append.run(transaction).await?.commit(nothing);
            let last = last_appended(step, &outcomes)?;
            progress.insert("$set", doc! { "last": last.as_column() });
            progress.insert("$unset", doc! { "empties": true });
        }
        let move_on = collections.erasures.update_one(row, progress);
        move_on.session(&mut *transaction).await?;
        Ok(positions.len() as u64)
    }
}

impl Erase<'_> {
    /// Returns the first positions of the record after another that have content.
    async fn positions(
        &self,
        after: Position,
        transaction: &mut Transaction<'_>,
    ) -> Result<Vec<Position>, TransactionError> {
        let ErasureStep { erasure, events_max, .. } = self.step;
        let topics: Vec<_> = erasure.topics.iter().map(Topic::as_str).collect();
        let first = vec![
            doc! { "$match": {
                "_id.tenant": erasure.tenant.as_str(),
                "key": erasure.key.as_str(),
                "_id.position": { "$gt": after.as_column() },
                "topic": { "$in": topics },
                "erased_ms": { "$exists": false },
                "type": { "$ne": "ERASED" },
            } },
            doc! { "$sort": { "_id.tenant": 1, "key": 1, "_id.position": 1 } },
            doc! { "$limit": i64::try_from(*events_max).unwrap_or(i64::MAX) },
            doc! { "$project": { "_id": 1 } },
        ];
        let first = self.collections.events.aggregate(first).hint(along(BY_KEY));
        let found = bulk::join(first, transaction).await?;
        Ok(found.iter().map(|row| row.position()).collect::<Result<_, Error>>()?)
    }
}

/// Returns the id of an erasure's row.
fn of_topic(tenant: &TenantId, subject: &Subject, topic: &Topic) -> Document {
    doc! { "tenant": tenant.as_str(), "subject": subject.as_str(), "topic": topic.as_str() }
}

fn id(tenant: &TenantId, id: ErasureId) -> Document {
    doc! { "tenant": tenant.as_str(), "id": id.to_string() }
}
