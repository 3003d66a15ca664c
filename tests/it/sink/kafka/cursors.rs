//! Cursors: a takeover reads those of the last committed page.

use std::sync::Arc;
use std::time::Duration;

use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::time::Time;
use event_gateway::sink::{
    Error, KnownCursors, Page, RecordCause, RetryCause, StopCause, TakenOver,
};

use super::{LANE, LANES, TERM, World, page};
use crate::support::services::kafka::envelopes::Log;
use crate::support::services::kafka::{
    Isolation, TestTopic, abort_open, consume, create_topic, delete_topic, leave_open, partitions,
    settings,
};

async fn cursors(world: &World) -> KnownCursors {
    world.sink.take_over(LANE, TERM).await.unwrap().cursors
}

async fn fence_error(world: &World) -> Error {
    match world.sink.take_over(LANE, TERM).await {
        Ok(_) => panic!("the fence passed"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_takeover_reads_the_cursors_of_the_last_page_by_log_and_follower() {
    let world = World::new().with_topics(&["item"]).await;
    let (mut diku, mut college) = (Log::new("diku"), Log::new("college"));
    let replay = Follower::parse("replay-1").unwrap();
    let TakenOver { mut publisher, cursors: none } =
        world.sink.take_over(LANE, TERM).await.unwrap();
    assert!(none.is_empty());
    for _ in 0..3 {
        let slices =
            vec![world.slice(&mut diku, "item", 2, 10), world.slice(&mut college, "item", 1, 10)];
        publisher = publisher.publish(page(slices)).await.unwrap();
    }
    // A page that sends nothing still moves its cursor.
    let scanned = world.events(&mut college, "item", 4, 10).len();
    publisher = publisher.publish(page(vec![college.slice(Vec::new())])).await.unwrap();
    let of_replay =
        Page { follower: replay.clone(), slices: vec![diku.slice(Vec::new())], target: None };
    publisher.publish(Arc::new(of_replay)).await.unwrap();
    let expected = KnownCursors::from([
        ((diku.id, Follower::relay()), diku.known()),
        ((college.id, Follower::relay()), college.known()),
        ((diku.id, replay), diku.known()),
    ]);
    assert_eq!(college.cursor().position.number(), 3 + scanned as u64);
    assert_eq!(cursors(&world).await, expected);
    assert_eq!(cursors(&world).await, expected, "fences leave no mark");
    let other = world.sink.take_over(Lane::new(0), TERM).await.unwrap();
    assert!(other.cursors.is_empty(), "each lane has its own");
}

#[tokio::test]
async fn a_page_that_is_refused_moves_no_cursor() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    let mut events = world.events(&mut log, "item", 1, 10);
    // The event is of the year 3000: Kafka takes no such record.
    events[0].time = Time::from_ms(32_503_680_000_000);
    let error = super::refusal(world.take_over().await, page(vec![log.slice(events)])).await;
    assert!(matches!(error, Error::Isolate(RecordCause::TooEarly(_))), "{error:?}");
    assert!(cursors(&world).await.is_empty());
}

#[tokio::test]
async fn records_whose_cursors_can_t_be_written_are_not_committed() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    let publisher = world.take_over().await;
    delete_topic(&world.address, &world.cursors_topic()).await;
    let slice = world.slice(&mut log, "item", 3, 10);
    let error = super::refusal(publisher, page(vec![slice])).await;
    assert!(matches!(error, Error::Retry(_)), "{error:?}");
    world.assert_committed(&mut log, &["item"], 0).await;
}

#[tokio::test]
async fn cursors_before_a_foreign_transaction_are_not_taken_for_the_newest() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    let first = page(vec![world.slice(&mut log, "item", 1, 10)]);
    let publisher = world.take_over().await.publish(first).await.unwrap();
    let committed = log.cursor();
    let foreign = format!("{}.foreign", world.cursors_topic());
    leave_open(&world.address, &foreign, &world.cursors_topic(), i32::from(LANE.number()));
    // Nothing is committed there that would come after it.
    let error = super::refusal(publisher, page(vec![world.slice(&mut log, "item", 2, 10)])).await;
    assert!(matches!(error, Error::Fenced(_)), "{error:?}");
    let error = fence_error(&world).await;
    assert!(
        matches!(&error, Error::Retry(RetryCause::Away(why)) if why.contains("open in") && why.contains("partition \
            1")),
        "{error:?}"
    );
    assert!(error.to_string().contains(&world.cursors_topic()), "{error}");
    abort_open(&world.address, &foreign);
    let known = cursors(&world).await;
    assert_eq!(known[&(log.id, Follower::relay())].cursor, committed);
}

