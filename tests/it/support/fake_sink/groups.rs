//! Consumer groups of the fake Kafka, which has none.

use async_trait::async_trait;
use event_gateway::domain::subscription::Group;
use event_gateway::domain::topic::Topic;
use event_gateway::sink::{ConsumerGroup, ConsumerGroups, Error, GroupOffsets};

use super::FakeKafka;

#[async_trait]
impl ConsumerGroups for FakeKafka {
    async fn consumer_group(
        &self,
        _group: &Group,
        _topics: &[(Topic, usize)],
    ) -> Result<ConsumerGroup, Error> {
        Ok(ConsumerGroup::default())
    }

    async fn commit_offsets(&self, _group: &Group, _offsets: &GroupOffsets) -> Result<(), Error> {
        Ok(())
    }
}
