//! A private Kafka, which may be killed, and goes on with the same ports and data.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::PATIENCE;
use crate::folder::Folder;
use crate::{ports, root};

/// Another listener, for clients behind a proxy.
#[derive(Debug, Clone, Copy)]
pub struct Listener {
    /// Where Kafka listens.
    pub port: u16,
    /// The port that it advertises to them: the proxy's.
    pub told: u16,
}

/// Which broker of a cluster it is.
struct Node {
    number: i32,
    brokers: usize,
    cluster_id: String,
}

/// A private Kafka, which may be killed, and goes on with the same ports and data.
pub struct PrivateBroker {
    folder: Folder,
    port: u16,
    controller_port: u16,
    listeners: Vec<Listener>,
    running: Option<Child>,
    node: Node,
}

impl PrivateBroker {
    /// Starts it on free ports, and waits until it is ready.
    pub fn start() -> Self {
        Self::start_in(Folder::own(), &[])
    }

    /// The same, in that folder, with more ways in.
    pub fn start_in(folder: Folder, listeners: &[Listener]) -> Self {
        let [port, controller_port] = ports::free();
        let node = Node { number: 1, brokers: 1, cluster_id: cluster_id() };
        let listeners = listeners.to_vec();
        let mut broker = Self { folder, port, controller_port, listeners, running: None, node };
        broker.restart();
        broker
    }

    /// Starts brokers of one cluster; the first, which is the controller, must not be killed. Each
    /// broker has a replica of Kafka's own topics.
    pub fn cluster(brokers: usize) -> Vec<Self> {
        let ([controller_port], cluster_id) = (ports::free(), cluster_id());
        let started = (1..).take(brokers).map(|number| {
            let ([port], cluster_id) = (ports::free(), cluster_id.clone());
            let node = Node { number, brokers, cluster_id };
            let (folder, listeners) = (Folder::own(), Vec::new());
            let mut broker = Self { folder, port, controller_port, listeners, running: None, node };
            broker.restart();
            broker
        });
        started.collect()
    }

    /// The broker's `host:port`.
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
        let script = root().join("scripts/kafka/broker");
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(script);
        command.arg(self.folder.path().join("kafka"));
        command.args([self.port, self.controller_port].map(|port| port.to_string()));
        command.args(
            self.listeners.iter().map(|listener| format!("{}:{}", listener.port, listener.told)),
        );
        command.env("KAFKA_NODE", self.node.number.to_string());
        command.env("KAFKA_CLUSTER_ID", &self.node.cluster_id);
        command.env("KAFKA_REPLICAS", self.node.brokers.to_string());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running = Some(command.spawn().unwrap());
        self.await_ready();
    }

    fn await_ready(&mut self) {
        let until = Instant::now() + PATIENCE;
        let asking: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", self.address()).create().unwrap();
        let number = self.node.number;
        let answers = || {
            let told = asking.fetch_metadata(None, Duration::from_secs(1));
            told.is_ok_and(|told| told.brokers().iter().any(|broker| broker.id() == number))
        };
        while !answers() {
            let ended =
                self.running.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some());
            if ended || Instant::now() > until {
                panic!(
                    "Kafka didn't start: {}",
                    std::fs::read_to_string(self.log()).unwrap_or_default()
                );
            }
        }
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }
}

/// One that no other cluster has.
fn cluster_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(21).chain(['A']).collect()
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        self.kill();
    }
}
