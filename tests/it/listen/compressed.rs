//! Topics whose batches are compressed, as Kafka's clients read them.

#[cfg(feature = "services")]
use std::process::Command;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use crash::serve::{Serve, Setup};
use crash::until;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::protocol::StrBytes;

#[cfg(feature = "services")]
use crate::support::kafka_clients::{CONSOLE, libs, tool};
use crate::support::kafka_clients::{Got, Member, post, setup};
use crate::support::kafka_wire::Wire;
#[cfg(feature = "services")]
use crate::support::readers::{java, printed, python};

const TOPIC: &str = "folio.diku.inventory.item";

/// The set-up of a gateway whose items have one partition, compressed so.
fn compressed(compression: &str) -> Setup {
    setup(&["diku"], 1).for_each_tenant(&items(compression))
}

/// Returns a tenant's file, of items that are compressed so.
fn items(compression: &str) -> String {
    format!("[entities.\"inventory.item\"]\npartitions = 1\ncompression = \"{compression}\"\n")
}

/// Fetches the items in a version; returns the error, and the batches.
fn fetch(serve: &Serve, version: i16) -> (i16, Bytes) {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(StrBytes::from_static_str(TOPIC).into());
    let topic = topic.with_partitions(vec![partition]);
    let request = FetchRequest::default().with_min_bytes(1).with_topics(vec![topic]);
    let answer = Wire::connect(serve.broker()).ask(version, &request).unwrap();
    let part = answer.responses[0].partitions[0].clone();
    (part.error_code, part.records.unwrap_or_default())
}

/// Returns the number of the compression in a batch's attributes.
fn number(batch: &Bytes) -> i16 {
    (&batch[21..23]).get_i16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_s_batches_are_compressed_and_a_group_reads_them() {
    let mut bytes = Vec::new();
    for (compression, expected) in [("none", 0), ("lz4", 3), ("zstd", 4)] {
        let setup = compressed(compression);
        let (serve, got) = (setup.serve(), Arc::new(Got::default()));
        post(&serve, "diku", 0..60).await;
        let (error, batch) = fetch(&serve, 11);
        assert_eq!((error, number(&batch)), (0, expected), "{compression}");
        bytes.push(batch.len());
        let member = Member::join(serve.broker(), "cg.search", &got, &[]);
        until("the group has all", async || got.count() == 60).await;
        post(&serve, "diku", 60..70).await;
        until("the group has what is new", async || got.count() == 70).await;
        got.assert_in_order();
        member.leave();
        assert!(serve.terminate().success(), "{}", setup.log());
    }
    assert!(bytes[1] * 2 < bytes[0] && bytes[2] * 2 < bytes[0], "{bytes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_can_t_know_zstandard_is_told_so() {
    let unsupported = ResponseError::UnsupportedCompressionType.code();
    let setup = compressed("zstd");
    let serve = setup.serve();
    post(&serve, "diku", 0..20).await;
    for version in [4, 9] {
        assert_eq!(fetch(&serve, version), (unsupported, Bytes::new()), "{version}");
    }
    for version in [10, 12] {
        let (error, batch) = fetch(&serve, version);
        assert_eq!((error, number(&batch)), (0, 4), "{version}");
    }
    serve.kill();
    let setup = compressed("lz4");
    let serve = setup.serve();
    post(&serve, "diku", 0..20).await;
    let (error, batch) = fetch(&serve, 4);
    assert_eq!((error, number(&batch)), (0, 3), "any client knows LZ4");
}

#[cfg(feature = "services")]
#[tokio::test(flavor = "multi_thread")]
async fn java_s_consumer_and_kcat_read_what_is_compressed() {
    for compression in ["lz4", "zstd"] {
        let setup = compressed(compression);
        let serve = setup.serve();
        post(&serve, "diku", 0..60).await;
        let address = serve.broker();
        let read = ["--topic", TOPIC, "--from-beginning", "--max-messages", "60"];
        let read = tool(CONSOLE, address, &[&read[..], &["--timeout-ms", "60000"]].concat());
        let numbers = read.lines().filter(|line| line.contains("\"number\"")).count();
        assert_eq!(numbers, 60, "{compression}: {read}");

        let options = ["-q", "-b", address, "-C", "-e", "-t", TOPIC, "-f", "%k\n"];
        let read = Command::new("kcat").args(options).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&read.stdout).lines().count(), 60, "{read:?}");
        assert!(serve.terminate().success(), "{}", setup.log());
    }
}

/// The number of long items. Together they are more than one batch, and each batch is more than one
/// block of a compression.
#[cfg(feature = "services")]
const LONG: u64 = 40;

/// Posts items with long texts.
#[cfg(feature = "services")]
async fn post_long(serve: &Serve) {
    let client = reqwest::Client::new();
    for number in 0..LONG {
        let words = (0..1_500).map(|at| {
            let mixed = (number * 1_500 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!("{mixed:x} é 漢 ")
        });
        let text = words.collect::<Vec<_>>().concat();
        let change = serde_json::json!({"new": {"id": format!("é-{number}"), "text": text}});
        let post = client.post(format!("{}/domain-events/inventory/item", serve.url));
        let post = post.header("X-Okapi-Tenant", "diku").json(&change);
        assert_eq!(post.send().await.unwrap().status(), 201);
    }
}

/// Returns what each of the clients prints of the items.
#[cfg(feature = "services")]
async fn read_by_each(serve: &Serve, compression: &str) -> [Vec<String>; 3] {
    let groups = ["aiokafka", "confluent", "java"].map(|it| format!("cg.{it}-{compression}"));
    let given = groups.iter().map(|group| [serve.broker(), group, "^folio\\.diku\\..+"]);
    let given: Vec<_> = given.collect();
    let of_java = [&given[2][..], &["RangeAssignor"]].concat();
    let count = LONG as usize;
    let (aiokafka, confluent, java) = tokio::join!(
        printed(python("HEXKIT", "aiokafka_reader.py", &given[0]), count),
        printed(python("HEXKIT", "confluent_reader.py", &given[1]), count),
        printed(java(&libs(), "Reader", &of_java), count),
    );
    [aiokafka, confluent, java]
}

#[cfg(feature = "services")]
#[tokio::test(flavor = "multi_thread")]
async fn each_client_reads_compressed_records_byte_for_byte_as_it_reads_others() {
    let mut setup = compressed("none");
    let serve = setup.serve();
    post_long(&serve).await;
    let plain = read_by_each(&serve, "none").await;
    assert_eq!(number(&fetch(&serve, 11).1), 0);
    assert!(serve.terminate().success(), "{}", setup.log());
    for lines in &plain {
        assert!(lines == &plain[0] && lines.len() == LONG as usize);
        assert!(lines.iter().all(|line| line.contains("é 漢") && line.len() > 30_000));
    }
    for (compression, expected) in [("lz4", 3), ("zstd", 4)] {
        setup = setup.for_each_tenant(&items(compression));
        let serve = setup.serve();
        assert!(read_by_each(&serve, compression).await == plain, "{compression}");
        assert_eq!(number(&fetch(&serve, 11).1), expected, "{compression}");
        assert!(serve.terminate().success(), "{}", setup.log());
    }
}
