//! The baseline of the relay, and of the time until consumers have a record: a bare transactional
//! producer. It also counts the records of a topic.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::kafka::{Isolation, assign_all, consumer};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset};

use crate::contest::per_second;
use crate::records::Records;

/// Partitions of a topic.
pub const PARTITIONS: usize = 4;

const POLL_PAUSE: Duration = Duration::from_micros(200);

/// A bare transactional producer, of one topic.
pub struct BareProducer {
    producer: BaseProducer,
    topic: String,
}

impl BareProducer {
    /// Ready for its first transaction.
    pub fn of(address: &str, topic: &str) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", address)
            .set("transactional.id", topic)
            .set("linger.ms", "1")
            .set("partitioner", "murmur2_random")
            .create()
            .unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        Self { producer, topic: topic.to_owned() }
    }

    /// Publishes records, each a key and a payload, in one transaction, drained before its commit.
    pub fn publish(&self, records: &[(String, String)]) {
        self.producer.begin_transaction().unwrap();
        for (key, payload) in records {
            let record = BaseRecord::to(&self.topic).key(key.as_str()).payload(payload.as_str());
            self.producer.send(record.headers(headers(key))).map_err(|(error, _)| error).unwrap();
        }
        while self.producer.in_flight_count() > 0 {
            let unanswered = self.producer.in_flight_count();
            self.producer.poll(Duration::ZERO);
            if self.producer.in_flight_count() == unanswered {
                std::thread::sleep(POLL_PAUSE);
            }
        }
        self.producer.commit_transaction(PATIENCE).unwrap();
    }
}

/// Publishes so many records, in transactions of `page`, to a topic that it creates; returns
/// events/s.
pub async fn produce(address: &str, topic: &str, events: usize, page: usize) -> f64 {
    make_topic(address, topic).await;
    let (address, topic) = (address.to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || produce_all(&address, &topic, events, page)).await.unwrap()
}

fn produce_all(address: &str, topic: &str, events: usize, page: usize) -> f64 {
    let producer = BareProducer::of(address, topic);
    let mut records = Records::default();
    let records: Vec<_> = (0..page).map(|_| records.record()).collect();
    // The first ones find leaders and coordinators.
    (0..3).for_each(|_| producer.publish(&records));
    let (pages, begin) = (events / page, Instant::now());
    (0..pages).for_each(|_| producer.publish(&records));
    per_second((pages * page) as u64, begin.elapsed())
}

/// As many, and as long, as the gateway's.
fn headers(key: &str) -> OwnedHeaders {
    let all = [
        ("correlation_id", key),
        ("x-okapi-tenant", "t0"),
        ("folio.tenantId", "t0"),
        ("type", "CREATE"),
        ("event_id", key),
        ("log_id", key),
        ("position", "100000"),
    ];
    let empty = OwnedHeaders::new_with_capacity(all.len());
    all.into_iter()
        .fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}

/// Creates a topic by asking for it.
pub async fn make_topic(address: &str, topic: &str) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    let partitions = i32::try_from(PARTITIONS).unwrap();
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let made = admin.create_topics(&[new], &AdminOptions::new()).await.unwrap();
    made.into_iter().for_each(|made| drop(made.unwrap()));
}

/// Watches how far a topic has grown.
pub struct Ends {
    consumer: BaseConsumer,
    topic: String,
}

impl Ends {
    /// Watches a topic.
    pub fn of(address: &str, topic: &str) -> Self {
        Self { consumer: consumer(address, Isolation::ReadCommitted), topic: topic.to_owned() }
    }

    /// The sum of its partitions' ends: records, and a few marks of transactions.
    pub fn sum(&self) -> u64 {
        let end = |partition| {
            let marks = self.consumer.fetch_watermarks(&self.topic, partition, PATIENCE);
            marks.map_or(0, |(_, end)| end.unsigned_abs())
        };
        (0..i32::try_from(PARTITIONS).unwrap()).map(end).sum()
    }
}

/// Topics that are filled, until they hold so many records.
pub struct Drain {
    address: String,
    topics: Vec<String>,
    events: u64,
}

impl Drain {
    /// Watches one topic.
    pub fn of(address: &str, topic: &str, events: u64) -> Self {
        Self::of_all(address, vec![topic.to_owned()], events)
    }

    /// Watches several topics together.
    pub fn of_all(address: &str, topics: Vec<String>, events: u64) -> Self {
        Self { address: address.to_owned(), topics, events }
    }

    /// Events per second over the middle eight tenths, without start and takeover.
    pub async fn rate(self) -> f64 {
        tokio::task::spawn_blocking(move || {
            let ends: Vec<_> =
                self.topics.iter().map(|topic| Ends::of(&self.address, topic)).collect();
            let until = |part: u64| loop {
                let sum: u64 = ends.iter().map(Ends::sum).sum();
                if sum >= self.events * part / 10 {
                    return (Instant::now(), sum);
                }
                std::thread::sleep(Duration::from_millis(50));
            };
            let ((begin, first), (end, last)) = (until(1), until(9));
            per_second(last - first, end - begin)
        })
        .await
        .unwrap()
    }
}

/// How many topics of that environment there are.
pub fn topics(address: &str, env: &str) -> usize {
    // While thousands of topics are created, a broker may not know all of them.
    let all = consumer(address, Isolation::ReadCommitted).fetch_metadata(None, PATIENCE);
    let is_ours = |name: &str| name.split('.').next() == Some(env);
    all.map_or(0, |all| all.topics().iter().filter(|topic| is_ours(topic.name())).count())
}

/// How many committed records a topic holds, each with a key of its own.
pub fn count(address: &str, topic: &str) -> u64 {
    let consumer = committed(address, topic);
    let (mut open, mut keys) = (PARTITIONS, HashSet::new());
    while open > 0 {
        match consumer.poll(PATIENCE) {
            Some(Ok(record)) => {
                let key = record.key().unwrap().to_vec();
                assert!(keys.insert(key), "{topic} has two records of a key: {record:?}");
            }
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => panic!("{topic}: {error}"),
            None => panic!("{topic} has no end: {} records so far", keys.len()),
        }
    }
    keys.len() as u64
}

/// A read_committed consumer of the records that come into a topic from now on.
pub fn committed_from_now(address: &str, topic: &str) -> BaseConsumer {
    committed_from(address, topic, PARTITIONS, Offset::End)
}

/// A read_committed consumer of a topic, from its first record on.
pub fn committed(address: &str, topic: &str) -> BaseConsumer {
    committed_from(address, topic, PARTITIONS, Offset::Beginning)
}

/// A read_committed consumer of a topic of so many partitions, from there on.
pub fn committed_from(address: &str, topic: &str, partitions: usize, from: Offset) -> BaseConsumer {
    let consumer = consumer(address, Isolation::ReadCommitted);
    assign_all(&consumer, &[topic], partitions, from);
    consumer
}
