//! Questions to the cluster about topics, and their creation.
//!
//! Fed by `topics`, `cursors` and the port's `check`; feeds them with plain answers. Asking creates
//! nothing. Every call blocks, for a few seconds at the most.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigEntry, NewPartitions, NewTopic, OwnedResourceSpecifier,
    ResourceSpecifier, TopicResult,
};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};

use super::client_context::Context;
use super::{Config, classify, discard, settings};
use crate::sink::Error;

/// How long a question may take.
pub(super) const ASK_MAX: Duration = Duration::from_secs(3);
const CREATE_MAX: Duration = Duration::from_secs(5);
/// What a broker takes by default in a record, without the frame of its batch.
const BROKER_RECORD_BYTES: usize = 1 << 20;
const BATCH_FRAME_BYTES: usize = 1024;
/// From here on, one question about all topics is quicker than one about each.
const MANY: usize = 10;

/// What there is of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It has so many partitions.
    Exists(usize),
    /// It has so many partitions, of which some have no leader.
    Leaderless(usize),
    /// It has so many partitions, each with a leader, of which one has but so many replicas in
    /// sync, and not all.
    Short {
        /// How many partitions.
        partitions: usize,
        /// The least replicas in sync of any.
        in_sync: usize,
    },
    /// There is none of that name.
    Missing,
    /// The cluster won't say.
    Refused(RDKafkaErrorCode),
}

impl State {
    /// How many partitions it has, if it is there.
    pub(super) fn partitions(self) -> Option<usize> {
        match self {
            Self::Exists(partitions)
            | Self::Leaderless(partitions)
            | Self::Short { partitions, .. } => Some(partitions),
            Self::Missing | Self::Refused(_) => None,
        }
    }

    /// The same, if each of them has a leader.
    pub(super) fn writable(self) -> Option<usize> {
        self.partitions().filter(|_| !matches!(self, Self::Leaderless(_)))
    }
}

/// One cluster.
pub(super) struct Admin {
    metadata_client: BaseConsumer<Context>,
    admin: ClientConfig,
    replication_factor: i32,
    record_limit: Option<String>,
}

