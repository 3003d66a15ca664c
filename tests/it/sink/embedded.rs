//! The embedded broker, as a plain Kafka client sees it.
//!
//! It needs no service, since it runs in this process.

use std::sync::Arc;

use event_gateway::domain::topic::TopicSpec;
use event_gateway::sink::{Config, Preview, open};

use crate::support::services::kafka::envelopes::{Log, assert_same, topic};
use crate::support::services::kafka::{Isolation, consume, partitions};

fn preview() -> Arc<dyn Preview> {
    open(&[Config::Embedded]).unwrap().preview.expect("it is the preview")
}

fn spec(name: &str, partitions: u16) -> TopicSpec {
    TopicSpec { topic: topic(name), partitions, retention_ms: -1, compacted: false }
}

#[tokio::test]
async fn a_consumer_of_the_embedded_broker_sees_keys_headers_time_and_bytes_in_order() {
    let (preview, mut log) = (preview(), Log::new("diku"));
    preview.ensure(&[spec("folio.diku.inventory.item", 1)]).await.unwrap();
    let events: Vec<_> = (0..100)
        .map(|n| {
            log.event(
                "folio.diku.inventory.item",
                &format!("key-{}", n % 7),
                format!("{{\"n\": {n}.10}}"),
            )
        })
        .collect();
    for part in events.chunks(30) {
        preview.send(part.to_vec()).await.unwrap();
    }
    let records = consume(preview.address(), "folio.diku.inventory.item", Isolation::ReadCommitted);
    assert_eq!(records.len(), events.len());
    for (record, event) in records.iter().zip(&events) {
        assert_same(record, event);
    }
}

#[tokio::test]
async fn ensure_gives_each_embedded_topic_its_partitions_and_may_be_repeated() {
    let preview = preview();
    let specs = [spec("a", 1), spec("b", 3)];
    for _ in 0..2 {
        preview.ensure(&specs).await.unwrap();
    }
    assert_eq!(
        ["a", "b", "c"].map(|name| partitions(preview.address(), name)),
        [Some(1), Some(3), None]
    );
}

#[tokio::test]
async fn a_large_backlog_is_sent_whole_and_the_newest_of_it_is_kept() {
    let (preview, mut log) = (preview(), Log::new("diku"));
    preview.ensure(&[spec("folio.diku.inventory.item", 4)]).await.unwrap();
    let big = format!("\"{}\"", "x".repeat(2_000));
    let events = (0..10_000)
        .map(|n| log.event("folio.diku.inventory.item", &format!("key-{n}"), big.clone()));
    preview.send(events.collect()).await.unwrap();
    let records = consume(preview.address(), "folio.diku.inventory.item", Isolation::ReadCommitted);
    let newest =
        records.iter().filter_map(|record| record.header("position")?.parse::<u64>().ok()).max();
    assert_eq!(newest, Some(10_000));
}
