//! The port's `Listening` on SQLite. One process has the store, so that its listener is alone.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::params;

use super::{Sqlite, rows};
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::columns::Columns;
use crate::store::listening::{holder, kafka_group, listed, partitions};
use crate::store::{Error, KafkaGroup, KafkaListener, ListedKafkaGroup, Listening};

#[async_trait]
impl Listening for Sqlite {
    async fn fix_partitions(&self, topics: &[(TenantId, Topic, u16)]) -> Result<Vec<u16>, Error> {
        let topics = topics.to_vec();
        self.writer
            .write(move |writing| {
                let mut fixed = Vec::with_capacity(topics.len());
                for (tenant, topic, wanted) in &topics {
                    let new = params![tenant.as_str(), topic.as_str(), wanted];
                    rows::change(writing, sql!("sqlite/topic_partition_insert.sql"), new)?;
                    let its = [tenant.as_str(), topic.as_str()];
                    let find = sql!("sqlite/topic_partition_find.sql");
                    let found = rows::find_one(writing, find, its, |row| partitions(row))?;
                    fixed.push(found.unwrap_or(*wanted));
                }
                Ok(fixed)
            })
            .await
    }

    async fn find_kafka_group(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<KafkaGroup>, Error> {
        let named = [scope.to_owned(), group.to_string()];
        self.readers
            .read(move |reading| {
                let find = sql!("sqlite/kafka_group_find.sql");
                rows::find_one(reading, find, named, |row| kafka_group(row))
            })
            .await
    }

    async fn find_kafka_group_holder(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<String>, Error> {
        let named = [scope.to_owned(), group.to_string()];
        self.readers
            .read(move |reading| {
                let find = sql!("sqlite/kafka_group_find_holder.sql");
                rows::find_one(reading, find, named, |row| holder(row))
            })
            .await
    }

    async fn list_kafka_groups(&self, scope: &str) -> Result<Vec<ListedKafkaGroup>, Error> {
        let scope = scope.to_owned();
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/kafka_group_list.sql");
                rows::find(reading, list, [scope], |row| listed(row))
            })
            .await
    }

    async fn count_kafka_groups(&self, scope: &str) -> Result<u64, Error> {
        let scope = scope.to_owned();
        self.readers
            .read(move |reading| {
                let count = sql!("sqlite/kafka_group_count.sql");
                rows::get(reading, count, [scope], |row| row.count("kafka_groups"))
            })
            .await
    }

    async fn write_kafka_group(&self, group: &KafkaGroup) -> Result<bool, Error> {
        let KafkaGroup { scope, group, version, holder, summary, state } = group.clone();
        self.writer
            .write(move |writing| {
                let statement = match version {
                    0 => sql!("sqlite/kafka_group_insert.sql"),
                    _ => sql!("sqlite/kafka_group_update.sql"),
                };
                let version = version.cast_signed();
                let new = params![scope, group.as_str(), version, holder, summary, state];
                Ok(rows::change(writing, statement, new)? == 1)
            })
            .await
    }

    async fn remove_kafka_group(
        &self,
        scope: &str,
        group: &Group,
        version: u64,
    ) -> Result<bool, Error> {
        let (scope, group) = (scope.to_owned(), group.clone());
        self.writer
            .write(move |writing| {
                let its = params![scope, group.as_str(), version.cast_signed()];
                Ok(rows::change(writing, sql!("sqlite/kafka_group_remove.sql"), its)? == 1)
            })
            .await
    }

    async fn announce_listener(&self, _: &KafkaListener, _: Duration) -> Result<bool, Error> {
        Ok(true)
    }

    async fn withdraw_listener(&self, _: &KafkaListener) -> Result<(), Error> {
        Ok(())
    }

    async fn list_listeners(&self) -> Result<Vec<KafkaListener>, Error> {
        Ok(Vec::new())
    }
}
