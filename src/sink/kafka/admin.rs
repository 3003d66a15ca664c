//! The admin and metadata clients: they query the cluster about topics, and create topics.
//!
//! `topics`, `cursors_topic`, `describe` and the port's `check` call it. A query never creates a
//! topic. Every call blocks, for a few seconds at most.

mod changes;

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigEntry, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicResult,
};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};

use super::classify::classify_call;
use super::client_context::Context;
use super::rights::{Right, lacking};
use super::{Config, discard, settings};
use crate::sink::{Error, Replicas, RetryCause};

/// The longest time that the cluster may take to answer a query.
pub(super) const ASK_MAX: Duration = Duration::from_secs(3);
/// The longest time that the cluster may take to create or delete topics or partitions.
const CREATE_MAX: Duration = Duration::from_secs(5);
/// The largest record that a broker takes by default, without the frame of its batch.
const BROKER_RECORD_BYTES: usize = 1 << 20;
const BATCH_FRAME_BYTES: usize = 1024;
/// The most replicas of a topic for which the configuration sets no number.
const REPLICATION_MAX: i32 = 3;
/// From so many topics on, one query for all topics is faster than one for each.
const ASK_ALL_FROM: usize = 10;

/// The state of a topic: whether it exists, and whether it takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It exists, with so many partitions.
    Exists(usize),
    /// It exists, with so many partitions, some of which have no leader.
    Leaderless(usize),
    /// Each partition has a leader, but some have replicas that are out of sync.
    UnderReplicated {
        /// The number of its partitions.
        partitions: usize,
        /// The number of replicas in sync of the partition that has the fewest.
        in_sync: usize,
    },
    /// There is no topic of this name.
    Missing,
    /// The cluster refuses to describe it.
    Refused(RDKafkaErrorCode),
}

impl State {
    /// Returns the number of partitions, if the topic exists.
    pub(super) fn partitions(self) -> Option<usize> {
        match self {
            Self::Exists(partitions)
            | Self::Leaderless(partitions)
            | Self::UnderReplicated { partitions, .. } => Some(partitions),
            Self::Missing | Self::Refused(_) => None,
        }
    }

    /// Returns the number of partitions, if each of them has a leader.
    pub(super) fn with_leaders(self) -> Option<usize> {
        self.partitions().filter(|_| !matches!(self, Self::Leaderless(_)))
    }
}

/// The clients that query one cluster, and create its topics.
pub(super) struct Admin {
    metadata_client: BaseConsumer<Context>,
    admin_config: ClientConfig,
    replication_factor: Option<i32>,
    record_limit: Option<String>,
}

