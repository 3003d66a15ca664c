//! Pages: all or nothing, as they were sealed, by one producer a lane.

use std::time::{Duration, Instant};

use crash::{PATIENCE, until};
use event_gateway::sink::{Error, RecordCause};

use super::{REQUEST_BYTES_MAX, World, again, eventually, page, refusal};
use crate::support::services::kafka::envelopes::{Log, assert_same, topic};
use crate::support::services::kafka::{TestTopic, consume_at_least, create_topic};

#[tokio::test]
async fn a_page_is_visible_whole_with_its_cursor_and_its_records_are_as_sealed() {
    let world = World::new().with_topics(&["item", "instance"]).await;
    let (mut diku, mut college) = (Log::new("diku"), Log::new("college"));
    let items = world.events(&mut diku, "item", 5, 100);
    let instances = world.events(&mut college, "instance", 5, 2_000);
    let publisher = world.take_over().await;
    publisher
        .publish(page(vec![diku.slice(items.clone()), college.slice(instances.clone())]))
        .await
        .unwrap();
    for (entity, events) in [("item", items), ("instance", instances)] {
        let records = world.committed(entity, events.len());
        records.iter().zip(&events).for_each(|(record, event)| assert_same(record, event));
    }
    let cursors = consume_at_least(&world.address, &world.cursors_topic(), 2);
    let seen: Vec<_> = cursors
        .iter()
        .map(|r| (r.partition, r.key(), std::str::from_utf8(&r.value).unwrap()))
        .collect();
    let of = |log: &Log| {
        let (event_id, time_ms) = (log.cursor().event_id, log.cursor().time.as_ms());
        let value = format!(r#"{{"position":5,"event_id":"{event_id}","time_ms":{time_ms}}}"#);
        (format!("{}/relay", log.id), value)
    };
    let (of_diku, of_college) = (of(&diku), of(&college));
    assert_eq!(
        seen,
        [(1, of_diku.0.as_str(), of_diku.1.as_str()), (1, &of_college.0, &of_college.1)]
    );
}

#[tokio::test]
async fn partitions_are_those_that_java_gives() {
    let world = World::new();
    let table = include_str!("../../data/partitions.csv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1);
    let table: Vec<(&str, u16, i32)> = table
        .map(|line| {
            let mut cells = line.rsplitn(3, ',');
            let (partition, partitions) = (cells.next().unwrap(), cells.next().unwrap());
            (cells.next().unwrap(), partitions.parse().unwrap(), partition.parse().unwrap())
        })
        .collect();
    assert!(table.len() >= 100, "{}", table.len());
    let specs: Vec<_> = table.iter().map(|(_, n, _)| world.spec(&format!("of-{n}"), *n)).collect();
    world.sink.ensure(&specs).await.unwrap();
    let mut log = Log::new("diku");
    let event =
        |(key, n, _): &(&str, u16, i32)| log.event(&world.name(&format!("of-{n}")), key, "{}");
    let events: Vec<_> = table.iter().map(event).collect();
    world.take_over().await.publish(page(vec![log.slice(events)])).await.unwrap();
    let records = consume_at_least(&world.address, &world.name("of-*"), table.len());
    for (index, (key, partitions, partition)) in table.iter().enumerate() {
        let position = (index + 1).to_string();
        let record = records.iter().find(|r| r.header("position") == Some(&position));
        let record = record.unwrap_or_else(|| panic!("no record of {key} among {}", records.len()));
        assert_eq!((record.key(), record.partition), (*key, *partition), "of {partitions}");
    }
}

#[tokio::test]
async fn a_publisher_should_be_recycled_once_a_hundred_of_its_topics_are_idle() {
    let names: Vec<String> = (0..100).map(|n| format!("e{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::new().with_topics(&names).await;
    let mut log = Log::new("diku");
    let events = names.iter().flat_map(|name| world.events(&mut log, name, 1, 10)).collect();
    let mut publisher =
        world.take_over().await.publish(page(vec![log.slice(events)])).await.unwrap();
    assert!(!publisher.should_recycle(), "they were used in its first period");
    until("100 idle topics are too many for it", async || publisher.should_recycle()).await;
    // It still works.
    publisher.publish(page(vec![world.slice(&mut log, names[0], 1, 10)])).await.unwrap();
    world.committed(names[0], 2);
}

#[tokio::test]
async fn a_fenced_publisher_publishes_nothing() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    let mut first = world.take_over().await;
    first = first.publish(page(vec![world.slice(&mut log, "item", 1, 10)])).await.unwrap();
    let second = world.take_over().await;
    let zombie = world.events(&mut log, "item", 1, 10);
    let error = refusal(first, page(vec![log.slice(zombie)])).await;
    assert!(matches!(error, Error::Fenced(_)), "{error:?}");
    second.publish(page(vec![world.slice(&mut log, "item", 1, 10)])).await.unwrap();
    let positions: Vec<_> = world
        .committed("item", 2)
        .iter()
        .map(|r| r.header("position").unwrap().to_owned())
        .collect();
    assert_eq!(positions, ["1", "3"]);
}

#[tokio::test]
async fn a_record_that_is_too_large_fails_its_page_and_innocent_records_stay_invisible() {
    let world = World::at(crate::support::services::kafka::address(), 3_000_000);
    for name in ["item", "instance"] {
        // The topics were made by others, and take smaller records than the gateway does.
        let settings = &[("max.message.bytes", "1000000")];
        let topic = TestTopic { name: &world.name(name), partitions: 1, settings };
        create_topic(&crate::support::services::kafka::address(), topic).await;
    }
    let mut log = Log::new("diku");
    let mut events = world.events(&mut log, "instance", 3, 100);
    events.extend(world.events(&mut log, "item", 2, 100));
    events.extend(world.events(&mut log, "item", 1, 2_000_000));
    let error = refusal(world.take_over().await, page(vec![log.slice(events)])).await;
    assert!(matches!(error, Error::Isolate(_)), "{error:?}");
    world.assert_committed(&mut log, &["instance", "item"], 0).await;
}

#[tokio::test]
async fn a_topic_of_the_gateway_s_takes_records_as_large_as_the_gateway_does() {
    let world = World::at(crate::support::services::kafka::address(), 3_000_000)
        .with_topics(&["item"])
        .await;
    let mut log = Log::new("diku");
    let events = world.events(&mut log, "item", 1, 2_900_000);
    world.take_over().await.publish(page(vec![log.slice(events)])).await.unwrap();
    world.assert_committed(&mut log, &["item"], 1).await;
}

#[tokio::test]
async fn a_record_that_is_too_early_is_reported_so_and_taken_once_it_may_be() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    let mut events = world.events(&mut log, "item", 1, 100);
    events[0].time = event_gateway::domain::time::Time::from_ms(32_503_680_000_000);
    let early = page(vec![log.slice(events)]);
    let error = refusal(world.take_over().await, early.clone()).await;
    assert!(matches!(error, Error::Isolate(RecordCause::TooEarly(_))), "{error:?}");
    let topics = [topic(&world.name("item"))];
    let described = world.sink.describe(&topics).await.unwrap().remove(&topics[0]).unwrap();
    assert_eq!(
        (described.partitions, described.retention_ms, described.age_ms_max),
        (1, None, None)
    );
    assert_eq!(described.ahead_ms_max(), 3_600_000);
    let name = world.name("item");
    let settings = [
        ("message.timestamp.after.max.ms", i64::MAX.to_string()),
        ("retention.ms", "-1".to_owned()),
    ];
    crate::support::services::kafka::set_all(&world.address, &name, &settings).await;
    eventually(|| async { world.take_over().await.publish(early.clone()).await.map_err(again) })
        .await;
    world.committed("item", 1);
}

#[tokio::test]
async fn the_largest_record_that_the_gateway_takes_is_published() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    let empty = log.event(&world.name("item"), "key", "").record_bytes();
    let mut event = log.event(&world.name("item"), "key", vec![b' '; REQUEST_BYTES_MAX - empty]);
    event.last_delete_all = None;
    assert_eq!(event.record_bytes(), REQUEST_BYTES_MAX);
    let others = world.events(&mut log, "item", 3, REQUEST_BYTES_MAX / 2);
    let all = [vec![event], others].concat();
    world.take_over().await.publish(page(vec![log.slice(all)])).await.unwrap();
    world.committed("item", 4);
}

#[tokio::test]
async fn a_full_page_of_large_records_is_published() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    // This is twice the size of the relay's pages.
    let events = world.events(&mut log, "item", 500, 16_000);
    let page = page(vec![log.slice(events)]);
    eventually(|| async { world.take_over().await.publish(page.clone()).await }).await;
    world.committed("item", 500);
}

