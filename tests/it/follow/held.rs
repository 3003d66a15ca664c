//! Stories about causes that pass with time, which are waited for and park nothing: topics that
//! take no records for a while, and records that are too early. Only their tenants wait; all others
//! go on.

use std::sync::Arc;
use std::time::Duration;

use crash::until;
use event_gateway::clock::Manual;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::health::SinkPart;
use event_gateway::sink::TopicDescription;

use crate::support::harness::{Harness, drafts, tenants};
use crate::support::ids::topic;
use crate::support::parking::{ITEM, LOAN, draft, mixed};

const NOON: Time = Time::from_ms(1_769_860_800_000);
const HOUR: Duration = Duration::from_secs(3600);

fn after(time: Time, by: Duration) -> Time {
    Time::from_ms(time.as_ms() + i64::try_from(by.as_millis()).unwrap())
}

/// Makes a harness whose first tenant has events with the time of a store's clock that was two
/// hours fast for one append. Kafka's own clock is right, and takes them in a second, by the
/// replica's clock.
async fn with_early_events(of: usize) -> Harness {
    let tenants = tenants(of);
    let clock = Arc::new(Manual::new(after(NOON, 2 * HOUR)));
    let mut harness = Harness::on_clock(1, &tenants, clock.clone()).await;
    harness.append(&tenants[0], drafts(&tenants[0], 0..1)).await;
    clock.set(NOON);
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 1..40)).await;
    }
    harness.kafka.state(|state| state.now = Some(NOON));
    harness.parts.clock = Arc::new(Manual::new(after(NOON, HOUR - Duration::from_secs(1))));
    harness
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_early_has_its_tenant_wait_and_nobody_else() {
    let tenants = tenants(3);
    let harness = with_early_events(3).await;
    let followers = harness.follow();
    harness.published(&tenants[1..]).await;
    let trouble = harness.trouble("clock of tenant t0").await;
    for part in ["position 1 ", "2026-01-31T14:00:00.000Z", "about 2026-01-31T13:00:00.000Z", ITEM]
    {
        assert!(trouble.contains(part), "{part}: {trouble}");
    }
    let sent =
        harness.kafka.state(|state| state.records.iter().any(|record| record.tenant == tenants[0]));
    assert!(!sent, "Kafka takes nothing of it yet");
    harness.kafka.state(|state| state.now = Some(after(NOON, HOUR)));
    harness.published(&tenants).await;
    until("it is told that it goes on", async || harness.parts.health.troubles().is_empty()).await;
    followers.stop().await;
    harness.assert_same(&tenants).await;
    assert_eq!(harness.store.parked(&tenants[0], &Follower::relay()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_old_for_its_topic_is_never_taken_and_parked() {
    let tenants = tenants(2);
    let harness = with_early_events(2).await;
    // This topic takes no record that is older than a day, which Kafka refuses with the same error.
    let day = i64::try_from((24 * HOUR).as_millis()).unwrap();
    let described = TopicDescription { age_ms_max: Some(day), ..TopicDescription::default() };
    harness.kafka.state(|state| state.described.insert(topic(ITEM), described));
    let late = Arc::new(Manual::new(after(NOON, 48 * HOUR)));
    let harness = Harness {
        parts: event_gateway::follow::FollowDeps { clock: late, ..harness.parts.clone() },
        ..harness
    };
    let followers = harness.follow();
    let parked = harness.parked(&tenants[0], |parked| !parked.is_empty()).await;
    assert!(parked[0].cause.contains("time"), "{}", parked[0].cause);
    harness.published(&tenants).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_takes_nothing_has_its_tenants_wait_in_order_and_nobody_else() {
    let tenants = tenants(60);
    let harness = Harness::new(1, &tenants).await;
    harness.kafka.state(|state| state.away_topics.insert(topic(LOAN)));
    // The last tenant has no event of that topic; more tenants than fit into a page wait for it.
    let (last, waiting) = tenants.split_last().unwrap();
    for tenant in waiting {
        harness.append(tenant, mixed(tenant, 1..10)).await;
    }
    let items = (1..10).map(|id| draft(last, ITEM, &format!("k{}", id % 10), id)).collect();
    harness.append(last, items).await;
    let followers = harness.follow();
    harness.published(std::slice::from_ref(last)).await;
    let trouble = harness.trouble(&format!("writes to {LOAN}")).await;
    assert!(trouble.contains("away by the test"), "{trouble}");
    let sent =
        harness.kafka.state(|state| state.records.iter().any(|record| record.topic == topic(LOAN)));
    assert!(!sent, "Kafka takes nothing of it");
    // The events before the first one that waits are published.
    harness.until_cursor(|cursor| cursor == Some(2), &waiting[0]).await;
    harness.kafka.state(|state| state.away_topics.clear());
    harness.published(&tenants).await;
    until("it is told that it goes on", async || harness.parts.health.troubles().is_empty()).await;
    followers.stop().await;
    harness.assert_same(&tenants).await;
}

/// The same as the test before, with a parked key of that topic, which is counted meanwhile and
/// then released.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_parked_of_a_topic_that_takes_nothing_is_passed_over_and_released_later() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    harness.refuse(LOAN, "k3");
    harness.append(&tenants[0], vec![draft(&tenants[0], LOAN, "k3", 3)]).await;
    let followers = harness.follow();
    harness.parked(&tenants[0], |parked| parked.len() == 1).await;
    harness.published(&tenants).await;
    harness.kafka.state(|state| state.away_topics.insert(topic(LOAN)));
    let of_key = draft(&tenants[0], LOAN, "k3", 13);
    harness.append(&tenants[0], vec![draft(&tenants[0], LOAN, "k9", 9), of_key]).await;
    harness.trouble(&format!("writes to {LOAN}")).await;
    let parked = harness.store.parked(&tenants[0], &Follower::relay()).await.unwrap().remove(0);
    assert_eq!(parked.events, 1, "what waits is not passed");
    harness.allow_all();
    harness.ask(&parked, event_gateway::domain::parked::Request::Release).await;
    harness.kafka.state(|state| state.away_topics.clear());
    harness.parked(&tenants[0], crate::support::parking::ended).await;
    harness.published(&tenants).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
    assert_eq!(harness.kafka.state(|state| state.records.len()), 3);
}

/// The warning comes before the first page; with Kafka down, it lasts as long as that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_that_is_older_than_its_topic_keeps_records_is_reported_before_it_is_published() {
    let tenants = tenants(2);
    let clock = Arc::new(Manual::new(NOON));
    let mut harness = Harness::on_clock(1, &tenants, clock.clone()).await;
    harness.append(&tenants[0], mixed(&tenants[0], 1..20)).await;
    let (later, hour) = (after(NOON, 5 * HOUR), i64::try_from(HOUR.as_millis()).unwrap());
    harness.parts.clock = Arc::new(Manual::new(later));
    clock.set(later);
    harness.append(&tenants[1], mixed(&tenants[1], 20..40)).await;
    // One topic keeps records for three hours, the other for six; neither takes records just now.
    harness.kafka.state(|state| {
        for (name, hours) in [(ITEM, 3), (LOAN, 6)] {
            let described = TopicDescription {
                retention_ms: Some(hours * hour),
                ..TopicDescription::default()
            };
            state.described.insert(topic(name), described);
            state.away_topics.insert(topic(name));
        }
    });
    let followers = harness.follow();
    let trouble = harness.trouble(&format!("retention of {ITEM}")).await;
    for part in ["tenant t0", "position 1,", "5 hours", "3 hours", "retention.ms"] {
        assert!(trouble.contains(part), "{part}: {trouble}");
    }
    assert_eq!(harness.kafka.state(|state| state.records.len()), 0, "it is told first");
    let troubles = harness.parts.health.troubles();
    assert!(!troubles.contains_key(&format!("retention of {LOAN}")), "{troubles:?}");
    harness.kafka.state(|state| state.away_topics.clear());
    harness.published(&tenants).await;
    followers.stop().await;
}

/// Makes a harness whose first tenant has events, by the replica's own clock, of a topic that Kafka
/// does not have; no file names any.
async fn with_a_missing_topic(of: &[TenantId]) -> (Harness, Arc<Manual>) {
    let mut harness = Harness::on_clock(1, of, Arc::new(Manual::new(NOON))).await;
    let clock = Arc::new(Manual::new(NOON));
    harness.parts.clock = clock.clone();
    harness.kafka.state(|state| state.missing_topics.insert(topic(LOAN)));
    harness.append(&of[0], mixed(&of[0], 0..30)).await;
    (harness, clock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_file_has_not_arrived_yet_has_its_tenant_wait_and_nobody_else() {
    let tenants = tenants(2);
    let (harness, clock) = with_a_missing_topic(&tenants).await;
    let items = (1..10).map(|id| draft(&tenants[1], ITEM, "k", id)).collect();
    harness.append(&tenants[1], items).await;
    clock.set(after(NOON, Duration::from_secs(299)));
    let followers = harness.follow();
    harness.published(&tenants[1..]).await;
    let trouble = harness.trouble(&format!("writes to {LOAN}")).await;
    for part in ["no file of tenant t0", "on this replica", "five minutes"] {
        assert!(trouble.contains(part), "{part}: {trouble}");
    }
    assert_eq!(harness.store.parked(&tenants[0], &Follower::relay()).await.unwrap(), []);
    // A replica with the file has created the topic.
    harness.kafka.state(|state| state.missing_topics.clear());
    harness.published(&tenants).await;
    until("it is told that it goes on", async || harness.parts.health.troubles().is_empty()).await;
    followers.stop().await;
    harness.assert_same(&tenants).await;
    assert_eq!(harness.store.parked(&tenants[0], &Follower::relay()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_no_file_names_is_not_made_and_parks_alone() {
    let tenants = tenants(1);
    let (harness, clock) = with_a_missing_topic(&tenants).await;
    let followers = harness.follow();
    let writes = format!("writes to {LOAN}");
    harness.trouble(&writes).await;
    clock.set(after(NOON, Duration::from_secs(300)));
    harness.published(&tenants).await;
    assert!(!harness.parts.health.troubles().contains_key(&writes), "nothing waits any more");
    let parked = harness.parked(&tenants[0], |parked| parked.iter().any(|p| p.events == 10)).await;
    assert_eq!((parked.len(), &parked[0].topic, &parked[0].key), (1, &topic(LOAN), &None));
    for part in ["tenant t0", "TENANTS_DIR", "not created"] {
        assert!(parked[0].cause.contains(part), "{part}: {}", parked[0].cause);
    }
    harness.kafka.state(|state| state.missing_topics.clear());
    harness.ask(&parked[0], event_gateway::domain::parked::Request::Release).await;
    harness.parked(&tenants[0], crate::support::parking::ended).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_under_one_env_are_reported_with_whose_fault_it_is_that_they_fence_each_other() {
    let tenants = tenants(2);
    let mut here = Harness::new(1, &tenants[..1]).await;
    let there = Harness::new(1, &tenants).await;
    here.kafka = there.kafka.clone();
    let (followers, others) = (here.follow(), there.follow());
    let env = SinkPart::Env(Lane::new(0)).of(&Follower::relay());
    let told = |harness: &Harness| harness.parts.health.cause_of(&env).is_some();
    let mut ids = 0..;
    until("both are told", async || {
        for (harness, tenant) in [(&here, &tenants[0]), (&there, &tenants[1])] {
            let id = ids.next().unwrap();
            harness.append(tenant, drafts(tenant, id..id + 1)).await;
            harness.published(std::slice::from_ref(tenant)).await;
        }
        told(&here) && told(&there)
    })
    .await;
    let trouble = here.trouble("ENV of lane-0").await;
    assert!(trouble.contains("another store") && trouble.contains("ENV"), "{trouble}");
    followers.stop().await;
    others.stop().await;
    here.assert_same(&tenants[..1]).await;
    there.assert_same(&tenants[1..]).await;
}
