//! The bounds of a partition: a client that asks for what is not there is told so, and never gets
//! other records instead.

use crash::evidence::Logged;
use crash::{story, until};
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::protocol::StrBytes;
use reqwest::Client;
use serde_json::json;

use crate::support::kafka_clients::{post, setup};
use crate::support::kafka_wire::Wire;

const TOPIC: &str = "folio.diku.inventory.instance";
/// Kafka's number of an offset that is not there.
const OUT_OF_RANGE: i16 = 1;

fn fetch(wire: &mut Wire, offset: i64) -> PartitionData {
    let part = FetchPartition::default().with_fetch_offset(offset);
    let part = part.with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(StrBytes::from_static_str(TOPIC).into());
    let topics = vec![topic.with_partitions(vec![part])];
    let fetch = FetchRequest::default().with_max_bytes(1 << 20).with_topics(topics);
    wire.ask(11, &fetch).unwrap().responses.remove(0).partitions.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_before_the_floor_or_beyond_the_end_is_told_so() {
    let rules = "[entities.\"inventory.instance\"]\npartitions = 1\nlog_retention_ms = 1000\n";
    let setup = setup(&["diku"], 1).for_each_tenant(rules);
    let serve = setup.serve();
    for id in ["a", "b"] {
        let post = Client::new().post(format!("{}/domain-events/inventory/instance", serve.url));
        let post = post.header("X-Okapi-Tenant", "diku").json(&json!({"new": {"id": id}}));
        assert_eq!(post.send().await.unwrap().status(), 201);
    }
    post(&serve, "diku", 0..1).await;
    let mut wire = Wire::connect(serve.broker());
    let end = fetch(&mut wire, 0).high_watermark;
    let has = |log: &[Logged]| log.iter().any(|event| event.topic == TOPIC);
    until("they are removed", async || !has(&story::log(&serve.url, "diku").await)).await;
    // Whoever reads learns of the floor with what comes next.
    post(&serve, "diku", 1..2).await;
    until("the floor has risen", async || fetch(&mut wire, 1).error_code == OUT_OF_RANGE).await;

    let below = fetch(&mut wire, 1);
    assert!(below.log_start_offset > 1, "{below:?}");
    assert!(below.records.is_none_or(|records| records.is_empty()));
    let at_start = fetch(&mut wire, below.log_start_offset);
    assert_eq!((at_start.error_code, at_start.high_watermark), (0, end.max(3)));
    assert_eq!(fetch(&mut wire, end + 20).error_code, OUT_OF_RANGE);
    assert!(serve.terminate().success(), "{}", setup.log());
}
