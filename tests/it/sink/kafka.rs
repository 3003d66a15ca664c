//! The Kafka adapter against a real Kafka: the promises of the port, as consumers see them.
//!
//! Each test has an `ENV` of its own on the shared cluster; those that kill have a private one.

mod blame;
mod cursors;
mod marks;
mod outage;
mod pages;
mod topic_reader;
mod topics;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crash::PATIENCE;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::topic::{Naming, Topic, TopicSpec};
use event_gateway::sink::{
    Config, Error, KafkaConfig, Page, PageSlice, Publisher, RecordCause, Repair, open,
};

use super::contract::{self, Bed};
use crate::support::services::kafka::envelopes::{Log, topic};
use crate::support::services::kafka::{Isolation, Record, address, consume, consume_at_least, env};

const LANE: Lane = Lane::new(1);
/// Kafka fences by transactional ids, and takes any term.
const TERM: u64 = 1;
const LANES: u16 = 2;
const REQUEST_BYTES_MAX: usize = 1_048_576;
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// The port on a cluster, under an `ENV` of its own.
struct World {
    sink: Arc<dyn Repair>,
    address: String,
    env: String,
}

impl World {
    /// Makes it on the shared cluster.
    fn new() -> Self {
        Self::at(address(), REQUEST_BYTES_MAX)
    }

    fn at(address: String, max_request_bytes: usize) -> Self {
        Self::of(address, max_request_bytes, 1)
    }

    fn of(address: String, max_request_bytes: usize, replication_factor: i32) -> Self {
        Self::with(address, max_request_bytes, Some(replication_factor), &[])
    }

    /// Makes it with these settings of librdkafka.
    fn with(
        address: String,
        max_request_bytes: usize,
        replication_factor: Option<i32>,
        settings: &[(&str, &str)],
    ) -> Self {
        let env = env();
        let config = Config::Kafka(KafkaConfig {
            bootstrap: address.clone(),
            settings: settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            naming: Naming::new(Some(&env), None).unwrap(),
            lanes: LANES,
            replication_factor,
            max_request_bytes,
            topics_idle_after: IDLE_AFTER,
        });
        let sink = open(&[config]).unwrap().repair.expect("it is Kafka");
        Self { sink, address, env }
    }

    /// Returns a topic's name under this `ENV`.
    fn name(&self, entity: &str) -> String {
        format!("{}.diku.inventory.{entity}", self.env)
    }

    fn cursors_topic(&self) -> String {
        format!("{}.event-gateway.cursors", self.env)
    }

    fn spec(&self, entity: &str, partitions: u16) -> TopicSpec {
        TopicSpec {
            topic: topic(&self.name(entity)),
            partitions,
            retention_ms: -1,
            compacted: false,
            compression: None,
        }
    }

    /// Returns topics of one partition each.
    async fn with_topics(self, entities: &[&str]) -> Self {
        let specs: Vec<_> = entities.iter().map(|entity| self.spec(entity, 1)).collect();
        eventually(|| self.sink.ensure(&specs)).await;
        self
    }

    async fn take_over(&self) -> Box<dyn Publisher> {
        eventually(|| self.sink.take_over(LANE, TERM)).await.publisher
    }

    /// Makes `count` events of about `bytes` bytes each.
    fn events(&self, log: &mut Log, entity: &str, count: usize, bytes: usize) -> Vec<Envelope> {
        let payload = format!("{{\"n\":\"{}\"}}", "x".repeat(bytes));
        let name = self.name(entity);
        (0..count).map(|n| log.event(&name, &format!("key-{}", n % 7), payload.clone())).collect()
    }

    /// Makes a slice of such events.
    fn slice(&self, log: &mut Log, entity: &str, count: usize, bytes: usize) -> PageSlice {
        let events = self.events(log, entity, count, bytes);
        log.slice(events)
    }

    /// Returns the committed records of a topic, once there are so many.
    fn committed(&self, entity: &str, count: usize) -> Vec<Record> {
        let records = consume_at_least(&self.address, &self.name(entity), count);
        assert_eq!(records.len(), count, "{records:?}");
        records
    }

    /// Publishes one more event of each topic, and fails unless exactly `count` records are seen
    /// with it: a record that is not committed by now never will be.
    async fn assert_committed(&self, log: &mut Log, entities: &[&str], count: usize) {
        let events = entities.iter().flat_map(|entity| self.events(log, entity, 1, 10)).collect();
        self.take_over().await.publish(page(vec![log.slice(events)])).await.unwrap();
        for entity in entities {
            self.committed(entity, count + 1);
        }
    }
}

/// A Kafka that has just started, or is busy, isn't ready for everything.
async fn eventually<T, F: Future<Output = Result<T, Error>>>(call: impl Fn() -> F) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Ok(done) => return done,
            Err(error) => {
                assert!(Instant::now() < until && matches!(error, Error::Retry(_)), "{error:?}")
            }
        }
    }
}

/// Retries calls that fail for a cause that passes with time.
fn again(error: Error) -> Error {
    match error {
        Error::Isolate(RecordCause::TooEarly(why)) => Error::retry(why),
        Error::Unavailable(topics) => Error::retry(format!("{topics:?}")),
        other => other,
    }
}

/// Makes a page of the relay.
fn page(slices: Vec<PageSlice>) -> Arc<Page> {
    Arc::new(Page { follower: Follower::relay(), slices, target: None })
}

/// Returns the error of a publish that must fail.
async fn refusal(publisher: Box<dyn Publisher>, page: Arc<Page>) -> Error {
    match publisher.publish(page).await {
        Ok(_) => panic!("the page was published"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn kafka_keeps_the_promises_of_a_sink() {
    let world = World::new().with_topics(&["item"]).await;
    drop(world.take_over().await);
    let address = world.address.clone();
    let newest = move |topic: &Topic| {
        let records = consume(&address, topic.as_str(), Isolation::ReadCommitted);
        let position = |record: &Record| record.header("position").unwrap().parse().unwrap();
        records.iter().map(|record| (record.key().to_owned(), position(record))).collect()
    };
    let (sink, spec) = (world.sink.clone(), world.spec("item", 1));
    contract::keeps_its_promises(&Bed { sink, spec, newest: Box::new(newest) }).await;
}
