//! The shared cluster that `scripts/services` started, and writes to any cluster.
//!
//! Tests share it by giving each its own `ENV`. A service that is missing is a failure.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crash::PATIENCE;
use crash::kafka::Record;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// Returns the shared cluster's `host:port`.
pub fn address() -> String {
    std::env::var("EVENT_GATEWAY_TEST_KAFKA").expect(
        "EVENT_GATEWAY_TEST_KAFKA isn't set: run ./test, or `scripts/services start` and `. \
         .services/env`",
    )
}

/// Returns an `ENV` that no other test has.
pub fn env() -> String {
    format!("test-{:016x}", RandomState::new().hash_one("env"))
}

/// Returns the settings of a topic that a test creates itself.
pub struct TestTopic<'a> {
    pub name: &'a str,
    pub partitions: i32,
    pub settings: &'a [(&'a str, &'a str)],
}

/// Creates a topic.
pub async fn create_topic(address: &str, topic: TestTopic<'_>) {
    let new = NewTopic::new(topic.name, topic.partitions, TopicReplication::Fixed(1));
    let new = topic.settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    let created = admin(address).create_topics(&[new], &options()).await.unwrap();
    assert_eq!(created, [Ok(topic.name.to_owned())]);
    super::assert_partitions(
        address,
        &[(topic.name.to_owned(), usize::try_from(topic.partitions).unwrap())],
    );
}

/// Creates a topic with replicas of each partition on given brokers, the first of which leads it.
pub async fn create_topic_on(
    address: &str,
    name: &str,
    brokers: &[&[i32]],
    settings: &[(&str, &str)],
) {
    let partitions = i32::try_from(brokers.len()).unwrap();
    let new = NewTopic::new(name, partitions, TopicReplication::Variable(brokers));
    let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    let created = admin(address).create_topics(&[new], &options()).await.unwrap();
    assert_eq!(created, [Ok(name.to_owned())]);
    super::assert_partitions(address, &[(name.to_owned(), brokers.len())]);
}

/// Writes to a partition under a transactional id, and aborts.
pub fn write_and_abort(address: &str, transactional_id: &str, topic: &str, partition: i32) {
    let producer = abort_open(address, transactional_id);
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::to(topic).partition(partition).key("x").payload("")).unwrap();
    producer.flush(PATIENCE).unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
}

/// Deletes a topic.
pub async fn delete_topic(address: &str, topic: &str) {
    let deleted = admin(address).delete_topics(&[topic], &options()).await.unwrap();
    assert_eq!(deleted, [Ok(topic.to_owned())]);
    super::assert_partitions(address, &[(topic.to_owned(), 0)]);
}

/// Gives a topic a number of partitions.
pub async fn add_partitions(address: &str, topic: &str, partitions: usize) {
    let wider = NewPartitions::new(topic, partitions);
    let done = admin(address).create_partitions(&[wider], &options()).await.unwrap();
    assert_eq!(done, [Ok(topic.to_owned())]);
    super::assert_partitions(address, &[(topic.to_owned(), partitions)]);
}

/// Returns a topic's settings.
pub async fn settings(address: &str, topic: &str) -> HashMap<String, String> {
    let asked = [ResourceSpecifier::Topic(topic)];
    let mut answers = admin(address).describe_configs(&asked, &options()).await.unwrap();
    let entries = answers.remove(0).unwrap().entries;
    entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

/// Sets one setting of a topic.
pub async fn set(address: &str, topic: &str, name: &str, value: &str) {
    set_all(address, topic, &[(name, value.to_owned())]).await;
}

/// Sets these settings of a topic, and removes all others.
pub async fn set_all(address: &str, topic: &str, settings: &[(&str, String)]) {
    let config = AlterConfig::new(ResourceSpecifier::Topic(topic));
    let config = settings.iter().fold(config, |config, (name, value)| config.set(name, value));
    let done = admin(address).alter_configs(&[config], &options()).await.unwrap();
    assert!(done[0].is_ok(), "{done:?}");
}

/// Writes a record with a text to a partition.
pub fn produce(address: &str, topic: &str, partition: i32, text: &str) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    producer.send(BaseRecord::to(topic).partition(partition).key(text).payload(text)).unwrap();
    producer.flush(PATIENCE).unwrap();
}

/// Writes a record that was consumed once more, to its own partition.
pub fn produce_again(address: &str, record: &Record) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    let header = |all: OwnedHeaders, (key, value): &(String, String)| {
        all.insert(Header { key, value: Some(value) })
    };
    let again = BaseRecord::to(&record.topic)
        .partition(record.partition)
        .key(&record.key)
        .payload(&record.value)
        .timestamp(record.timestamp_ms)
        .headers(record.headers.iter().fold(OwnedHeaders::new(), header));
    producer.send(again).unwrap();
    producer.flush(PATIENCE).unwrap();
}

/// Aborts the transaction that was left open under a transactional id, of which nothing was ever
/// committed.
pub fn abort_open(address: &str, transactional_id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("transactional.id", transactional_id)
        // Kafka doesn't end it by itself while a test lasts.
        .set("transaction.timeout.ms", "600000")
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

/// Begins a page under a transactional id, writes its one record, and leaves the transaction open.
pub fn leave_open(address: &str, transactional_id: &str, topic: &str, partition: i32) {
    let producer = abort_open(address, transactional_id);
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::to(topic).partition(partition).key("open").payload("open")).unwrap();
    producer.flush(PATIENCE).unwrap();
}

fn admin(address: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", address).create().unwrap()
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}
