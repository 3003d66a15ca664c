//! Nobody writes records to the listener, and whoever tries is told so; nobody who writes half a
//! request holds others up.

use std::time::Duration;

use crash::{story, until};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest};
use kafka_protocol::protocol::StrBytes;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::kafka_clients::setup;
use crate::support::kafka_wire::Wire;

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_is_refused_and_the_log_says_where_to_post() {
    let setup = setup(&["diku"], 1);
    let serve = setup.serve();
    for (tried, idempotent) in [(1, "false"), (2, "true")] {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", serve.broker())
            .set("enable.idempotence", idempotent)
            // Whoever drops a producer waits for what it has not sent.
            .set("message.timeout.ms", "2000")
            .create()
            .unwrap();
        let record = BaseRecord::to("folio.diku.inventory.item").key("a").payload("{}");
        producer.send(record).unwrap();
        let told = "nobody can here: modules post their changes to /domain-events";
        until("the log tells it once", async || {
            producer.poll(Duration::from_millis(10));
            setup.log().matches(told).count() == tried
        })
        .await;
    }
    assert!(serve.terminate().success());
}

/// Kafka's numbers of what is refused: to write to a topic, and to write at all.
const TOPIC_DENIED: i16 = 29;
const CLUSTER_DENIED: i16 = 31;

#[tokio::test(flavor = "multi_thread")]
async fn no_record_of_a_producer_counts_as_written() {
    let setup = setup(&["diku"], 1);
    let serve = setup.serve();
    let mut wire = Wire::connect(serve.broker());
    let topic = StrBytes::from_static_str("folio.diku.inventory.item");
    let part = PartitionProduceData::default().with_records(Some("any".into()));
    let data = TopicProduceData::default().with_name(topic.into());
    let data = vec![data.with_partition_data(vec![part])];
    let produce = |acks| ProduceRequest::default().with_acks(acks).with_topic_data(data.clone());
    for version in 3..=9 {
        for acks in [1, -1] {
            let answer = wire.ask(version, &produce(acks)).unwrap();
            let refused = &answer.responses[0].partition_responses[0];
            assert_eq!(refused.error_code, TOPIC_DENIED, "{version} {acks}");
        }
        // Nobody reads an answer to this: the next one is that of the next request.
        wire.tell(version, &produce(0));
    }
    let id = InitProducerIdRequest::default().with_transactional_id(None);
    let given = wire.ask(1, &id).unwrap();
    assert_eq!((given.error_code, given.producer_id.0), (CLUSTER_DENIED, -1));
    assert!(story::log(&serve.url, "diku").await.is_empty());
    assert!(serve.terminate().success(), "{}", setup.log());
}

/// A client that has sent half a frame keeps no stop from succeeding, and no other client from
/// being answered.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_send_half_a_frame_hold_up_nobody() {
    let setup = setup(&["diku"], 1);
    let serve = setup.serve();
    let mut halves = Vec::new();
    for _ in 0..100 {
        let mut half = TcpStream::connect(serve.broker()).await.unwrap();
        // It says 4 MiB, and sends four bytes.
        half.write_all(&[0, 0x40, 0, 0, 0, 3, 0, 1]).await.unwrap();
        halves.push(half);
    }
    let asking: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", serve.broker()).create().unwrap();
    let metadata = asking.fetch_metadata(None, Duration::from_secs(10)).unwrap();
    assert_eq!(metadata.brokers().len(), 1);
    assert!(serve.terminate().success(), "{}", setup.log());
}
