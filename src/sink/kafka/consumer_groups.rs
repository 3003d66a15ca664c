//! Consumer groups of the cluster: a client with a group's name asks where the group stands, and
//! commits for it without being a member.
//!
//! The cluster itself refuses such a commit while the group has members.

use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::instrument;

use super::classify::{classify_call, code};
use super::client_context::Context;
use super::{Inner, Kafka, discard, settings};
use crate::domain::subscription::Group;
use crate::domain::topic::Topic;
use crate::sink::{ConsumerGroup, ConsumerGroups, Error, GroupOffsets};

/// The longest time that the cluster may take to tell of a group, whose coordinator may be new.
const GROUP_MAX: Duration = Duration::from_secs(10);

#[async_trait]
impl ConsumerGroups for Kafka {
    #[instrument(level = "debug", skip_all, fields(%group))]
    async fn consumer_group(
        &self,
        group: &Group,
        topics: &[(Topic, usize)],
    ) -> Result<ConsumerGroup, Error> {
        let (group, topics) = (group.clone(), topics.to_vec());
        self.blocking(move |kafka| {
            let client = GroupClient::open(kafka, &group)?;
            let members = client.members()?;
            let all = topics.iter().flat_map(|(topic, partitions)| {
                (0..).take(*partitions).map(move |partition| (topic.clone(), partition))
            });
            let asked: Vec<_> = all.collect();
            let found = ConsumerGroup { members, offsets: client.offsets(&asked)? };
            discard(client.consumer);
            Ok(found)
        })
        .await
    }

    #[instrument(level = "debug", skip_all, fields(%group, partitions = offsets.len()))]
    async fn commit_offsets(&self, group: &Group, offsets: &GroupOffsets) -> Result<(), Error> {
        let (group, offsets) = (group.clone(), offsets.clone());
        self.blocking(move |kafka| {
            let client = GroupClient::open(kafka, &group)?;
            client.commit(&offsets)?;
            // The answer to a commit is an error only if every partition was refused.
            let asked: Vec<_> = offsets.keys().cloned().collect();
            let now = client.offsets(&asked)?;
            discard(client.consumer);
            if now == offsets {
                return Ok(());
            }
            Err(Error::retry(format!("commit for {group}: Kafka has not taken every offset")))
        })
        .await
    }
}

/// A client that has a group's name, and is no member.
struct GroupClient<'a> {
    consumer: BaseConsumer<Context>,
    group: &'a Group,
}

impl<'a> GroupClient<'a> {
    fn open(kafka: &Inner, group: &'a Group) -> Result<Self, Error> {
        let mut client = settings::reader(&kafka.config);
        client.set("group.id", group.as_str());
        Ok(Self { consumer: settings::create(&client)?, group })
    }

    fn members(&self) -> Result<usize, Error> {
        let name = self.group.as_str();
        let found = self.consumer.fetch_group_list(Some(name), GROUP_MAX);
        let found = found.map_err(|error| self.failed("ask about", &error))?;
        let its = found.groups().iter().filter(|it| it.name() == name);
        Ok(its.map(|it| it.members().len()).sum())
    }

    fn offsets(&self, partitions: &[(Topic, i32)]) -> Result<GroupOffsets, Error> {
        if partitions.is_empty() {
            return Ok(GroupOffsets::new());
        }
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in partitions {
            asked.add_partition(topic.as_str(), *partition);
        }
        let found = self.consumer.committed_offsets(asked, GROUP_MAX);
        let found = found.map_err(|error| self.failed("ask about", &error))?;
        let one = |(topic, partition): &(Topic, i32)| {
            let found = found.find_partition(topic.as_str(), *partition)?;
            match found.offset() {
                Offset::Offset(offset) => Some(((topic.clone(), *partition), offset)),
                _ => None,
            }
        };
        Ok(partitions.iter().filter_map(one).collect())
    }

    fn commit(&self, offsets: &GroupOffsets) -> Result<(), Error> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in offsets {
            list.add_partition_offset(topic.as_str(), *partition, Offset::Offset(*offset))
                .map_err(|error| self.failed("commit for", &error))?;
        }
        let done = self.consumer.commit(&list, CommitMode::Sync);
        done.map_err(|error| match code(&error) {
            RDKafkaErrorCode::UnknownMemberId | RDKafkaErrorCode::RebalanceInProgress => {
                Error::retry(format!("{} has members in Kafka: let them leave", self.group))
            }
            _ => self.failed("commit for", &error),
        })
    }

    fn failed(&self, call: &str, error: &KafkaError) -> Error {
        let call = format!("{call} group {}", self.group);
        classify_call(&call, error, self.consumer.context())
    }
}
