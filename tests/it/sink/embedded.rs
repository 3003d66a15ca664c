//! The embedded broker, as a plain Kafka client sees it.
//!
//! Needs no service: it runs in this process.

use std::sync::Arc;

use event_gateway::domain::topic::TopicSpec;
use event_gateway::sink::{Config, Opened, Preview, open};

use crate::support::services::kafka::envelopes::{Log, assert_same, topic};
use crate::support::services::kafka::{Isolation, consume, partitions};

fn mirror() -> Arc<dyn Preview> {
    let Ok(Opened::Embedded(mirror)) = open(&Config::Embedded) else { panic!("no mirror") };
    mirror
}

fn spec(name: &str, partitions: u16) -> TopicSpec {
    TopicSpec { topic: topic(name), partitions, retention_ms: -1, compacted: false }
}

#[tokio::test]
async fn a_consumer_of_the_embedded_broker_sees_keys_headers_time_and_bytes_in_order() {
    let (mirror, mut log) = (mirror(), Log::new("diku"));
    mirror.ensure(&[spec("folio.diku.inventory.item", 1)]).await.unwrap();
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
        mirror.send(part.to_vec()).await.unwrap();
    }
    let records = consume(mirror.address(), "folio.diku.inventory.item", Isolation::ReadCommitted);
    assert_eq!(records.len(), events.len());
    for (record, event) in records.iter().zip(&events) {
        assert_same(record, event);
    }
}

#[tokio::test]
async fn ensure_gives_each_embedded_topic_its_partitions_and_may_be_repeated() {
    let mirror = mirror();
    let specs = [spec("a", 1), spec("b", 3)];
    for _ in 0..2 {
        mirror.ensure(&specs).await.unwrap();
    }
    assert_eq!(
        ["a", "b", "c"].map(|name| partitions(mirror.address(), name)),
        [Some(1), Some(3), None]
    );
}

#[tokio::test]
async fn a_large_backlog_is_sent_whole_and_the_newest_of_it_is_kept() {
    let (mirror, mut log) = (mirror(), Log::new("diku"));
    mirror.ensure(&[spec("folio.diku.inventory.item", 4)]).await.unwrap();
    let big = format!("\"{}\"", "x".repeat(2_000));
    let events = (0..10_000)
        .map(|n| log.event("folio.diku.inventory.item", &format!("key-{n}"), big.clone()));
    mirror.send(events.collect()).await.unwrap();
    let records = consume(mirror.address(), "folio.diku.inventory.item", Isolation::ReadCommitted);
    let newest =
        records.iter().filter_map(|record| record.header("position")?.parse::<u64>().ok()).max();
    assert_eq!(newest, Some(10_000));
}
