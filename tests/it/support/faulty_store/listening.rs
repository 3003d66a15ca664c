//! The port's `Listening` of a store that fails as a test asks.

use std::time::Duration;

use async_trait::async_trait;
use event_gateway::domain::subscription::Group;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::topic::Topic;
use event_gateway::store::{Error, KafkaGroup, KafkaListener, ListedKafkaGroup, Listening};

use super::{Call, FaultyStore};

#[async_trait]
impl Listening for FaultyStore {
    async fn fix_partitions(&self, topics: &[(TenantId, Topic, u16)]) -> Result<Vec<u16>, Error> {
        self.through(Call::Other, self.inner.fix_partitions(topics)).await
    }

    async fn find_kafka_group(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<KafkaGroup>, Error> {
        self.through(Call::Other, self.inner.find_kafka_group(scope, group)).await
    }

    async fn find_kafka_group_holder(
        &self,
        scope: &str,
        group: &Group,
    ) -> Result<Option<String>, Error> {
        self.through(Call::Other, self.inner.find_kafka_group_holder(scope, group)).await
    }

    async fn list_kafka_groups(&self, scope: &str) -> Result<Vec<ListedKafkaGroup>, Error> {
        self.through(Call::Other, self.inner.list_kafka_groups(scope)).await
    }

    async fn count_kafka_groups(&self, scope: &str) -> Result<u64, Error> {
        self.through(Call::Other, self.inner.count_kafka_groups(scope)).await
    }

    async fn write_kafka_group(&self, group: &KafkaGroup) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.write_kafka_group(group)).await
    }

    async fn remove_kafka_group(
        &self,
        scope: &str,
        group: &Group,
        version: u64,
    ) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.remove_kafka_group(scope, group, version)).await
    }

    async fn announce_listener(
        &self,
        listener: &KafkaListener,
        ttl: Duration,
    ) -> Result<bool, Error> {
        self.through(Call::Other, self.inner.announce_listener(listener, ttl)).await
    }

    async fn withdraw_listener(&self, listener: &KafkaListener) -> Result<(), Error> {
        self.through(Call::Other, self.inner.withdraw_listener(listener)).await
    }

    async fn list_listeners(&self) -> Result<Vec<KafkaListener>, Error> {
        self.through(Call::Other, self.inner.list_listeners()).await
    }
}
