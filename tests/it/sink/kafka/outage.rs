//! Kafka is down: every call says so in time, and works once Kafka is back. Pages that were left
//! open.

use std::time::{Duration, Instant};

use event_gateway::sink::{Error, RetryCause};

use super::{LANE, REQUEST_BYTES_MAX, TERM, World, eventually, page, refusal};
use crate::support::services::kafka::envelopes::Log;
use crate::support::services::kafka::{Isolation, PrivateBroker, address, consume};

/// The longest time that a call may take without a Kafka.
const AWAY_MAX: Duration = Duration::from_secs(12);

async fn in_time<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(AWAY_MAX, call).await.expect("an answer in time")
}

#[tokio::test]
async fn a_kafka_that_dies_means_retry_and_all_goes_on_once_it_is_back() {
    let mut kafka = PrivateBroker::start();
    let world = World::at(kafka.address(), REQUEST_BYTES_MAX).with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    let mut publisher = eventually(|| world.sink.take_over(LANE, TERM)).await.publisher;
    publisher =
        publisher.publish(page(vec![world.slice(&mut log, "item", 10, 100)])).await.unwrap();
    let committed = log.cursor();
    kafka.kill();
    let lost = world.events(&mut log, "item", 10, 100);
    let error = in_time(refusal(publisher, page(vec![log.slice(lost.clone())]))).await;
    assert!(matches!(error, Error::Retry(_)), "{error:?}");
    assert!(matches!(in_time(world.sink.take_over(LANE, TERM)).await.err(), Some(Error::Retry(_))));
    assert!(matches!(
        in_time(world.sink.ensure(&[world.spec("item", 1)])).await,
        Err(Error::Retry(_))
    ));
    let started = Instant::now();
    assert!(matches!(world.sink.check().await, Err(Error::Retry(_))));
    assert!(started.elapsed() < Duration::from_secs(3));
    kafka.restart();
    let taken = eventually(|| world.sink.take_over(LANE, TERM)).await;
    assert_eq!(taken.cursors.values().map(|known| known.cursor).collect::<Vec<_>>(), [committed]);
    world.sink.check().await.unwrap();
    world.sink.ensure(&[world.spec("item", 1)]).await.unwrap();
    taken.publisher.publish(page(vec![log.slice(lost)])).await.unwrap();
    world.committed("item", 20);
}

#[tokio::test]
async fn an_address_where_nobody_listens_means_retry() {
    let world = World::at("127.0.0.1:1".to_owned(), REQUEST_BYTES_MAX);
    let started = Instant::now();
    for result in [world.sink.check().await, world.sink.take_over(LANE, TERM).await.map(drop)] {
        let Err(Error::Retry(RetryCause::Away(why))) = &result else { panic!("{result:?}") };
        assert!(why.contains("refused"), "{why}");
    }
    assert!(started.elapsed() < AWAY_MAX);
}

#[tokio::test]
async fn a_page_that_was_left_open_is_invisible_and_the_next_takeover_frees_its_readers() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    let publisher = world.take_over().await;
    let before = log.cursor();
    publisher.publish(page(vec![log.slice(Vec::new())])).await.unwrap();
    // A producer under the lane's id dies in mid-page, as a killed process would.
    crate::support::services::kafka::leave_open(
        &world.address,
        &format!("{}.event-gateway.lane-1", world.env),
        &world.name("item"),
        0,
    );
    let all = || consume(&world.address, &world.name("item"), Isolation::ReadUncommitted);
    assert_eq!(all().len(), 1);
    let started = Instant::now();
    let taken = world.sink.take_over(LANE, TERM).await.unwrap();
    // Kafka ends such a transaction by itself after a minute.
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(taken.cursors.values().map(|known| known.cursor).collect::<Vec<_>>(), [before]);
    taken.publisher.publish(page(vec![world.slice(&mut log, "item", 2, 10)])).await.unwrap();
    world.committed("item", 2);
    assert_eq!(all().len(), 3);
}

#[tokio::test]
async fn a_publish_that_nobody_waits_for_ends_whole_or_not_at_all() {
    let world = World::new().with_topics(&["item"]).await;
    for wait_us in [0, 50, 200, 1_000, 3_000, 6_000] {
        let mut log = Log::new("diku");
        let publisher = world.take_over().await;
        let published = publisher.publish(page(vec![world.slice(&mut log, "item", 100, 1_000)]));
        let _ = tokio::time::timeout(Duration::from_micros(wait_us), published).await;
        let known = world
            .sink
            .take_over(LANE, TERM)
            .await
            .unwrap()
            .cursors
            .contains_key(&(log.id, super::Follower::relay()));
        let id = log.id.to_string();
        let seen = consume(&world.address, &world.name("item"), Isolation::ReadCommitted);
        let seen = seen.iter().filter(|r| r.header("log_id") == Some(&id)).count();
        assert_eq!(seen, if known { 100 } else { 0 }, "after {wait_us} µs");
    }
}

#[tokio::test]
async fn a_replica_that_answers_is_checked_quickly() {
    let world = World::at(address(), REQUEST_BYTES_MAX);
    world.sink.check().await.unwrap();
}
