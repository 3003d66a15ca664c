//! A real Kafka: lanes as transactional producers, cursors as records, topics as the tenants' files
//! ask for them.
//!
//! `follow` and the subcommands call it; it calls the cluster through librdkafka, which blocks, so
//! every call runs off the async threads, with a time limit. A page and its cursors are one
//! transaction, a lane's transactional ids follow from its number alone, and no query creates a
//! topic.

mod admin;
mod classify;
mod client_context;
mod consumer_groups;
mod cursors_topic;
mod describe;
mod mark;
mod other_logs;
mod publisher;
mod rights;
mod settings;
mod topic_reader;
mod topic_usage;
mod topics;
mod transactional_ids;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::mpsc;
use tracing::{Span, instrument};

use self::admin::{ASK_MAX, Admin, State};
use self::cursors_topic::CursorsTopic;
use self::publisher::LanePublisher;
use self::topic_reader::TopicReader;
use self::topics::Topics;
use self::transactional_ids::TransactionalIds;
use super::{
    Error, KnownCursors, Names, PartitionsGrown, Repair, Sink, TakenOver, TenantTopics, TopicAdmin,
    TopicDescription, TopicReading,
};
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::partition;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::{Naming, Topic, TopicSpec};

/// The longest time that a takeover may take, from the first query to the last cursor.
const TAKE_OVER_MAX: Duration = Duration::from_secs(9);
const CHECK_MAX: Duration = Duration::from_secs(2);
/// The most batches of a topic's records that wait to be received.
const BATCHES_MAX: usize = 2;

/// The address and the settings of the cluster, and the names of the gateway's own topic and
/// transactional ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `host:port`, comma-separated.
    pub bootstrap: String,
    /// librdkafka's settings for security, and those that the operator adds; values may be secret.
    pub settings: Vec<(String, String)>,
    /// Names the cursors topic and the transactional ids.
    pub naming: Naming,
    /// The least number of partitions of the cursors topic.
    pub lanes: u16,
    /// The replication factor of topics that the gateway creates; `None`: as many as there are
    /// brokers, up to 3.
    pub replication_factor: Option<i32>,
    /// `message.max.bytes`.
    pub max_request_bytes: usize,
    /// The time without records of a lane after which a topic counts as idle.
    pub topics_idle_after: Duration,
}

impl Config {
    /// Returns a configuration for each setting that is librdkafka's alone, with no other such
    /// setting, since librdkafka names only the first one that it refuses.
    pub fn each_setting(&self) -> Vec<Self> {
        let is_security =
            |name: &str| ["security.", "ssl.", "sasl."].iter().any(|of| name.starts_with(of));
        let (own, others): (Vec<_>, Vec<_>) =
            self.settings.iter().cloned().partition(|(name, _)| is_security(name));
        let with = |other: (String, String)| Self {
            settings: own.iter().cloned().chain([other]).collect(),
            ..self.clone()
        };
        others.into_iter().map(with).collect()
    }
}

/// The cluster, which may be away.
pub(super) struct Kafka {
    follower: Follower,
    inner: Arc<Inner>,
}

/// The state that the calls share, whichever thread they run on.
struct Inner {
    config: Config,
    admin: Admin,
    topics: Arc<Topics>,
    cursors: Arc<CursorsTopic>,
    transactional_ids: TransactionalIds,
}

/// Checks, without a cluster, that librdkafka takes the settings.
pub(super) fn check_settings(config: &Config) -> Result<(), Error> {
    settings::verify(config)
}

impl Kafka {
    /// Makes the sink, without connecting yet. Settings that librdkafka refuses are an error.
    pub(super) fn new(config: Config) -> Result<Self, Error> {
        settings::verify(&config)?;
        let admin = Admin::new(&config)?;
        let cursors = Arc::new(CursorsTopic::new(&config));
        let (topics, transactional_ids) = (Arc::default(), TransactionalIds::default());
        let inner = Arc::new(Inner { config, admin, topics, cursors, transactional_ids });
        Ok(Self { follower: Follower::relay(), inner })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = self.inner.clone();
        blocking(move || work(&inner)).await
    }
}

#[async_trait]
impl Sink for Kafka {
    fn follower(&self) -> &Follower {
        &self.follower
    }

    fn names(&self) -> Names {
        Names { sink: "Kafka", cursors: "the cursors topic" }
    }

    fn place(&self) -> String {
        self.inner.config.bootstrap.clone()
    }

    fn has_topics(&self) -> bool {
        true
    }

    /// The transactional id and the mark fence the earlier holder, whatever its term was.
    #[instrument(level = "debug", skip_all, fields(%lane))]
    async fn take_over(&self, lane: Lane, _term: u64) -> Result<TakenOver, Error> {
        self.blocking(move |kafka| {
            let until = Instant::now() + TAKE_OVER_MAX;
            kafka.cursors.ensure(&kafka.admin)?;
            let publisher = LanePublisher::take_over(kafka, lane, until)?;
            let cursors = kafka.cursors.read(&kafka.config, lane, until)?;
            Ok(TakenOver { publisher: Box::new(publisher), cursors })
        })
        .await
    }

