//! Spans around the calls of the port's `Listening`.

use std::time::Duration;

use async_trait::async_trait;
use tracing::instrument;

use super::Spans;
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{Error, KafkaGroup, KafkaListener, ListedKafkaGroup, Listening, Store};

#[async_trait]
impl<S: Store> Listening for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(topics = topics.len()))]
    async fn fix_partitions(&self, topics: &[(TenantId, Topic, u16)]) -> Result<Vec<u16>, Error> {
        timed!(self.fix_partitions(topics))
    }

    #[instrument(level = "debug", skip_all, fields(%scope, %group))]
    async fn find_kafka_group(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<KafkaGroup>, Error> {
        timed!(self.find_kafka_group(scope, group))
    }

    #[instrument(level = "debug", skip_all, fields(%scope, %group))]
    async fn find_kafka_group_holder(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<String>, Error> {
        timed!(self.find_kafka_group_holder(scope, group))
    }

    #[instrument(level = "debug", skip_all, fields(%scope))]
    async fn list_kafka_groups(&self, scope: &str) -> Result<Vec<ListedKafkaGroup>, Error> {
        timed!(self.list_kafka_groups(scope))
    }

    #[instrument(level = "debug", skip_all, fields(%scope))]
    async fn count_kafka_groups(&self, scope: &str) -> Result<u64, Error> {
        timed!(self.count_kafka_groups(scope))
    }

    #[instrument(level = "debug", skip_all, fields(scope = group.scope, group = %group.group))]
    async fn write_kafka_group(&self, group: &KafkaGroup) -> Result<bool, Error> {
        timed!(self.write_kafka_group(group))
    }

    #[instrument(level = "debug", skip_all, fields(%scope, %group))]
    async fn remove_kafka_group(
        &self,
        scope: &str,
        group: &Group,
        version: u64,
    ) -> Result<bool, Error> {
        timed!(self.remove_kafka_group(scope, group, version))
    }

    #[instrument(level = "debug", skip_all, fields(node = listener.node))]
    async fn announce_listener(
        &self,
        listener: &KafkaListener,
        ttl: Duration,
    ) -> Result<bool, Error> {
        timed!(self.announce_listener(listener, ttl))
    }

    #[instrument(level = "debug", skip_all, fields(node = listener.node))]
    async fn withdraw_listener(&self, listener: &KafkaListener) -> Result<(), Error> {
        timed!(self.withdraw_listener(listener))
    }

    #[instrument(level = "debug", skip_all)]
    async fn list_listeners(&self) -> Result<Vec<KafkaListener>, Error> {
        timed!(self.list_listeners())
    }
}