/// librdkafka looks only every 100 ms for the end of a commit that waits for records.
#[tokio::test]
async fn a_small_page_is_published_in_much_less_than_a_tenth_of_a_second() {
    let world = World::new().with_topics(&["item"]).await;
    let (mut log, mut publisher) = (Log::new("diku"), world.take_over().await);
    let mut fastest = PATIENCE;
    for _ in 0..30 {
        let page = page(vec![world.slice(&mut log, "item", 5, 100)]);
        let started = Instant::now();
        publisher = publisher.publish(page).await.unwrap();
        fastest = fastest.min(started.elapsed());
    }
    assert!(fastest < Duration::from_millis(60), "{fastest:?}");
}

#[tokio::test]
async fn a_topic_that_nobody_created_fails_its_page_by_name() {
    let world = World::new().with_topics(&["item"]).await;
    let mut log = Log::new("diku");
    let mut events = world.events(&mut log, "item", 2, 10);
    events.extend(world.events(&mut log, "unknown", 1, 10));
    let error = refusal(world.take_over().await, page(vec![log.slice(events)])).await;
    assert!(
        matches!(&error, Error::Unavailable(away) if away[0].topic == topic(&world.name("unknown"))),
        "{error:?}"
    );
    world.assert_committed(&mut log, &["item"], 0).await;
}

#[tokio::test]
async fn a_page_whose_topic_was_deleted_passes_once_it_is_ensured_again() {
    let world = World::new().with_topics(&["item", "instance"]).await;
    let mut log = Log::new("diku");
    let both = |log: &mut Log| {
        let events =
            [world.events(log, "item", 2, 10), world.events(log, "instance", 2, 10)].concat();
        page(vec![log.slice(events)])
    };
    let publisher = world.take_over().await.publish(both(&mut log)).await.unwrap();
    crate::support::services::kafka::delete_topic(&world.address, &world.name("item")).await;
    let error = refusal(publisher, both(&mut log)).await;
    assert!(matches!(error, Error::Retry(_) | Error::Unavailable(_)), "{error:?}");
    let specs = [world.spec("item", 1), world.spec("instance", 1)];
    eventually(|| async { world.sink.ensure(&specs).await.map_err(again) }).await;
    world.take_over().await.publish(both(&mut log)).await.unwrap();
    world.committed("item", 2);
    world.committed("instance", 4);
}
