//! Actors of the stories about the listener: a gateway that Kafka's clients reach, and members of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crash::serve::{Serve, Setup, get};
use crash::{ports, until};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::serve;

/// The topics of all tenants' items, as FOLIO's modules subscribe to them.
pub const ITEMS: &str = r"^folio\.[a-z0-9_]+\.inventory\.item$";

/// The longest time that a member is let to close.
const CLOSES_WITHIN: Duration = Duration::from_secs(30);

/// The set-up of a gateway whose items have so many partitions, and whose address for Kafka's
/// clients stays the same.
pub fn setup(tenants: &[&str], partitions: u16) -> Setup {
    let [port] = ports::free();
    let setup = serve::setup(tenants).with("ENV", "folio").with("KAFKA_LISTEN_PORT", port);
    setup.for_each_tenant(&format!("[entities.\"inventory.item\"]\npartitions = {partitions}\n"))
}

/// Returns the class path of Kafka's own clients and tools.
pub fn libs() -> String {
    format!("{}/libs/*", std::env::var("EVENT_GATEWAY_TEST_KAFKA_HOME").unwrap())
}

/// The tool of Kafka's that prints what it reads.
pub const CONSOLE: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/// Runs one of Kafka's tools; returns what it prints.
pub fn tool(class: &str, address: &str, arguments: &[&str]) -> String {
    tool_on(&[], class, address, arguments)
}

/// The same, on a Java that has more options.
pub fn tool_on(java: &[&str], class: &str, address: &str, arguments: &[&str]) -> String {
    let run = Command::new("java")
        .args(java)
        .args(["-Xmx256m", "-cp", &libs(), class])
        .args(["--bootstrap-server", address])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let error = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{class} {arguments:?}: {said}{error}");
    said
}

/// Posts items whose keys go round among so many, each with a number that only rises.
pub async fn post(serve: &Serve, tenant: &str, numbers: std::ops::Range<u64>) {
    post_with(&Client::new(), serve, &[("X-Okapi-Tenant", tenant)], numbers).await;
}

/// The same, by a client with headers.
pub async fn post_with(
    client: &Client,
    serve: &Serve,
    headers: &[(&str, &str)],
    numbers: std::ops::Range<u64>,
) {
    for number in numbers {
        let request = client.post(format!("{}{ITEM_PATH}", serve.url));
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        let answer = request.json(&item(number)).send();
        assert_eq!(answer.await.unwrap().status(), 201);
    }
}

/// The path to which items are posted.
pub const ITEM_PATH: &str = "/domain-events/inventory/item";

/// Returns the change that creates the item of a number.
pub fn item(number: u64) -> Value {
    json!({"new": {"id": format!("item-{}", number % 7), "number": number}})
}

/// The items that the members of a group have got: of each tenant's key, the numbers in their
/// order.
#[derive(Default)]
pub struct Got {
    items: Mutex<BTreeMap<(String, String), Vec<u64>>>,
    /// The items of all members, if these are the items of one.
    all: Option<Arc<Got>>,
}

impl Got {
    /// Makes the list of the items of one member, which are noted among those of all too.
    pub fn of_member(all: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self { all: Some(all.clone()), ..Self::default() })
    }

    /// Notes an item.
    pub fn note(&self, topic: &str, key: &str, value: &[u8]) {
        let read: Value = serde_json::from_slice(value).unwrap();
        let number = read["new"]["number"].as_u64().unwrap();
        let mut items = self.items.lock().unwrap();
        items.entry((topic.to_owned(), key.to_owned())).or_default().push(number);
        drop(items);
        if let Some(all) = &self.all {
            all.note(topic, key, value);
        }
    }

    /// Returns how many different items have come.
    pub fn count(&self) -> usize {
        self.count_from(0)
    }

    /// Returns how many different items have come that have this number or a greater one.
    pub fn count_from(&self, least: u64) -> usize {
        let items = self.items.lock().unwrap();
        let distinct = |numbers: &Vec<u64>| {
            let mut numbers: Vec<_> = numbers.iter().filter(|it| **it >= least).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers.len()
        };
        items.values().map(distinct).sum()
    }

    /// Returns the topics and keys of the items that have come with this number or a greater one.
    pub fn keys_from(&self, least: u64) -> BTreeSet<(String, String)> {
        let items = self.items.lock().unwrap();
        let later = items.iter().filter(|(_, numbers)| numbers.iter().any(|it| *it >= least));
        later.map(|(key, _)| key.clone()).collect()
    }

    /// Checks that each key's items have come in order, apart from those that came again: whoever
    /// goes on does so at or before what is new to it.
    pub fn assert_in_order(&self) {
        for (key, numbers) in self.items.lock().unwrap().iter() {
            let mut newest = None;
            for number in numbers {
                let before = numbers.iter().filter(|it| *it < number).max();
                assert!(
                    newest >= before || newest >= Some(number),
                    "{key:?}: {number} came before {before:?}: {numbers:?}"
                );
                newest = newest.max(Some(number));
            }
        }
    }
}

