//! The port's `Listening` on PostgreSQL.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::Postgres;
use super::rows::{Statement, count_in};
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::columns::Columns;
use crate::store::listening::{holder, kafka_group, kafka_listener, listed, partitions};
use crate::store::{Error, KafkaGroup, KafkaListener, ListedKafkaGroup, Listening};

#[async_trait]
impl Listening for Postgres {
    async fn fix_partitions(&self, topics: &[(TenantId, Topic, u16)]) -> Result<Vec<u16>, Error> {
        let fix = sqlx::query(sql!("postgres/topic_partition_insert.sql"))
            .bind(topics.iter().map(|(tenant, ..)| tenant.to_string()).collect::<Vec<_>>())
            .bind(topics.iter().map(|(_, topic, _)| topic.to_string()).collect::<Vec<_>>())
            .bind(topics.iter().map(|(.., wanted)| i64::from(*wanted)).collect::<Vec<_>>());
        self.sessions.acquire().await?.write(fix).await?;
        let find = sqlx::query(sql!("postgres/topic_partition_find.sql"))
            .bind(topics.iter().map(|(tenant, ..)| tenant.to_string()).collect::<Vec<_>>())
            .bind(topics.iter().map(|(_, topic, _)| topic.to_string()).collect::<Vec<_>>());
        let found = self.sessions.acquire().await?.find_all(find).await?;
        let number = |row: &PgRow| Ok(((row.tenant()?, row.topic()?), partitions(row)?));
        let fixed = found.iter().map(number).collect::<Result<HashMap<_, _>, Error>>()?;
        let number = |(tenant, topic, wanted): &(TenantId, Topic, u16)| {
            fixed.get(&(tenant.clone(), topic.clone())).copied().unwrap_or(*wanted)
        };
        Ok(topics.iter().map(number).collect())
    }

    async fn find_kafka_group(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<KafkaGroup>, Error> {
        let find = named(sql!("postgres/kafka_group_find.sql"), scope, group);
        let found = self.sessions.acquire().await?.find_one(find).await?;
        found.map(|row| kafka_group(&row)).transpose()
    }

    async fn find_kafka_group_holder(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<String>, Error> {
        let find = named(sql!("postgres/kafka_group_find_holder.sql"), scope, group);
        let found = self.sessions.acquire().await?.find_one(find).await?;
        found.map(|row| holder(&row)).transpose()
    }

    async fn list_kafka_groups(&self, scope: &str) -> Result<Vec<ListedKafkaGroup>, Error> {
        let list = sqlx::query(sql!("postgres/kafka_group_list.sql")).bind(scope.to_owned());
        self.sessions.acquire().await?.find_all(list).await?.iter().map(listed).collect()
    }

    async fn count_kafka_groups(&self, scope: &str) -> Result<u64, Error> {
        let count = sqlx::query(sql!("postgres/kafka_group_count.sql")).bind(scope.to_owned());
        let found = self.sessions.acquire().await?.find_all(count).await?;
        count_in(&found, "kafka_groups").map(i64::unsigned_abs)
    }

    async fn write_kafka_group(&self, group: &KafkaGroup) -> Result<bool, Error> {
        let KafkaGroup { scope, group, version, holder, summary, state } = group;
        let statement = match version {
            0 => sql!("postgres/kafka_group_insert.sql"),
            _ => sql!("postgres/kafka_group_update.sql"),
        };
        let write = named(statement, scope, group)
            .bind(version.cast_signed())
            .bind(holder.clone())
            .bind(summary.clone())
            .bind(state.clone());
        Ok(self.sessions.acquire().await?.write(write).await? == 1)
    }

    async fn remove_kafka_group(
        &self,
        scope: &str,
        group: &Group,
        version: u64,
    ) -> Result<bool, Error> {
        let remove = named(sql!("postgres/kafka_group_remove.sql"), scope, group);
        let remove = remove.bind(version.cast_signed());
        Ok(self.sessions.acquire().await?.write(remove).await? == 1)
    }

    async fn announce_listener(
        &self,
        listener: &KafkaListener,
        ttl: Duration,
    ) -> Result<bool, Error> {
        let announce = numbered(sql!("postgres/listener_announce.sql"), listener)
            .bind(listener.host.clone())
            .bind(i64::from(listener.port))
            .bind(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        Ok(self.sessions.acquire().await?.write(announce).await? == 1)
    }

    async fn withdraw_listener(&self, listener: &KafkaListener) -> Result<(), Error> {
        let withdraw = numbered(sql!("postgres/listener_withdraw.sql"), listener);
        self.sessions.acquire().await?.write(withdraw).await.map(drop)
    }

    async fn list_listeners(&self) -> Result<Vec<KafkaListener>, Error> {
        let list = sqlx::query(sql!("postgres/listener_list.sql"));
        self.sessions.acquire().await?.find_all(list).await?.iter().map(kafka_listener).collect()
    }
}

/// Binds the number and the run of a listener.
fn numbered(sql: &'static str, listener: &KafkaListener) -> Statement {
    sqlx::query(sql).bind(i64::from(listener.node)).bind(listener.instance.clone())
}

fn named(sql: &'static str, scope: &str, group: &Group) -> Statement {
    sqlx::query(sql).bind(scope.to_owned()).bind(group.to_string())
}
