//! Real clusters: the shared one that `scripts/services` started, and private ones to be killed.
//!
//! Tests share a cluster by giving each its own `ENV`. A service that is missing is a failure.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tempfile::TempDir;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// The shared cluster's `host:port`.
pub fn address() -> String {
    std::env::var("EVENT_GATEWAY_TEST_KAFKA").expect(
        "EVENT_GATEWAY_TEST_KAFKA isn't set: run ./test, or `scripts/services start` and `. .services/env`",
    )
}

/// An `ENV` that no other test has.
pub fn env() -> String {
    format!("test-{:016x}", RandomState::new().hash_one("env"))
}

/// A topic to be created by a test itself.
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
    super::assert_partitions(address, &[(topic.name.to_owned(), usize::try_from(topic.partitions).unwrap())]);
}

/// Deletes a topic.
pub async fn delete_topic(address: &str, topic: &str) {
    let deleted = admin(address).delete_topics(&[topic], &options()).await.unwrap();
    assert_eq!(deleted, [Ok(topic.to_owned())]);
}

/// A topic's settings.
pub async fn settings(address: &str, topic: &str) -> HashMap<String, String> {
    let asked = [ResourceSpecifier::Topic(topic)];
    let mut answers = admin(address).describe_configs(&asked, &options()).await.unwrap();
    let entries = answers.remove(0).unwrap().entries;
    entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

/// Sets one setting of a topic.
pub async fn set(address: &str, topic: &str, name: &str, value: &str) {
    let config = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
    let done = admin(address).alter_configs(&[config], &options()).await.unwrap();
    assert!(done[0].is_ok(), "{done:?}");
}

/// Puts a record of that text into a partition.
pub fn produce(address: &str, topic: &str, partition: i32, text: &str) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
    producer.send(BaseRecord::to(topic).partition(partition).key(text).payload(text)).unwrap();
    producer.flush(READY_WITHIN).unwrap();
}

/// Begins a page under that transactional id, has its one record written, and ends there.
pub fn leave_open(address: &str, transactional_id: &str, topic: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("transactional.id", transactional_id)
        .create()
        .unwrap();
    producer.init_transactions(READY_WITHIN).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::to(topic).partition(0).key("open").payload("open")).unwrap();
    producer.flush(READY_WITHIN).unwrap();
}

fn admin(address: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", address).create().unwrap()
}

fn options() -> AdminOptions {
    let patience = Some(Duration::from_secs(20));
    AdminOptions::new().operation_timeout(patience).request_timeout(patience)
}

/// A Kafka of one test's own: it may be killed, and goes on with the same ports and data.
pub struct PrivateBroker {
    folder: TempDir,
    port: u16,
    controller_port: u16,
    running: Option<Child>,
}

impl PrivateBroker {
    /// Starts it on free ports, and waits until it is ready.
    pub fn start() -> Self {
        let [port, controller_port] = free_ports();
        let folder = tempfile::tempdir().unwrap();
        let mut broker = Self { folder, port, controller_port, running: None };
        broker.restart();
        broker
    }

    /// Its `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// SIGKILL, and waits for the death.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again with the same ports and data, and waits until it is ready.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka/broker");
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(script);
        command.arg(self.folder.path().join("kafka"));
        command.args([self.port, self.controller_port].map(|port| port.to_string()));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running = Some(command.spawn().unwrap());
        self.await_ready();
    }

    fn await_ready(&mut self) {
        let until = Instant::now() + READY_WITHIN;
        let asking: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", self.address()).create().unwrap();
        while !asking.fetch_metadata(None, Duration::from_secs(1)).is_ok_and(|m| m.brokers().len() == 1) {
            let ended = self.running.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some());
            if ended || Instant::now() > until {
                panic!("Kafka didn't start: {}", std::fs::read_to_string(self.log()).unwrap_or_default());
            }
        }
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Different ones: both sockets are open at once.
fn free_ports() -> [u16; 2] {
    let sockets = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}