/// Waits until nobody reads for a group of `diku`, so that it may be moved.
pub async fn nobody_reads(serve: &Serve, group: &str) {
    let shown = format!("{}/subscriptions/{group}", serve.url);
    until("nobody reads", async || get(&shown, "diku").await["reader"].is_null()).await;
}

/// Returns all metrics of a gateway by what stands before their values, the listener's own without
/// its name.
pub async fn metrics(serve: &Serve) -> BTreeMap<String, f64> {
    let answer = reqwest::get(format!("{}/metrics", serve.url)).await.unwrap();
    let text = answer.text().await.unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("event_gateway_"));
    let parts = lines.map(|line| line.rsplit_once(' ').unwrap());
    let short = |name: &str| name.trim_start_matches("listener_").to_owned();
    parts.map(|(name, value)| (short(name), value.parse().unwrap())).collect()
}

/// Returns how many logins a gateway has refused, by those causes that there were.
pub async fn logins_refused(serve: &Serve) -> BTreeMap<String, u64> {
    let answer = reqwest::get(format!("{}/metrics", serve.url)).await.unwrap();
    let text = answer.text().await.unwrap();
    let name = "event_gateway_listener_logins_refused_total{cause=\"";
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let parts = lines.map(|line| line.split_once("\"} ").unwrap());
    let counts = parts.map(|(cause, count)| (cause.to_owned(), count.parse().unwrap()));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// Commits offsets of a topic for a group without members.
pub fn commit(address: &str, group: &str, topic: &str, offsets: &BTreeMap<i32, i64>) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("group.id", group);
    let client: BaseConsumer = config.create().unwrap();
    let mut all = TopicPartitionList::new();
    for (partition, offset) in offsets {
        all.add_partition_offset(topic, *partition, Offset::Offset(*offset)).unwrap();
    }
    client.commit(&all, CommitMode::Sync).unwrap();
}

/// A member of a group, in a thread of its own.
pub struct Member {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    /// Lets a member read all tenants' items.
    pub fn join(address: &str, group: &str, got: &Arc<Got>, more: &[(&str, &str)]) -> Self {
        Self::of_topics(address, group, got, ITEMS, more)
    }

    /// Lets a member read a topic.
    pub fn join_topic(address: &str, group: &str, got: &Arc<Got>, topic: &str) -> Self {
        Self::of_topics(address, group, got, topic, &[])
    }

    /// Lets a member read the topics that a name or a pattern has.
    pub fn of_topics(
        address: &str,
        group: &str,
        got: &Arc<Got>,
        topics: &str,
        more: &[(&str, &str)],
    ) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", address)
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("session.timeout.ms", "6000")
            .set("topic.metadata.refresh.interval.ms", "1000")
            .set("reconnect.backoff.max.ms", "500");
        for (name, value) in more {
            config.set(*name, *value);
        }
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[topics]).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, got) = (stop.clone(), got.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
                let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
                got.note(message.topic(), &key, message.payload().unwrap());
                // A commit may fail while the gateway is away: the item comes again then.
                let _ = consumer.commit_message(&message, CommitMode::Sync);
            }
        });
        Self { stop, thread: Some(thread) }
    }

    /// Lets the member leave.
    pub fn leave(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let asked = Instant::now();
            while !thread.is_finished() && asked.elapsed() < CLOSES_WITHIN {
                std::thread::sleep(Duration::from_millis(5));
            }
            // Now and then librdkafka waits without end for an answer of its own thread that has
            // ended already, when a rebalance comes with the close.
            if thread.is_finished() {
                thread.join().unwrap();
            }
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop();
    }
}