    #[instrument(level = "debug", skip_all, fields(%lane))]
    async fn cursors(&self, lane: Lane) -> Result<KnownCursors, Error> {
        self.blocking(move |kafka| {
            if kafka.admin.state(kafka.cursors.topic(), ASK_MAX)? == State::Missing {
                return Ok(KnownCursors::new());
            }
            kafka.cursors.ensure(&kafka.admin)?;
            kafka.cursors.read(&kafka.config, lane, Instant::now() + TAKE_OVER_MAX)
        })
        .await
    }

    #[instrument(level = "debug", skip_all, fields(topics = topics.len()))]
    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error> {
        let unseen = self.inner.topics.unseen(topics);
        if unseen.is_empty() {
            return Ok(());
        }
        self.blocking(move |kafka| kafka.topics.ensure(&kafka.admin, &unseen)).await
    }

    #[instrument(level = "debug", skip_all, fields(topics = topics.len()))]
    async fn describe(&self, topics: &[Topic]) -> Result<HashMap<Topic, TopicDescription>, Error> {
        let topics = topics.to_vec();
        self.blocking(move |kafka| describe::topics(&kafka.admin, &topics)).await
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, topics = topics.own.len()))]
    async fn remove_tenant(&self, tenant: &TenantId, topics: &TenantTopics) -> Result<(), Error> {
        let (own, logs) = (topics.own.clone(), topics.logs.clone());
        self.blocking(move |kafka| {
            logs.map_or(Ok(()), |logs| other_logs::refuse(kafka, &own, &logs))?;
            kafka.topics.remove(&kafka.admin, &own)
        })
        .await
    }

    #[instrument(level = "debug", skip_all)]
    async fn check(&self) -> Result<(), Error> {
        self.blocking(|kafka| kafka.admin.state(kafka.cursors.topic(), CHECK_MAX).map(drop)).await
    }
}

#[async_trait]
impl TopicAdmin for Kafka {
    fn cursors_topic(&self) -> Option<Topic> {
        Topic::parse(self.inner.cursors.topic()).ok()
    }

    async fn replication(&self) -> Result<usize, Error> {
        let factor = self.blocking(|kafka| kafka.admin.replication()).await?;
        Ok(usize::try_from(factor).unwrap_or(1))
    }

    #[instrument(level = "debug", skip_all, fields(%topic))]
    async fn alter(&self, topic: &Topic, settings: &[(&'static str, String)]) -> Result<(), Error> {
        let (topic, settings) = (topic.clone(), settings.to_vec());
        self.blocking(move |kafka| kafka.admin.alter(topic.as_str(), &settings)).await
    }

    #[instrument(level = "debug", skip_all, fields(%topic, partitions))]
    async fn grow(&self, topic: &Topic, partitions: u16) -> Result<(), Error> {
        let topic = topic.clone();
        self.blocking(move |kafka| kafka.admin.add_partitions(topic.as_str(), partitions)).await
    }

    #[instrument(level = "debug", skip_all, fields(%topic))]
    async fn span(&self, topic: &Topic) -> Result<Option<u64>, Error> {
        let topic = topic.clone();
        self.blocking(move |kafka| {
            let state = kafka.admin.state(topic.as_str(), ASK_MAX)?;
            let partitions = state.partitions();
            partitions.map(|all| kafka.admin.span(topic.as_str(), all)).transpose()
        })
        .await
    }

    #[instrument(level = "debug", skip_all, fields(%topic))]
    async fn delete(&self, topic: &Topic) -> Result<(), Error> {
        let topics = [topic.clone()];
        self.blocking(move |kafka| kafka.topics.remove(&kafka.admin, &topics)).await
    }
}

#[async_trait]
impl Repair for Kafka {
    #[instrument(level = "debug", skip_all, fields(%topic))]
    async fn read_topic(
        &self,
        topic: &Topic,
        since: Option<Time>,
    ) -> Result<Option<TopicReading>, Error> {
        let topic = topic.clone();
        let Some(reader) =
            self.blocking(move |kafka| TopicReader::open(kafka, &topic, since)).await?
        else {
            return Ok(None);
        };
        let (partitions, (batches, records)) = (reader.partitions(), mpsc::channel(BATCHES_MAX));
        tokio::task::spawn_blocking(move || reader.read(&batches));
        Ok(Some(TopicReading { partitions, records }))
    }

    /// Java's default partitioner, as `partitioner=murmur2_random` chooses it.
    fn partition(&self, key: &[u8], partitions: usize) -> usize {
        partition::of_key(key, partitions)
    }

    #[instrument(level = "debug", skip_all, fields(lanes = lanes))]
    async fn add_partitions(&self, lanes: u16) -> Result<u16, Error> {
        self.blocking(move |kafka| kafka.cursors.add_partitions(&kafka.admin, lanes)).await
    }

    fn partitions_grown(&self) -> Vec<PartitionsGrown> {
        self.inner.topics.partitions_grown()
    }
}

/// Runs a blocking call on a thread for such calls, in the caller's span.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let span = Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    done.unwrap_or_else(|failed| {
        Err(Error::retry(format!("the thread that calls Kafka ended: {failed}")))
    })
}

/// Drops a client on another thread, since closing its connections takes a moment. A runtime that
/// ends waits for it.
fn discard(client: impl Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || drop(client))),
        Err(_) => drop(client),
    }
}

/// Returns the time that is left, at least a millisecond: librdkafka takes 0 for "don't wait".
fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