/// A zombie publishes page after page while the lane is taken over.
#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_reads_the_cursor_of_every_page_that_was_committed() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    for _ in 0..3 {
        let mut publisher = world.take_over().await;
        let pages: Vec<_> =
            (0..2_000).map(|_| page(vec![world.slice(&mut log, "item", 1, 10)])).collect();
        let first = pages[0].slices[0].cursor.position.number();
        publisher = publisher.publish(pages[0].clone()).await.unwrap();
        let publishing = tokio::spawn(async move {
            for page in pages.into_iter().skip(1) {
                publisher = publisher.publish(page).await?;
            }
            Ok::<_, Error>(publisher)
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let known = cursors(&world).await;
        assert!(publishing.await.unwrap().is_err(), "nobody publishes after the fence");
        let position =
            known.get(&(log.id, Follower::relay())).map(|known| known.cursor.position.number());
        let id = log.id.to_string();
        let seen = consume(&world.address, &world.name("item"), Isolation::ReadCommitted);
        let last = seen.iter().rev().find(|record| record.header("log_id") == Some(&id));
        let last = last.and_then(|record| record.header("position")?.parse().ok());
        assert!(position >= Some(first), "{position:?}: nothing was published before the fence");
        assert_eq!(position, last);
    }
}

#[tokio::test]
async fn many_cursors_are_read_whole() {
    let world = World::new();
    let logs: Vec<_> = (0..50).map(|_| Log::new("diku")).collect();
    let mut publisher = world.take_over().await;
    for _ in 0..40 {
        let slices = logs.iter().map(|log| log.slice(Vec::new())).collect();
        publisher = publisher.publish(page(slices)).await.unwrap();
    }
    assert_eq!(cursors(&world).await.len(), 50);
}

#[tokio::test]
async fn the_cursors_topic_has_its_settings() {
    let world = World::new();
    world.take_over().await;
    assert_eq!(partitions(&world.address, &world.cursors_topic()), Some(usize::from(LANES)));
    let settings = settings(&world.address, &world.cursors_topic()).await;
    for (name, value) in [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "4194304"),
        ("min.cleanable.dirty.ratio", "0.1"),
    ] {
        assert_eq!(settings.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_cursors_topic_that_is_wrong_is_refused_by_name() {
    let compact: &[_] = &[
        ("cleanup.policy", "compact"),
        ("segment.bytes", "4194304"),
        ("min.cleanable.dirty.ratio", "0.1"),
    ];
    for (partitions, settings, wrong) in [
        (1, compact, "1 partitions"),
        (2, &[("cleanup.policy", "delete")], "cleanup.policy=delete"),
        (2, &compact[..1], "segment.bytes=1073741824"),
    ] {
        let world = World::new();
        let name = world.cursors_topic();
        create_topic(&world.address, TestTopic { name: &name, partitions, settings }).await;
        let error = fence_error(&world).await;
        let Error::Stop(StopCause::Cursors(why)) = &error else { panic!("{error:?}") };
        assert!(why.contains(&name) && why.contains(wrong), "{why}");
    }
}

#[tokio::test]
async fn a_stray_record_among_the_cursors_is_refused_with_its_offset() {
    let world = World::new();
    world.take_over().await;
    crate::support::services::kafka::produce(
        &world.address,
        &world.cursors_topic(),
        i32::from(LANE.number()),
        "stray",
    );
    let records = consume(&world.address, &world.cursors_topic(), Isolation::ReadCommitted);
    let [stray] = records.as_slice() else { panic!("{records:?}") };
    let error = fence_error(&world).await;
    let Error::Stop(StopCause::Cursors(why)) = &error else { panic!("{error:?}") };
    assert!(why.contains(&stray.topic) && why.contains(&format!("1/{}", stray.offset)), "{why}");
}

#[tokio::test]
async fn a_cursors_topic_that_was_deleted_is_created_by_the_next_takeover() {
    let world = World::new();
    let log = Log::new("diku");
    let publisher =
        world.take_over().await.publish(page(vec![log.slice(Vec::new())])).await.unwrap();
    delete_topic(&world.address, &world.cursors_topic()).await;
    let error = super::refusal(publisher, page(vec![log.slice(Vec::new())])).await;
    assert!(matches!(error, Error::Retry(_)), "{error:?}");
    assert!(cursors(&world).await.is_empty());
    assert_eq!(settings(&world.address, &world.cursors_topic()).await["cleanup.policy"], "compact");
}

#[tokio::test]
async fn a_cursors_topic_that_was_replaced_by_a_wrong_one_is_refused_after_the_first_failure() {
    let world = World::new();
    let log = Log::new("diku");
    let publisher = world.take_over().await;
    delete_topic(&world.address, &world.cursors_topic()).await;
    let error = super::refusal(publisher, page(vec![log.slice(Vec::new())])).await;
    assert!(matches!(error, Error::Retry(_)), "{error:?}");
    let name = world.cursors_topic();
    create_topic(&world.address, TestTopic { name: &name, partitions: 2, settings: &[] }).await;
    let error = fence_error(&world).await;
    assert!(
        matches!(&error, Error::Stop(StopCause::Cursors(why)) if why.contains("cleanup.policy=delete")),
        "{error:?}"
    );
}
