//! The promises of the lane and the relay, whatever fails: on a real store, with a Kafka that
//! breaks at chosen calls.

use std::sync::Arc;
use std::time::Duration;

use crash::PATIENCE;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::position::Position;
use event_gateway::sink::PartitionsGrown;
use event_gateway::store::{self};
use rusqlite::Connection;

use crate::support::drafts::{create_in, created};
use crate::support::fake_sink::{Fault, at_each_call};
use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::harness::{Harness, drafts, tenants};
use crate::support::ids::event_id;

/// The call that breaks, and whose it is.
#[derive(Clone, Copy)]
enum Broken {
    Kafka(usize, Fault),
    Store(usize, Fault),
}

/// Publishes two waves of events of three tenants, the second of more than a page; after each, a
/// producer asks to be recycled. Returns the number of calls that Kafka and the store got.
async fn story(broken: Broken) -> (usize, usize) {
    let tenants = tenants(3);
    let mut harness = Harness::new(2, &tenants).await;
    let mut store_fault = None;
    match broken {
        Broken::Kafka(call, fault) => {
            harness.kafka.state(|state| state.fault = Some((call, fault)))
        }
        Broken::Store(call, fault) => store_fault = Some((call, fault)),
    }
    let faulty = Arc::new(FaultyStore::with_fault(harness.store.clone(), store_fault));
    harness.parts.store = faulty.clone();
    let followers = harness.follow();
    for wave in [0..20, 20..620] {
        for tenant in &tenants {
            harness.append(tenant, drafts(tenant, wave.clone())).await;
        }
        harness.published(&tenants).await;
        harness.wear_out().await;
    }
    followers.stop().await;
    harness.assert_same(&tenants).await;
    (harness.kafka.state(|state| state.calls), faulty.calls())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_kafka_fails_nothing_is_lost_repeated_or_reordered() {
    at_each_call(6, async |(call, fault)| story(Broken::Kafka(call, fault)).await.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_the_store_fails_nothing_is_lost_repeated_or_reordered() {
    at_each_call(20, async |(call, fault)| story(Broken::Store(call, fault)).await.1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_where_kafka_s_cursor_stands_not_the_store_s() {
    let tenants = tenants(1);
    let harness = Harness::with_published(&tenants, 30).await;
    // The store's checkpoint is older than Kafka's commit, as after a crash between the two.
    let mut older = harness.store.load(&tenants[0], &Follower::relay()).await.unwrap().unwrap();
    (older.position, older.event_id) = (Position::new(7).unwrap(), event_id(6));
    let lease = harness.store.seize(Lane::new(0), "test", PATIENCE).await.unwrap();
    harness
        .store
        .checkpoint(&lease, &Follower::relay(), &[(tenants[0].clone(), older)])
        .await
        .unwrap();
    harness.store.release(&lease).await.unwrap();
    let followers = harness.follow();
    harness.published(&tenants).await;
    harness.append(&tenants[0], drafts(&tenants[0], 30..40)).await;
    harness.published(&tenants).await;
    followers.stop().await;
    harness.assert_same(&tenants).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_whose_publisher_should_be_recycled_gets_another_and_goes_on() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    let followers = harness.follow();
    for (fence, wave) in [0..10, 10..20, 20..30].into_iter().enumerate() {
        harness.append(&tenants[0], drafts(&tenants[0], wave)).await;
        harness.published(&tenants).await;
        assert_eq!(harness.kafka.fences(), fence as u64 + 1);
        harness.wear_out().await;
    }
    followers.stop().await;
    harness.assert_same(&tenants).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_packs_tenants_so_that_a_loud_one_holds_up_nobody() {
    let tenants = tenants(10);
    let harness = Harness::new(1, &tenants).await;
    harness.append(&tenants[0], drafts(&tenants[0], 0..2000)).await;
    for tenant in &tenants[1..] {
        harness.append(tenant, drafts(tenant, 0..10)).await;
    }
    harness.publish(&tenants).await;
    harness.assert_same(&tenants).await;
    let pages = harness.kafka.state(|state| state.pages.clone());
    assert_eq!(pages[0], (10, 50 + 9 * 10, pages[0].2), "the first page has a part of everyone's");
    assert!(pages.iter().all(|(_, events, _)| *events <= 500), "{pages:?}");
    assert!(pages.len() <= 6, "{} pages for 2,090 events", pages.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_has_at_most_4_mib_but_at_least_one_event() {
    let tenants = tenants(2);
    let harness = Harness::new(1, &tenants).await;
    for tenant in &tenants {
        for (id, bytes) in [(1, 5 << 20), (2, 3 << 20), (3, 3 << 20), (4, 10)] {
            let content = created(&format!(r#"{{"id":"k","x":"{}"}}"#, "x".repeat(bytes)));
            harness.append(tenant, vec![Draft { content, ..create_in(tenant, id) }]).await;
        }
    }
    harness.publish(&tenants).await;
    harness.assert_same(&tenants).await;
    let pages = harness.kafka.state(|state| state.pages.clone());
    assert!(pages.iter().all(|(_, events, bytes)| *bytes <= 4 << 20 || *events == 1), "{pages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_goes_back_while_it_is_followed_stops_its_tenant_and_no_other() {
    let tenants = tenants(2);
    let harness = Harness::new(1, &tenants).await;
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 0..5)).await;
    }
    let followers = harness.follow();
    harness.published(&tenants).await;
    // It is as if another server had taken over that never got the last events.
    let path = harness.folder.path().join("store.db");
    let outside = Connection::open(path).unwrap();
    for sql in [
        "DELETE FROM events WHERE tenant = 't0' AND position > 2",
        "UPDATE heads SET position = 2, version = version + 1000 WHERE tenant = 't0'",
    ] {
        outside.execute(sql, []).unwrap();
    }
    harness.append(&tenants[0], drafts(&tenants[0], 20..22)).await;
    let trouble = harness.trouble("tenant t0").await;
    assert!(trouble.contains("position 5"), "{trouble}");
    harness.append(&tenants[0], drafts(&tenants[0], 22..40)).await;
    harness.append(&tenants[1], drafts(&tenants[1], 5..9)).await;
    harness.published(&tenants[1..]).await;
    followers.stop().await;
    assert_eq!(harness.records_of(&tenants[0]), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_healthy_again_without_events() {
    let mut harness = Harness::new(1, &tenants(1)).await;
    let faulty = Arc::new(FaultyStore::new(harness.store.clone()));
    faulty.set(Mode::Failing(store::Error::Unavailable("away".to_owned())));
    harness.parts.store = faulty.clone();
    let followers = harness.follow();
    harness.trouble("lanes").await;
    faulty.set(Mode::Healthy);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !harness.parts.health.troubles().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", harness.parts.health.troubles());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    followers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_another_replica_holds_is_left_alone() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    let lane = harness.store.list().await.unwrap()[0].lane;
    let theirs =
        harness.store.acquire(lane, "other", Duration::from_secs(3600)).await.unwrap().unwrap();
    harness.append(&tenants[0], drafts(&tenants[0], 0..5)).await;
    let followers = harness.follow();
    // This is long enough for many tries to take the lane.
    for _ in 0..20 {
        harness.parts.wakeups.wake(lane);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(harness.kafka.state(|state| state.records.len()), 0);
    harness.store.release(&theirs).await.unwrap();
    harness.published(&tenants).await;
    followers.stop().await;
    harness.assert_same(&tenants).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_somebody_added_are_reported_and_hold_up_nobody() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    let topic = create_in(&tenants[0], 1).topic;
    harness.kafka.state(|state| {
        state.partitions_grown.push(PartitionsGrown { topic: topic.clone(), before: 1, now: 3 })
    });
    let followers = harness.follow();
    let trouble = harness.trouble(&format!("topic {topic}")).await;
    assert!(trouble.contains("3 partitions, and had 1"), "{trouble}");
    harness.append(&tenants[0], drafts(&tenants[0], 0..5)).await;
    harness.published(&tenants).await;
    followers.stop().await;
}