impl Admin {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let metadata_client = settings::create(&settings::metadata_client(config))?;
        let admin_config = settings::admin(config);
        let larger = config.max_request_bytes > BROKER_RECORD_BYTES;
        let record_limit =
            larger.then(|| (config.max_request_bytes + BATCH_FRAME_BYTES).to_string());
        let replication_factor = config.replication_factor;
        Ok(Self { metadata_client, admin_config, replication_factor, record_limit })
    }

    /// Returns `max.message.bytes` for new topics, if records may be larger than brokers take by
    /// default.
    pub(super) fn record_limit(&self) -> Option<&str> {
        self.record_limit.as_deref()
    }

    /// Asks for the state of one topic.
    pub(super) fn state(&self, topic: &str, within: Duration) -> Result<State, Error> {
        let metadata = self.metadata(Some(topic), within)?;
        Ok(metadata.topics().iter().find(|t| t.name() == topic).map_or(State::Missing, state))
    }

    /// Asks for the state of each topic.
    pub(super) fn states<'a>(&self, topics: &[&'a str]) -> Result<HashMap<&'a str, State>, Error> {
        Ok(self
            .with_replicas(topics)?
            .into_iter()
            .map(|(topic, (state, _))| (topic, state))
            .collect())
    }

    /// Asks for the state of each topic, and the replicas of those that exist.
    pub(super) fn with_replicas<'a>(
        &self,
        topics: &[&'a str],
    ) -> Result<HashMap<&'a str, (State, Option<Replicas>)>, Error> {
        let of = |metadata: &Metadata, topic: &str| {
            let found = metadata.topics().iter().find(|found| found.name() == topic);
            found.map_or((State::Missing, None), |found| (state(found), replicas(found)))
        };
        if topics.len() < ASK_ALL_FROM {
            let one =
                |topic: &&'a str| Ok((*topic, of(&self.metadata(Some(topic), ASK_MAX)?, topic)));
            return topics.iter().map(one).collect();
        }
        let metadata = self.metadata(None, ASK_MAX)?;
        let all: HashMap<&str, _> =
            metadata.topics().iter().map(|it| (it.name(), (state(it), replicas(it)))).collect();
        let each = topics
            .iter()
            .map(|topic| (*topic, all.get(topic).copied().unwrap_or((State::Missing, None))));
        Ok(each.collect())
    }

    /// Asks for the end of a partition: one past its last record, committed or not.
    pub(super) fn end(&self, topic: &str, partition: i32) -> Result<i64, Error> {
        self.end_within(topic, partition, ASK_MAX)
    }

    /// Asks for the end of a partition, whose leader must answer within a time.
    pub(super) fn end_within(
        &self,
        topic: &str,
        partition: i32,
        within: Duration,
    ) -> Result<i64, Error> {
        let answer = self.metadata_client.fetch_watermarks(topic, partition, within);
        self.checked(&format!("ask for the end of {topic}"), answer).map(|(_, end)| end)
    }

    /// Returns the replication factor of new topics: the configured one, else that of as many
    /// brokers as there are, up to 3.
    pub(super) fn replication(&self) -> Result<i32, Error> {
        let Some(configured) = self.replication_factor else {
            let brokers = self.metadata(None, ASK_MAX)?.brokers().len();
            return Ok(i32::try_from(brokers).unwrap_or(REPLICATION_MAX).clamp(1, REPLICATION_MAX));
        };
        Ok(configured)
    }

    /// Asks for the number of offsets between the first and the end of all partitions of a topic: 0
    /// if it has no record, nor a mark of a transaction.
    pub(super) fn span(&self, topic: &str, partitions: usize) -> Result<u64, Error> {
        let mut all = 0;
        for partition in (0..).take(partitions) {
            let answer = self.metadata_client.fetch_watermarks(topic, partition, ASK_MAX);
            let (first, end) = self.checked(&format!("ask for the records of {topic}"), answer)?;
            all += u64::try_from(end - first).unwrap_or_default();
        }
        Ok(all)
    }

    /// Returns a request to create a topic with a replication factor. Of three replicas or more,
    /// two must have a record before it counts as written, so that the death of one broker neither
    /// loses a record nor stops the topic.
    pub(super) fn new_topic<'a>(
        &self,
        name: &'a str,
        (partitions, replication): (u16, i32),
        settings: &[(&'a str, &'a str)],
    ) -> NewTopic<'a> {
        let fixed = rdkafka::admin::TopicReplication::Fixed(replication);
        let topic = NewTopic::new(name, i32::from(partitions), fixed);
        let durable = (replication >= 3).then_some(&("min.insync.replicas", "2"));
        let settings = settings.iter().chain(durable);
        settings.fold(topic, |topic, (name, value)| topic.set(name, value))
    }

    /// Returns the error of a cluster that has too few brokers to create any topic.
    pub(super) fn too_few_brokers(&self) -> Error {
        let has = match self.metadata(None, ASK_MAX).map(|metadata| metadata.brokers().len()) {
            Ok(1) => "1 broker".to_owned(),
            Ok(brokers) => format!("{brokers} brokers"),
            Err(_) => "fewer brokers".to_owned(),
        };
        let wanted = self.replication_factor.map_or("unset".to_owned(), |it| it.to_string());
        let why = format!("REPLICATION_FACTOR is {wanted}, and Kafka has {has}");
        Error::Retry(RetryCause::TooFewBrokers(why))
    }

    /// Explains why a topic can't be created, in words for an operator where they are known.
    pub(super) fn explain(&self, topic: &str, code: RDKafkaErrorCode) -> String {
        let Ok(metadata) = self.metadata(None, ASK_MAX) else { return code.to_string() };
        match code {
            // Kafka's answer explains this, but librdkafka drops the explanation.
            RDKafkaErrorCode::InvalidTopic => {
                let same = |other: &&MetadataTopic| {
                    other.name() != topic
                        && other.name().replace('.', "_") == topic.replace('.', "_")
                };
                let other = metadata.topics().iter().find(same).map(MetadataTopic::name);
                other.map_or(code.to_string(), |other| {
                    format!(
                        "topic '{topic}' collides with existing topics: {other}: Kafka treats `.` \
                         and `_` as the same"
                    )
                })
            }
            _ => code.to_string(),
        }
    }

    /// Creates topics, and returns the result of each.
    pub(super) fn create(&self, topics: &[NewTopic<'_>]) -> Result<Vec<TopicResult>, Error> {
        self.administer("create topics", async |admin, options| {
            admin.create_topics(topics, &options.operation_timeout(Some(CREATE_MAX))).await
        })
    }

    /// Asks for the settings of a topic.
    pub(super) fn settings(&self, topic: &str) -> Result<HashMap<String, String>, Error> {
        Ok(self.settings_of(&[topic])?.swap_remove(0))
    }

    /// Asks for the settings of each topic, and returns them in the order of the topics.
    pub(super) fn settings_of(
        &self,
        topics: &[&str],
    ) -> Result<Vec<HashMap<String, String>>, Error> {
        let asked: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let answers = self
            .administer("describe the settings of topics", async |admin, options| {
                admin.describe_configs(&asked, &options).await
            })?;
        let refused = answers.iter().find_map(|answer| answer.as_ref().err().copied());
        let mut answers: HashMap<String, HashMap<String, String>> = answers
            .into_iter()
            .flatten()
            .filter_map(|resource| match resource.specifier {
                OwnedResourceSpecifier::Topic(topic) => Some((topic, entries(resource.entries))),
                _ => None,
            })
            .collect();
        let each = topics.iter().map(|topic| {
            // Of a topic that is refused, librdkafka's answer may be empty, without the code.
            let answer = answers.remove(*topic).filter(|settings| !settings.is_empty());
            answer.ok_or_else(|| {
                let why = format!("the cluster doesn't tell the settings of {topic}");
                let lacking = lacking(&why, Right::DescribeConfigs, topic);
                match refused {
                    Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Error::denied(lacking),
                    _ => Error::retry(lacking),
                }
            })
        });
        each.collect()
    }

    /// Makes a call with a client of its own, since an idle admin client would never report its
    /// log.
    fn administer<T>(
        &self,
        call: &str,
        ask: impl AsyncFnOnce(&AdminClient<Context>, AdminOptions) -> KafkaResult<T>,
    ) -> Result<T, Error> {
        let admin: AdminClient<Context> = settings::create(&self.admin_config)?;
        let options = AdminOptions::new().request_timeout(Some(CREATE_MAX));
        let answer = tokio::runtime::Handle::current().block_on(ask(&admin, options));
        let answer = answer.map_err(|error| classify_call(call, &error, admin.inner().context()));
        discard(admin);
        answer
    }

    fn metadata(&self, topic: Option<&str>, within: Duration) -> Result<Metadata, Error> {
        self.checked("ask about topics", self.metadata_client.fetch_metadata(topic, within))
    }

    /// Returns the answer of the client, or the reason why there is none.
    fn checked<T>(&self, call: &str, answer: KafkaResult<T>) -> Result<T, Error> {
        self.run_callbacks();
        let context = self.metadata_client.context();
        match answer {
            Ok(_) => context.clear_last_error(),
            Err(_) => context.await_last_error(|each| drop(self.metadata_client.poll(each))),
        }
        answer.map_err(|error| classify_call(call, &error, context))
    }

    /// Lets the client report its log and its errors.
    fn run_callbacks(&self) {
        while self.metadata_client.poll(Duration::from_millis(1)).is_some() {}
    }
}