impl Admin {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let metadata_client = settings::create(&settings::metadata_client(config))?;
        let admin = settings::admin(config);
        let larger = config.max_request_bytes > BROKER_RECORD_BYTES;
        let record_limit =
            larger.then(|| (config.max_request_bytes + BATCH_FRAME_BYTES).to_string());
        Ok(Self {
            metadata_client,
            admin,
            replication_factor: config.replication_factor,
            record_limit,
        })
    }

    /// `max.message.bytes` of new topics, where records may be larger than brokers take by default.
    pub(super) fn record_limit(&self) -> Option<&str> {
        self.record_limit.as_deref()
    }

    /// What there is of one topic.
    pub(super) fn state(&self, topic: &str, within: Duration) -> Result<State, Error> {
        let metadata = self.metadata(Some(topic), within)?;
        Ok(metadata.topics().iter().find(|t| t.name() == topic).map_or(State::Missing, state))
    }

    /// What there is of each topic.
    pub(super) fn states<'a>(&self, topics: &[&'a str]) -> Result<HashMap<&'a str, State>, Error> {
        if topics.len() < MANY {
            return topics.iter().map(|topic| Ok((*topic, self.state(topic, ASK_MAX)?))).collect();
        }
        let metadata = self.metadata(None, ASK_MAX)?;
        let all: HashMap<&str, State> =
            metadata.topics().iter().map(|t| (t.name(), state(t))).collect();
        Ok(topics
            .iter()
            .map(|topic| (*topic, all.get(topic).copied().unwrap_or(State::Missing)))
            .collect())
    }

    /// Behind which offset nothing stands, committed or not.
    pub(super) fn end(&self, topic: &str, partition: i32) -> Result<i64, Error> {
        self.end_within(topic, partition, ASK_MAX)
    }

    /// The same, if its leader answers in that time.
    pub(super) fn end_within(
        &self,
        topic: &str,
        partition: i32,
        within: Duration,
    ) -> Result<i64, Error> {
        let answer = self.metadata_client.fetch_watermarks(topic, partition, within);
        self.told(&format!("ask for the end of {topic}"), answer).map(|(_, end)| end)
    }

    /// A topic as it is to be created, with the cluster's replication factor.
    pub(super) fn topic<'a>(
        &self,
        name: &'a str,
        partitions: u16,
        settings: &[(&'a str, &'a str)],
    ) -> NewTopic<'a> {
        let replication = rdkafka::admin::TopicReplication::Fixed(self.replication_factor);
        let topic = NewTopic::new(name, i32::from(partitions), replication);
        settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
    }

    /// Why no topic can be created, whichever it is.
    pub(super) fn too_few_brokers(&self) -> Error {
        let has = match self.metadata(None, ASK_MAX).map(|metadata| metadata.brokers().len()) {
            Ok(1) => "1 broker".to_owned(),
            Ok(brokers) => format!("{brokers} brokers"),
            Err(_) => "fewer brokers".to_owned(),
        };
        Error::TooFewBrokers(format!(
            "REPLICATION_FACTOR is {}, and Kafka has {has}",
            self.replication_factor
        ))
    }

    /// Explains why a topic can't be created, in the operator's words where they are known.
    pub(super) fn explain(&self, topic: &str, code: RDKafkaErrorCode) -> String {
        let Ok(metadata) = self.metadata(None, ASK_MAX) else { return code.to_string() };
        match code {
            // Kafka's own sentence, which its client keeps to itself.
            RDKafkaErrorCode::InvalidTopic => {
                let same = |other: &&MetadataTopic| {
                    other.name() != topic
                        && other.name().replace('.', "_") == topic.replace('.', "_")
                };
                let other = metadata.topics().iter().find(same).map(MetadataTopic::name);
                other.map_or(code.to_string(), |other| {
                    format!(
                        "topic '{topic}' collides with existing topics: {other}: `.` and `_` are \
                         one to Kafka"
                    )
                })
            }
            _ => code.to_string(),
        }
    }

    /// Creates topics; each has its own result.
    pub(super) fn create(&self, topics: &[NewTopic<'_>]) -> Result<Vec<TopicResult>, Error> {
        self.administer("create topics", async |admin, options| {
            admin.create_topics(topics, &options.operation_timeout(Some(CREATE_MAX))).await
        })
    }

    /// Gives a topic more partitions; waits until it has them.
    pub(super) fn add_partitions(&self, topic: &str, partitions: u16) -> Result<(), Error> {
        let wider = NewPartitions::new(topic, usize::from(partitions));
        let results = self.administer("add partitions", async |admin, options| {
            admin.create_partitions(&[wider], &options.operation_timeout(Some(CREATE_MAX))).await
        })?;
        super::topics::result_of(topic, &results).map_err(|code| {
            Error::Cursors(format!("{topic} can't get {partitions} partitions: {code}"))
        })?;
        let until = Instant::now() + CREATE_MAX;
        while self.state(topic, ASK_MAX)?.writable() != Some(usize::from(partitions)) {
            if Instant::now() > until {
                return Err(Error::Retry(format!("{topic} got partitions that aren't there yet")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// A topic's settings.
    pub(super) fn settings(&self, topic: &str) -> Result<HashMap<String, String>, Error> {
        Ok(self.settings_of(&[topic])?.swap_remove(0))
    }

    /// Each topic's settings, in their order.
    pub(super) fn settings_of(
        &self,
        topics: &[&str],
    ) -> Result<Vec<HashMap<String, String>>, Error> {
        let asked: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let answers = self
            .administer("describe the settings of topics", async |admin, options| {
                admin.describe_configs(&asked, &options).await
            })?;
        let mut answers: HashMap<String, HashMap<String, String>> = answers
            .into_iter()
            .flatten()
            .filter_map(|resource| match resource.specifier {
                OwnedResourceSpecifier::Topic(topic) => Some((topic, entries(resource.entries))),
                _ => None,
            })
            .collect();
        let each = topics.iter().map(|topic| {
            let answer = answers.remove(*topic);
            answer.ok_or_else(|| {
                Error::Retry(format!("the cluster doesn't tell the settings of {topic}"))
            })
        });
        each.collect()
    }

    /// A client for this once: it would never serve its log while idle.
    fn administer<T>(
        &self,
        call: &str,
        ask: impl AsyncFnOnce(&AdminClient<Context>, AdminOptions) -> KafkaResult<T>,
    ) -> Result<T, Error> {
        let admin: AdminClient<Context> = settings::create(&self.admin)?;
        let options = AdminOptions::new().request_timeout(Some(CREATE_MAX));
        let answer = tokio::runtime::Handle::current().block_on(ask(&admin, options));
        let answer =
            answer.map_err(|error| classify::classify_call(call, &error, admin.inner().context()));
        discard(admin);
        answer
    }

    fn metadata(&self, topic: Option<&str>, within: Duration) -> Result<Metadata, Error> {
        self.told("ask about topics", self.metadata_client.fetch_metadata(topic, within))
    }

    /// What the client was answered, or why it was not.
    fn told<T>(&self, call: &str, answer: KafkaResult<T>) -> Result<T, Error> {
        self.serve();
        let watch = self.metadata_client.context();
        match answer {
            Ok(_) => watch.forget_trouble(),
            Err(_) => watch.hear_trouble(|each| drop(self.metadata_client.poll(each))),
        }
        answer.map_err(|error| classify::classify_call(call, &error, watch))
    }

    /// Lets the client tell its log and its troubles.
    fn serve(&self) {
        while self.metadata_client.poll(Duration::from_millis(1)).is_some() {}
    }
}

fn entries(entries: Vec<ConfigEntry>) -> HashMap<String, String> {
    entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
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
            Some(in_sync) => State::Short { partitions: partitions.len(), in_sync },
            None => State::Exists(partitions.len()),
        },
    }
}
