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
use crate::support::kafka_clients::{CONSOLE, tool};
use crate::support::kafka_clients::{Got, Member, post, setup};
use crate::support::kafka_wire::Wire;

const TOPIC: &str = "folio.diku.inventory.item";

/// The set-up of a gateway whose items have one partition, compressed so.
fn compressed(compression: &str) -> Setup {
    let more = format!("partitions = 1\ncompression = \"{compression}\"\n");
    setup(&["diku"], 1).for_each_tenant(&format!("[entities.\"inventory.item\"]\n{more}"))
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
