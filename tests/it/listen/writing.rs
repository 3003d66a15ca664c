//! Nobody writes records to the listener, and whoever tries is told so; nobody who writes half a
//! request holds others up.

use std::time::Duration;

use crash::until;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::kafka_clients::setup;

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
