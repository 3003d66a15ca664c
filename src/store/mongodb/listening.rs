//! The port's `Listening` on MongoDB: a few rows, each written by itself.

use std::time::Duration;

use ::mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use async_trait::async_trait;
use futures_util::TryStreamExt;

use super::Mongodb;
use super::error::{is_known, reading, writing};
use super::expiry::{expires, lasts};
use super::rows;
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::listening::{holder, kafka_group, kafka_listener, listed, partitions};
use crate::store::{Error, KafkaGroup, KafkaListener, ListedKafkaGroup, Listening};

#[async_trait]
impl Listening for Mongodb {
    async fn fix_partitions(&self, topics: &[(TenantId, Topic, u16)]) -> Result<Vec<u16>, Error> {
        let mut fixed = Vec::with_capacity(topics.len());
        for (tenant, topic, wanted) in topics {
            fixed.push(self.fix_partitions_of(tenant, topic, *wanted).await?);
        }
        Ok(fixed)
    }

    async fn find_kafka_group(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<KafkaGroup>, Error> {
        let its = doc! { "_id": id(scope, group) };
        let found = reading(self.collections.kafka_groups.find_one(its)).await?;
        found.map(|row| kafka_group(&*row)).transpose()
    }

    async fn find_kafka_group_holder(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<String>, Error> {
        let its = self.collections.kafka_groups.find_one(doc! { "_id": id(scope, group) });
        let found = reading(its.projection(doc! { "holder": 1 })).await?;
        found.map(|row| holder(&*row)).transpose()
    }

    async fn list_kafka_groups(&self, scope: &str) -> Result<Vec<ListedKafkaGroup>, Error> {
        let found = async {
            let all = self.collections.kafka_groups.find(of_scope(scope));
            let all = all.projection(doc! { "state": 0 }).sort(doc! { "_id": 1 });
            all.await?.try_collect::<Vec<_>>().await
        };
        reading(found).await?.iter().map(|row| listed(&**row)).collect()
    }

    async fn count_kafka_groups(&self, scope: &str) -> Result<u64, Error> {
        reading(self.collections.kafka_groups.count_documents(of_scope(scope))).await
    }

    async fn write_kafka_group(&self, group: &KafkaGroup) -> Result<bool, Error> {
        let KafkaGroup { scope, group, version, holder, summary, state } = group;
        let (rows, version) = (&self.collections.kafka_groups, version.cast_signed());
        let found = doc! { "_id": id(scope, group), "version": version };
        let row = doc! { "$set": {
            "version": version + 1,
            "holder": holder.as_str(),
            "summary": summary.as_str(),
            "state": state.as_str(),
        } };
        if version > 0 {
            return Ok(writing(rows.update_one(found, row)).await?.matched_count == 1);
        }
        writing(async {
            // The version is 0 in no row, so that one that exists is not found, and can't be
            // inserted.
            match rows.update_one(found, row).upsert(true).await {
                Err(error) if is_known(&error) => Ok(false),
                inserted => inserted.map(|done| done.upserted_id.is_some()),
            }
        })
        .await
    }

    async fn remove_kafka_group(
        &self,
        scope: &str,
        group: &Group,
        version: u64,
    ) -> Result<bool, Error> {
        let its = doc! { "_id": id(scope, group), "version": version.cast_signed() };
        let removed = writing(self.collections.kafka_groups.delete_one(its)).await?;
        Ok(removed.deleted_count == 1)
    }

    async fn announce_listener(
        &self,
        listener: &KafkaListener,
        ttl: Duration,
    ) -> Result<bool, Error> {
        let KafkaListener { node, instance, host, port } = listener;
        let listeners = &self.collections.listeners;
        let row = vec![doc! { "$set": {
            "instance": { "$literal": instance.as_str() },
            "host": { "$literal": host.as_str() },
            "port": i64::from(*port),
            "expires": expires(ttl),
            "ttl_ms": rows::ms(ttl),
        } }];
        let expired = doc! { "_id": i64::from(*node), "$expr": { "$not": [lasts()] } };
        if writing(listeners.update_one(expired, row.clone())).await?.matched_count == 1 {
            return Ok(true);
        }
        writing(async {
            // Another one's row is not found, and can't be inserted.
            match listeners.update_one(numbered(listener), row).upsert(true).await {
                Err(error) if is_known(&error) => Ok(false),
                announced => announced.map(|_| true),
            }
        })
        .await
    }

    async fn withdraw_listener(&self, listener: &KafkaListener) -> Result<(), Error> {
        writing(self.collections.listeners.delete_one(numbered(listener))).await.map(drop)
    }

    async fn list_listeners(&self) -> Result<Vec<KafkaListener>, Error> {
        let there = vec![doc! { "$match": { "$expr": lasts() } }, doc! { "$sort": { "_id": 1 } }];
        let found = async {
            let there = self.collections.listeners.aggregate(there);
            there.with_type::<RawDocumentBuf>().await?.try_collect::<Vec<_>>().await
        };
        reading(found).await?.iter().map(|row| kafka_listener(&**row)).collect()
    }
}

impl Mongodb {
    async fn fix_partitions_of(
        &self,
        tenant: &TenantId,
        topic: &Topic,
        wanted: u16,
    ) -> Result<u16, Error> {
        let rows = &self.collections.topic_partitions;
        let its = doc! { "_id": { "tenant": tenant.as_str(), "topic": topic.as_str() } };
        if let Some(row) = reading(rows.find_one(its.clone())).await? {
            return partitions(&*row);
        }
        let known = self.collections.tenants.find_one(doc! { "_id": tenant.as_str() });
        if reading(known).await?.is_none() {
            return Ok(wanted);
        }
        let new = doc! { "$setOnInsert": { "partitions": i64::from(wanted) } };
        writing(async {
            match rows.update_one(its.clone(), new).upsert(true).await {
                Err(error) if is_known(&error) => Ok(()),
                written => written.map(drop),
            }
        })
        .await?;
        let row = reading(rows.find_one(its)).await?;
        row.map_or(Ok(wanted), |row| partitions(&*row))
    }
}

/// Returns the filter for the row of a listener, if it still has its number.
fn numbered(listener: &KafkaListener) -> Document {
    doc! { "_id": i64::from(listener.node), "instance": listener.instance.as_str() }
}

/// Returns the filter for the rows of a scope, which goes along their ids.
fn of_scope(scope: &str) -> Document {
    let (first, last) = (doc! { "scope": scope }, doc! { "scope": scope, "last": Bson::MaxKey });
    doc! { "_id": { "$gte": first, "$lte": last } }
}

fn id(scope: &str, group: &Group) -> Document {
    doc! { "scope": scope, "name": group.as_str() }
}
