//! A real Kafka: lanes as transactional producers, cursors as records, topics as they are asked
//! for.
//!
//! Fed by `follow`; feeds the cluster through librdkafka, which blocks: every call to it runs off
//! the async threads, with a time limit. A page and its cursors are one transaction, a lane's
//! transactional id follows from its number alone, and no question creates a topic.

mod cluster;
mod cursors;
mod describe;
mod generations;
mod history;
mod mark;
mod producer;
mod refusal;
mod settings;
mod topics;
mod used;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use self::cluster::{ASK_MAX, Cluster, State};
use self::cursors::Cursors;
use self::generations::Generations;
use self::producer::LaneProducer;
use self::topics::Topics;
use super::{Broker, Described, Error, Fenced, KnownCursors, Published, Widened};
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::topic::{Naming, Topic, TopicSpec};

/// How long a fence may take, from the first question to the last cursor.
const FENCE_MAX: Duration = Duration::from_secs(9);
const CHECK_MAX: Duration = Duration::from_secs(2);

/// How to reach the cluster, and what the gateway's own names in it are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `host:port`, comma-separated.
    pub bootstrap: String,
    /// librdkafka's settings for security and what the operator adds; values may be secret.
    pub settings: Vec<(String, String)>,
    /// Names the cursors topic and the transactional ids.
    pub naming: Naming,
    /// Partitions of the cursors topic, at least.
    pub lanes: u16,
    /// Of topics that the gateway creates.
    pub replication_factor: i32,
    /// `message.max.bytes`.
    pub max_request_bytes: usize,
    /// A topic that a lane hasn't sent to for so long is idle.
    pub topics_idle_after: Duration,
}

/// The cluster, which may well be away.
pub(super) struct Kafka(Arc<Inner>);

struct Inner {
    config: Config,
    cluster: Cluster,
    topics: Arc<Topics>,
    cursors: Arc<Cursors>,
    generations: Generations,
}

impl Kafka {
    /// Reaches for nothing yet; settings that librdkafka refuses are an error.
    pub(super) fn new(config: Config) -> Result<Self, Error> {
        settings::verify(&config)?;
        let cluster = Cluster::new(&config)?;
        let cursors = Arc::new(Cursors::new(&config));
        let (topics, generations) = (Arc::default(), Generations::default());
        Ok(Self(Arc::new(Inner { config, cluster, topics, cursors, generations })))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = self.0.clone();
        blocking(move || work(&inner)).await
    }
}

#[async_trait]
impl Broker for Kafka {
    async fn fence(&self, lane: Lane) -> Result<Fenced, Error> {
        self.blocking(move |kafka| {
            let until = Instant::now() + FENCE_MAX;
            kafka.cursors.establish(&kafka.cluster)?;
            let producer = LaneProducer::fence(kafka, lane, until)?;
            let cursors = kafka.cursors.read(&kafka.config, lane, until)?;
            Ok(Fenced { producer: Box::new(producer), cursors })
        })
        .await
    }

    async fn ensure(&self, topics: &[TopicSpec]) -> Result<(), Error> {
        let unseen = self.0.topics.unseen(topics);
        if unseen.is_empty() {
            return Ok(());
        }
        self.blocking(move |kafka| kafka.topics.ensure(&kafka.cluster, &unseen)).await
    }

    async fn describe(&self, topics: &[Topic]) -> Result<HashMap<Topic, Described>, Error> {
        let topics = topics.to_vec();
        self.blocking(move |kafka| describe::topics(&kafka.cluster, &topics)).await
    }

    fn widened(&self) -> Vec<Widened> {
        self.0.topics.widened()
    }

    async fn cursors(&self, lane: Lane) -> Result<KnownCursors, Error> {
        self.blocking(move |kafka| {
            if kafka.cluster.state(kafka.cursors.topic(), ASK_MAX)? == State::Missing {
                return Ok(KnownCursors::new());
            }
            kafka.cursors.establish(&kafka.cluster)?;
            kafka.cursors.read(&kafka.config, lane, Instant::now() + FENCE_MAX)
        })
        .await
    }

    async fn history(
        &self,
        topics: &[Topic],
        log_id: LogId,
        behind: Position,
    ) -> Result<Vec<Published>, Error> {
        let topics = topics.to_vec();
        self.blocking(move |kafka| {
            let mut found = Vec::new();
            for topic in &topics {
                found.extend(history::read(kafka, topic, log_id, behind)?);
            }
            Ok(found)
        })
        .await
    }

    async fn widen(&self, lanes: u16) -> Result<u16, Error> {
        self.blocking(move |kafka| kafka.cursors.widen(&kafka.cluster, lanes)).await
    }

    async fn check(&self) -> Result<(), Error> {
        self.blocking(|kafka| kafka.cluster.state(kafka.cursors.topic(), CHECK_MAX).map(drop)).await
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|failed| Err(Error::Retry(format!("the thread at Kafka ended: {failed}"))))
}

/// Drops a client elsewhere: closing its connections takes a moment. A runtime that ends waits for
/// it.
fn discard(client: impl Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || drop(client))),
        Err(_) => drop(client),
    }
}

/// What is left until then, at least a millisecond: librdkafka takes 0 for "don't wait".
fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