/// Returns the result of one topic's creation, growth or deletion.
pub(super) fn result_of(topic: &str, results: &[TopicResult]) -> Result<(), RDKafkaErrorCode> {
    for result in results {
        match result {
            Ok(name) if name == topic => return Ok(()),
            Err((name, code)) if name == topic => return Err(*code),
            _ => {}
        }
    }
    Err(RDKafkaErrorCode::Unknown)
}

fn entries(entries: Vec<ConfigEntry>) -> HashMap<String, String> {
    entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

fn replicas(topic: &MetadataTopic) -> Option<Replicas> {
    let partitions = topic.partitions();
    Some(Replicas {
        factor: partitions.iter().map(|it| it.replicas().len()).min()?,
        in_sync: partitions.iter().map(|it| it.isr().len()).min()?,
    })
}

fn state(topic: &MetadataTopic) -> State {
    let partitions = topic.partitions();
    match topic.error().map(RDKafkaErrorCode::from) {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition) => State::Missing,
        Some(RDKafkaErrorCode::LeaderNotAvailable) => State::Leaderless(partitions.len()),
        Some(code) => State::Refused(code),
        None if partitions.iter().any(|p| p.leader() < 0) => State::Leaderless(partitions.len()),
        None => match partitions
            .iter()
            .filter(|p| p.isr().len() < p.replicas().len())
            .map(|p| p.isr().len())
            .min()
        {
            Some(in_sync) => State::UnderReplicated { partitions: partitions.len(), in_sync },
            None => State::Exists(partitions.len()),
        },
    }
}
