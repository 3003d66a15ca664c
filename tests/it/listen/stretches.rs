//! Long stretches of a log without an event of the partition that somebody reads.

use std::process::Command;
use std::time::Duration;

use bytes::{Buf, Bytes};
use crash::kafka::{Isolation, assign_all, consumer, record};
use crash::serve::Serve;
use crash::until;
use event_gateway::domain::partition;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::protocol::StrBytes;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::kafka_clients::{CONSOLE, ITEM_PATH, setup, tool};
use crate::support::kafka_wire::Wire;
use crate::support::readers::{printed, python};
use crate::support::sqlite::repeat;

const TOPIC: &str = "folio.diku.inventory.item";

/// The number of events of the other partition: more than one request looks at.
const OTHERS: usize = 10_000;
/// The same, where librdkafka would give up if each answer told of a record that is too large.
const MANY_OTHERS: usize = 210_000;
/// The number of changes in one request.
const AT_ONCE: usize = 1_000;

/// The title that the one event of the first partition has.
const TITLE: &str = "the only one";

/// Returns a key whose events are in a partition, of two.
fn key_of(partition: usize) -> String {
    let mut keys = (0..).map(|number| format!("key-{number}"));
    keys.find(|key| partition::of_key(key.as_bytes(), 2) == partition).unwrap()
}

/// Posts changes in one request.
async fn post(serve: &Serve, changes: &[Value]) {
    let post = Client::new().post(format!("{}{ITEM_PATH}", serve.url));
    let answer = post.header("X-Okapi-Tenant", "diku").json(changes).send().await.unwrap();
    assert_eq!(answer.status(), 201);
}

/// Fetches the first partition from its start; returns the batches.
fn fetch(address: &str) -> Bytes {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(StrBytes::from_static_str(TOPIC).into());
    let topic = topic.with_partitions(vec![partition]);
    let request = FetchRequest::default().with_topics(vec![topic]);
    let request = request.with_min_bytes(1).with_max_wait_ms(60_000);
    let answer = Wire::connect(address).ask(11, &request).unwrap();
    let part = &answer.responses[0].partitions[0];
    assert_eq!(part.error_code, 0, "{part:?}");
    part.records.clone().unwrap_or_default()
}

/// Returns the values that Java's console consumer prints of the first partition.
fn by_java(address: &str) -> Vec<String> {
    let part = ["--topic", TOPIC, "--partition", "0", "--offset", "earliest"];
    let ends = ["--max-messages", "1", "--timeout-ms", "120000"];
    let committed = ["--isolation-level", "read_committed"];
    let printed = tool(CONSOLE, address, &[&part[..], &ends, &committed].concat());
    printed.lines().filter(|line| line.contains('{')).map(str::to_owned).collect()
}

/// Returns what kcat prints of it until its end.
fn by_kcat(address: &str) -> Vec<String> {
    let options = ["-q", "-b", address, "-C", "-e", "-o", "beginning"];
    let partition = ["-t", TOPIC, "-p", "0", "-f", "%s\n"];
    let read = Command::new("kcat").args(options).args(partition).output().unwrap();
    assert!(read.status.success(), "{read:?}");
    String::from_utf8(read.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Returns what librdkafka gives of it until its end.
async fn by_librdkafka(address: &str) -> Vec<String> {
    let reader = consumer(address, Isolation::ReadCommitted);
    assign_all(&reader, &[TOPIC], 1, Offset::Beginning);
    let mut values = Vec::new();
    until("it is at the end", async || match reader.poll(Duration::from_millis(100)) {
        Some(Ok(message)) => {
            values.push(String::from_utf8(record(&message).value).unwrap());
            false
        }
        Some(Err(KafkaError::PartitionEOF(0))) => true,
        Some(Err(error)) => {
            let too_large = Some(RDKafkaErrorCode::MessageSizeTooLarge);
            assert_ne!(error.rdkafka_error_code(), too_large, "{error}");
            false
        }
        None => false,
    })
    .await;
    values
}

/// Returns what aiokafka gives of it.
async fn by_aiokafka(address: &str) -> Vec<String> {
    printed(python("HEXKIT", "aiokafka_partition.py", &[address, TOPIC, "0"]), 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_led_over_a_stretch_of_others_events_to_the_only_one_of_its_partition() {
    let setup = setup(&["diku"], 2);
    let serve = setup.serve();
    let others = vec![json!({"new": {"id": key_of(1)}}); AT_ONCE];
    for _ in 0..OTHERS / AT_ONCE {
        post(&serve, &others).await;
    }
    post(&serve, &[json!({"new": {"id": key_of(0), "title": TITLE}})]).await;
    assert!(serve.terminate().success(), "{}", setup.log());

    // Each one asks a gateway that keeps nothing of the log in memory yet.
    let serve = setup.serve();
    let batch = fetch(serve.broker());
    let (last, attributes) = ((&batch[..8]).get_i64(), (&batch[21..23]).get_i16());
    assert_eq!((batch.len(), attributes), (78, 0x20), "it is a marker: {batch:?}");
    assert!((1..=OTHERS as i64).contains(&last), "it leads over what was looked at: {last}");
    assert!(serve.terminate().success(), "{}", setup.log());
    for client in ["Java", "aiokafka", "librdkafka", "kcat"] {
        let serve = setup.serve();
        let values = match client {
            "Java" => by_java(serve.broker()),
            "aiokafka" => by_aiokafka(serve.broker()).await,
            "librdkafka" => by_librdkafka(serve.broker()).await,
            _ => by_kcat(serve.broker()),
        };
        assert!(values.len() == 1 && values[0].contains(TITLE), "{client}: {values:?}");
        assert!(serve.terminate().success(), "{}", setup.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_of_others_events_is_as_long_as_it_likes_and_librdkafka_is_led_over_all_of_it() {
    let setup = setup(&["diku"], 2);
    let serve = setup.serve();
    post(&serve, &[json!({"new": {"id": key_of(1)}})]).await;
    assert!(serve.terminate().success(), "{}", setup.log());
    repeat(&setup, MANY_OTHERS);
    let serve = setup.serve();
    post(&serve, &[json!({"new": {"id": key_of(0), "title": TITLE}})]).await;
    for (client, values) in
        [("librdkafka", by_librdkafka(serve.broker()).await), ("kcat", by_kcat(serve.broker()))]
    {
        assert!(values.len() == 1 && values[0].contains(TITLE), "{client}: {values:?}");
    }
    assert!(serve.terminate().success(), "{}", setup.log());
}
