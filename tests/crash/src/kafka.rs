//! Kafka as a plain consumer sees it.
//!
//! It speaks to any address, the embedded broker's too. A read ends at the end of every partition.
//! A transaction becomes visible some time after its commit has returned, once its markers are
//! written: read it with `consume_at_least`; to check that a record stays invisible, wait for a
//! later record that is visible.

mod broker;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::PATIENCE;

pub use broker::{Listener, PrivateBroker};

/// A record as a consumer saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: String,
    /// The number of a partition of the topic.
    pub partition: i32,
    /// In the partition.
    pub offset: i64,
    /// Empty when there is none.
    pub key: Vec<u8>,
    /// Empty when there is none.
    pub value: Vec<u8>,
    /// In their order.
    pub headers: Vec<(String, String)>,
    /// The record's own time, not the broker's.
    pub timestamp_ms: i64,
}

impl Record {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Returns whether a replay has sent it.
    pub fn is_replayed(&self) -> bool {
        self.header("replay_id").is_some()
    }

    /// The key as text.
    pub fn key(&self) -> &str {
        std::str::from_utf8(&self.key).unwrap()
    }
}

/// Which records a consumer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Records of committed transactions, up to the first open one.
    ReadCommitted,
    /// All records, like Java's consumer by default.
    ReadUncommitted,
}

impl Isolation {
    fn as_str(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read_committed",
            Self::ReadUncommitted => "read_uncommitted",
        }
    }
}

/// All records of a topic, or of all topics that begin with what stands before a final `*`: by
/// topic, partition and offset.
pub fn consume(address: &str, topics: &str, isolation: Isolation) -> Vec<Record> {
    let (reader, until) = (consumer(address, isolation), Instant::now() + PATIENCE);
    loop {
        if let Some(records) = consume_within(&reader, topics, PATIENCE) {
            return records;
        }
        assert!(Instant::now() < until, "{topics} has no end");
    }
}

/// The same, of a consumer; `None` if Kafka does not answer in time, or a topic is removed meanwhile.
pub fn consume_within(
    reader: &BaseConsumer,
    topics: &str,
    within: Duration,
) -> Option<Vec<Record>> {
    let until = Instant::now() + within;
    let wanted = |name: &str| match topics.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == topics,
    };
    let all = topics_within(reader, within)?;
    let mut records = Vec::new();
    for (topic, partitions) in all.iter().filter(|(name, _)| wanted(name)) {
        records.extend(read(reader, topic, *partitions, until)?);
    }
    let after = topics_within(reader, within)?;
    if all.keys().any(|name| wanted(name) && !after.contains_key(name)) {
        return None;
    }
    records
        .sort_by(|a, b| (&a.topic, a.partition, a.offset).cmp(&(&b.topic, b.partition, b.offset)));
    Some(records)
}

/// Committed records of such topics, once there are so many; panics when patience ends.
pub fn consume_at_least(address: &str, topics: &str, count: usize) -> Vec<Record> {
    let until = Instant::now() + PATIENCE;
    loop {
        let records = consume(address, topics, Isolation::ReadCommitted);
        if records.len() >= count {
            return records;
        }
        assert!(
            Instant::now() < until,
            "{topics} has {} records, not {count}: {records:?}",
            records.len()
        );
    }
}

/// Returns the number of partitions of a topic; `None` if the topic does not exist.
pub fn partitions(address: &str, topic: &str) -> Option<usize> {
    topics(address).remove(topic)
}

/// Waits until these topics have so many partitions each (0: they are gone), since a creation and a
/// deletion take a moment to become known.
pub fn assert_partitions(address: &str, wanted: &[(String, usize)]) {
    let until = Instant::now() + PATIENCE;
    loop {
        let topics = topics(address);
        let wrong: Vec<_> =
            wanted.iter().filter(|(name, n)| topics.get(name).unwrap_or(&0) != n).collect();
        if wrong.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "with other numbers of partitions: {wrong:?}");
    }
}

/// Returns all topics with their numbers of partitions.
pub fn topics(address: &str) -> HashMap<String, usize> {
    topics_within(&consumer(address, Isolation::ReadCommitted), PATIENCE).unwrap()
}

/// The same; `None` if Kafka does not answer in time.
pub fn topics_within(consumer: &BaseConsumer, within: Duration) -> Option<HashMap<String, usize>> {
    let metadata = consumer.fetch_metadata(None, within).ok()?;
    let topics = metadata.topics().iter();
    Some(topics.map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect())
}

/// Returns the ends of the partitions of all topics that begin so, once they have one; `None` if
/// Kafka does not answer in time.
pub fn ends(
    consumer: &BaseConsumer,
    prefix: &str,
    within: Duration,
) -> Option<BTreeMap<String, Vec<i64>>> {
    let metadata = consumer.fetch_metadata(None, within).ok()?;
    let topics = metadata.topics().iter().filter(|topic| topic.name().starts_with(prefix));
    let ends = topics.map(|topic| {
        let end = |partition: i32| {
            let (_, end) = consumer.fetch_watermarks(topic.name(), partition, within).ok()?;
            Some(end)
        };
        let ends: Option<Vec<i64>> = (0..).take(topic.partitions().len()).map(end).collect();
        Some((topic.name().to_owned(), ends.filter(|ends| !ends.is_empty())?))
    });
    ends.collect()
}

/// A consumer that belongs to no group, and is still to be assigned what it reads.
pub fn consumer(address: &str, isolation: Isolation) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("group.id", "nobody")
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "5")
        .set("isolation.level", isolation.as_str())
        .create()
        .unwrap()
}

/// Has it read these topics, each of that many partitions, from there on.
pub fn assign_all(
    consumer: &BaseConsumer,
    topics: &[impl AsRef<str>],
    partitions: usize,
    from: Offset,
) {
    let mut all = TopicPartitionList::new();
    for topic in topics {
        for partition in (0..).take(partitions) {
            all.add_partition_offset(topic.as_ref(), partition, from).unwrap();
        }
    }
    consumer.assign(&all).unwrap();
}

/// One topic at a time: the end of a partition doesn't tell of which topic. `None` if there is no end
/// in time.
fn read(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: usize,
    until: Instant,
) -> Option<Vec<Record>> {
    let mut open: BTreeSet<i32> = (0..).take(partitions).collect();
    assign_all(consumer, &[topic], partitions, Offset::Beginning);
    let mut records = Vec::new();
    while !open.is_empty() {
        if Instant::now() > until {
            return None;
        }
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => records.push(record(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
            Some(Err(_)) | None => {}
        }
    }
    Some(records)
}

/// Returns a record as it was received.
pub fn record(message: &BorrowedMessage<'_>) -> Record {
    let text =
        |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
    let headers =
        message.headers().map(|headers| headers.iter().map(|h| (h.key.to_owned(), text(h.value))));
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers.map(Iterator::collect).unwrap_or_default(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
    }
}
