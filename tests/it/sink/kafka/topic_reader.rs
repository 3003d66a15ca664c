//! The topic reader finds all committed records of a topic, whoever else writes to it.

use std::time::Duration;

use event_gateway::clock::{Clock, System};
use event_gateway::domain::compression::Compression;
use event_gateway::domain::time::Time;
use event_gateway::domain::topic::TopicSpec;
use event_gateway::sink::{Origin, TopicReading};

use super::{World, eventually, page};
use crate::support::services::kafka::envelopes::{Log, topic};
use crate::support::services::kafka::{abort_open, leave_open, set};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_open_transaction_hides_is_waited_for() {
    let world = World::new().with_topics(&["item"]).await;
    let (name, mut log) = (world.name("item"), Log::new("diku"));
    let slices = [(); 2].map(|()| world.slice(&mut log, "item", 3, 10));
    let other = format!("{}.somebody-else", world.env);
    let mut publisher = world.take_over().await;
    for (number, slice) in slices.into_iter().enumerate() {
        if number == 1 {
            leave_open(&world.address, &other, &name, 0);
        }
        publisher = publisher.publish(page(vec![slice])).await.unwrap();
    }
    let topic = topic(&name);
    let mut opened = world.sink.read_topic(&topic, None);
    let early = tokio::time::timeout(Duration::from_secs(1), &mut opened).await;
    assert!(early.is_err(), "half of it is told for all: {early:?}");
    drop(abort_open(&world.address, &other));
    let reading = opened.await.unwrap().unwrap();
    assert_eq!(positions(reading).await, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_read_from_a_time_and_batch_after_batch() {
    let world = World::new().with_topics(&["item"]).await;
    let (name, mut log) = (world.name("item"), Log::new("diku"));
    let mut publisher = world.take_over().await;
    let mut last = None;
    for _ in 0..3 {
        let slice = world.slice(&mut log, "item", 500, 10);
        last = slice.events.last().map(|event| event.time);
        publisher = publisher.publish(page(vec![slice])).await.unwrap();
    }
    let read = async |since| {
        let reading = world.sink.read_topic(&topic(&name), since).await.unwrap().unwrap();
        positions(reading).await
    };
    assert_eq!(read(None).await, (1..=1_500).collect::<Vec<_>>());
    // The end of the first page's transaction carries the present time.
    assert_eq!(read(last).await, (501..=1_500).collect::<Vec<_>>());
    let tomorrow = Time::from_ms(System.now().as_ms() + 86_400_000);
    assert_eq!(read(Some(tomorrow)).await, [0; 0]);
    let missing = topic(&world.name("never"));
    assert!(world.sink.read_topic(&missing, None).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_read_however_it_is_compressed() {
    let (world, mut log) = (World::new(), Log::new("diku"));
    for (name, compression) in [("item", Compression::Lz4), ("loan", Compression::Zstd)] {
        let spec = TopicSpec { compression: Some(compression), ..world.spec(name, 1) };
        let specs = [spec];
        eventually(|| world.sink.ensure(&specs)).await;
        let slice = world.slice(&mut log, name, 50, 100);
        drop(world.take_over().await.publish(page(vec![slice])).await.unwrap());
        let reading = world.sink.read_topic(&specs[0].topic, None).await.unwrap().unwrap();
        assert_eq!(positions(reading).await.len(), 50, "{compression:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_an_append_is_not_taken_for_the_event_s() {
    let world = World::new().with_topics(&["item", "loan"]).await;
    set(&world.address, &world.name("loan"), "message.timestamp.type", "LogAppendTime").await;
    let mut log = Log::new("diku");
    let slices = ["item", "loan"].map(|name| world.slice(&mut log, name, 1, 10));
    let sent = slices[0].events[0].time.as_ms();
    for slice in slices {
        drop(world.take_over().await.publish(page(vec![slice])).await.unwrap());
    }
    for (name, own) in [("item", Some(sent)), ("loan", None)] {
        let topic = topic(&world.name(name));
        let mut reading = world.sink.read_topic(&topic, None).await.unwrap().unwrap();
        let record = reading.records.recv().await.unwrap().unwrap().remove(0);
        assert_eq!(record.own_time_ms(), own, "{name}");
        assert_ne!(record.time_ms, None);
    }
}

/// Returns the positions of a topic's events, in the order in which they are read.
async fn positions(mut reading: TopicReading) -> Vec<u64> {
    let mut positions = Vec::new();
    while let Some(records) = reading.records.recv().await {
        let origins = records.unwrap().into_iter().filter_map(|record| record.origin());
        positions.extend(origins.map(|Origin { position, .. }| position.number()));
    }
    positions
}
