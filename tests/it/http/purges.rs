//! Purges by FOLIO's tenant interface: nothing of the tenant is left, nothing is lost unasked, and
//! a tenant that comes back begins anew.

use std::sync::Arc;
use std::time::Duration;

use crash::until;
use event_gateway::clock::{Clock, System};
use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::replay::{Outcome, Progress};
use event_gateway::domain::subject::Subject;
use event_gateway::domain::topic::Topic;
use event_gateway::domain::trail::Act;
use event_gateway::store::{Store, TrailScan};
use serde_json::{Value, json};

use crate::support::fake_sink::FakeKafka;
use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::gateway::{Gateway, Setup, tenant_id};
use crate::support::replays;
use crate::support::subscriber::Subscriber;
use crate::support::tenants::{ask, enable, post};

fn request(force: bool) -> Value {
    let parameters = json!([{ "key": "force", "value": force.to_string() }]);
    json!({ "module_from": "event-gateway-1.0.0", "purge": true, "parameters": parameters })
}

/// Asks for a purge; returns the status, the job's place and the answer.
async fn purge(gateway: &Gateway, force: bool) -> (u16, String, Value) {
    ask(gateway, ("POST", "/_/tenant"), "diku", Some(request(force))).await
}

/// Returns a job once it is complete.
async fn complete(gateway: &Gateway, place: &str) -> Value {
    let waited = format!("{place}?wait=60000");
    let (status, _, job) = ask(gateway, ("GET", &waited), "diku", None).await;
    assert_eq!((status, &job["complete"]), (200, &json!(true)), "{job}");
    assert_eq!((&job["messages"], job.get("error")), (&json!([]), None), "{job}");
    job
}

/// Returns what a tenant that was purged, or is being, is answered to another disable.
async fn disabled_again(gateway: &Gateway) -> u16 {
    ask(gateway, ("POST", "/_/tenant"), "diku", Some(json!({}))).await.0
}

/// Waits until a job names a sink that is not configured, alone, and is complete once that is
/// forgotten.
async fn complete_without(gateway: &Gateway, place: &str, sink: &Follower) {
    let forget = format!("`event-gateway sinks forget {sink}`");
    until("the job names the sink", async || {
        let (_, _, job) = ask(gateway, ("GET", place), "diku", None).await;
        let told = job["messages"].to_string();
        told.contains(&forget) && !told.contains("Kafka")
    })
    .await;
    gateway.store.forget_follower(sink, None, None).await.unwrap();
    complete(gateway, place).await;
}

async fn until_published(gateway: &Gateway, position: u64) {
    let diku = tenant_id("diku");
    until("the event is published", async || {
        let cursor = gateway.store.load(&diku, &Follower::relay()).await.unwrap();
        cursor.is_some_and(|cursor| cursor.position.number() == position)
    })
    .await;
}

/// Returns the positions and log ids of the records of `diku`'s instances.
fn records(kafka: &FakeKafka) -> Vec<(u64, String)> {
    let topic = Topic::parse("folio.diku.inventory.instance").unwrap();
    kafka.state(|state| {
        let own = state.records.iter().filter(|event| event.topic == topic);
        own.map(|event| (event.position.number(), event.log_id.to_string())).collect()
    })
}

#[tokio::test]
async fn a_purged_tenant_is_gone_from_store_and_sink_and_comes_back_with_another_log() {
    let gateway = Setup::new().with_relay().start().await;
    let (kafka, diku) = (FakeKafka::default(), tenant_id("diku"));
    let followers = gateway.follow(&kafka);
    for _ in 0..2 {
        assert_eq!(post(&gateway, "diku").await.0, 201);
    }
    until_published(&gateway, 2).await;
    let first = records(&kafka);
    assert_eq!(first.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [1, 2]);
    let (status, place, job) = purge(&gateway, false).await;
    assert_eq!((status, &job["tenantAttributes"]), (201, &request(false)), "{job}");
    assert_eq!(post(&gateway, "diku").await.0, 404, "at once");
    complete(&gateway, &place).await;
    assert_eq!(records(&kafka), [], "its own topics are deleted");
    let cursors = kafka.state(|state| state.cursors.values().map(|lane| lane.len()).sum::<usize>());
    assert_eq!(cursors, 0, "its cursor is forgotten");
    assert_eq!(gateway.store.purges().await.unwrap(), []);
    let known = [(Follower::relay(), None)];
    assert_eq!(gateway.store.stands(&diku).await.unwrap(), known, "its checkpoint is gone");
    assert_eq!(ask(&gateway, ("GET", "/domain-events"), "diku", None).await.0, 404);
    // Okapi asks again if it has lost the answer.
    let (status, again, _) = purge(&gateway, true).await;
    assert_eq!((status, disabled_again(&gateway).await), (201, 204));
    complete(&gateway, &again).await;
    let never = ask(&gateway, ("POST", "/_/tenant"), "nobody", Some(request(true))).await;
    assert_eq!(never.0, 404);
    enable(&gateway, "diku").await;
    assert_eq!(post(&gateway, "diku").await.1["position"], 3);
    until_published(&gateway, 3).await;
    let again = records(&kafka);
    assert_eq!(again.len(), 1);
    assert!(again[0].0 == 3 && again[0].1 != first[0].1, "{again:?}");
    let troubles = gateway.health.troubles();
    assert!(troubles.is_empty(), "{troubles:?}");
    followers.stop().await;
}

#[tokio::test]
async fn a_purge_that_would_lose_events_is_refused_with_their_number_unless_it_is_forced() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    for _ in 0..3 {
        assert_eq!(post(&gateway, "diku").await.0, 201);
    }
    let (status, _, problem) = purge(&gateway, false).await;
    let error = &problem["errors"][0];
    assert_eq!((status, &error["code"]), (409, &json!("purge-loses-events")), "{problem}");
    let lost = json!([{ "key": "pending", "value": "3" }, { "key": "parked", "value": "0" }]);
    assert_eq!(error["parameters"], lost);
    assert_eq!(post(&gateway, "diku").await.0, 201, "nothing was changed");
    let (status, place, _) = purge(&gateway, true).await;
    assert_eq!(status, 201);
    let act = Some(Act::PurgeTenant);
    let scan = TrailScan { tenant: None, act, from: None, to: None, after: None, rows_max: 9 };
    let rows = gateway.store.trail(&scan).await.unwrap();
    let told = "forced: 4 events are lost that are pending, and 0 that are parked";
    assert_eq!(rows.iter().map(|row| row.reason.as_deref()).collect::<Vec<_>>(), [Some(told)]);
    let followers = gateway.follow(&kafka);
    let waited = format!("{place}?wait=60000");
    let (_, _, job) = ask(&gateway, ("GET", &waited), "diku", None).await;
    let lost = "lost without being published: 4 events that were pending, and 0 that were parked";
    assert_eq!((&job["complete"], &job["messages"]), (&json!(true), &json!([lost])), "{job}");
    assert_eq!(records(&kafka), [], "what was pending is not published");
    followers.stop().await;
}

#[tokio::test]
async fn a_purge_waits_for_a_sink_that_is_away_and_nobody_enables_its_tenant_meanwhile() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    let followers = gateway.follow(&kafka);
    assert_eq!(post(&gateway, "diku").await.0, 201);
    until_published(&gateway, 1).await;
    kafka.state(|state| state.away = true);
    let (_, place, _) = purge(&gateway, false).await;
    until("the job says what it waits for", async || {
        let (_, _, job) = ask(&gateway, ("GET", &place), "diku", None).await;
        job["messages"][0] == "waits until Kafka has forgotten the log"
    })
    .await;
    let to = json!({ "module_to": "event-gateway-1.0.0" });
    let (status, _, problem) = ask(&gateway, ("POST", "/_/tenant"), "diku", Some(to)).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (409, &json!("tenant-purging")));
    let (status, again, _) = purge(&gateway, false).await;
    assert_eq!(status, 201, "it may be asked again");
    assert_eq!(disabled_again(&gateway).await, 204);
    assert_eq!(gateway.store.purges().await.unwrap().len(), 1);
    kafka.state(|state| state.away = false);
    complete(&gateway, &place).await;
    complete(&gateway, &again).await;
    assert_eq!(records(&kafka), []);
    followers.stop().await;
}

#[tokio::test]
async fn a_purge_waits_for_a_sink_that_has_a_checkpoint_and_is_not_configured() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    let (store, diku) = (&gateway.store, tenant_id("diku"));
    assert_eq!(post(&gateway, "diku").await.0, 201);
    let other = Follower::parse("other").unwrap();
    let lane = store.find_tenant(&diku).await.unwrap().unwrap().lane;
    let lease = store.acquire(lane, "two", Duration::from_secs(5)).await.unwrap();
    let slice = gateway.slice("diku").await;
    let cursor = Cursor::at(&slice.events[0]);
    let lease = lease.unwrap();
    store.checkpoint(&lease, &other, &[(diku.clone(), cursor)]).await.unwrap();
    store.release(&lease).await.unwrap();
    let followers = gateway.follow(&kafka);
    until_published(&gateway, 1).await;
    let (status, place, _) = purge(&gateway, false).await;
    assert_eq!(status, 201);
    complete_without(&gateway, &place, &other).await;
    followers.stop().await;
}

#[tokio::test]
async fn a_purge_asked_of_a_replica_without_sinks_loses_nothing_of_another_s() {
    let gateway = Setup::new().start().await;
    let (kafka, diku) = (FakeKafka::default(), tenant_id("diku"));
    kafka.state(|state| state.away = true);
    let followers = gateway.follow(&kafka);
    until("the store knows the sink", async || {
        gateway.store.stands(&diku).await.unwrap() == [(Follower::relay(), None)]
    })
    .await;
    assert_eq!(post(&gateway, "diku").await.0, 201);
    let (status, _, problem) = purge(&gateway, false).await;
    assert_eq!(status, 409, "{problem}");
    assert_eq!(problem["errors"][0]["parameters"][0]["value"], "1", "{problem}");
    followers.stop().await;
}

#[tokio::test]
async fn a_purge_waits_for_a_sink_that_has_passed_it_and_is_not_configured_any_more() {
    let gateway = Setup::new().with_relay().start().await;
    let (kafka, store, diku) = (FakeKafka::default(), &gateway.store, tenant_id("diku"));
    let lane = store.find_tenant(&diku).await.unwrap().unwrap().lane;
    let (status, place, _) = purge(&gateway, true).await;
    assert_eq!(status, 201);
    let [under_way] = &store.purges().await.unwrap()[..] else { panic!("one is under way") };
    let lease = store.acquire(lane, "two", Duration::from_secs(5)).await.unwrap().unwrap();
    let other = Follower::parse("other").unwrap();
    store.pass_purge(&lease, &other, under_way).await.unwrap();
    store.release(&lease).await.unwrap();
    let followers = gateway.follow(&kafka);
    complete_without(&gateway, &place, &other).await;
    followers.stop().await;
}

#[tokio::test]
async fn a_large_purge_holds_up_no_other_tenant_s_job() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    let faulty = Arc::new(FaultyStore::new(gateway.store.clone()));
    faulty.set(Mode::PurgingWithoutEnd);
    let store: Arc<dyn Store> = faulty.clone();
    let followers = gateway.follow_on(&store, &kafka);
    let (_, place, _) = purge(&gateway, true).await;
    until("the job tells that rows are removed", async || {
        let (_, _, job) = ask(&gateway, ("GET", &place), "diku", None).await;
        job["messages"][0] == "removes what the store has of the tenant"
    })
    .await;
    let (other, _) = enable(&gateway, "college").await;
    until("the other job is complete", async || {
        ask(&gateway, ("GET", &other), "college", None).await.2["complete"] == true
    })
    .await;
    faulty.set(Mode::Healthy);
    complete(&gateway, &place).await;
    followers.stop().await;
}

#[tokio::test]
async fn open_streams_end_when_their_tenant_is_purged() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    assert_eq!(subscriber.put(json!({})).await.0, 201);
    assert_eq!(post(&gateway, "diku").await.0, 201);
    let mut stream = subscriber.stream("reader=one", &[]).await;
    stream.begun().await;
    stream.positions(1).await;
    assert_eq!(purge(&gateway, true).await.0, 201);
    assert_eq!(stream.reason().await, "tenant-not-enabled");
    assert_eq!(subscriber.ask("reader=one").await.0, 404);
}

#[tokio::test]
async fn a_tenant_that_is_purged_does_not_get_its_topics_back_from_an_older_job() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    let (place, _) = enable(&gateway, "diku").await;
    assert_eq!(purge(&gateway, true).await.0, 201);
    let followers = gateway.follow(&kafka);
    until("the older job ends", async || {
        let (_, _, job) = ask(&gateway, ("GET", &place), "diku", None).await;
        job["error"] == "the tenant was purged meanwhile"
    })
    .await;
    until("the purge ends", async || gateway.store.purges().await.unwrap().is_empty()).await;
    let topic = Topic::parse("folio.diku.inventory.instance").unwrap();
    assert!(kafka.state(|state| !state.ensured.contains(&topic)));
    followers.stop().await;
}

#[tokio::test]
async fn a_purge_takes_the_targets_of_replays_and_its_job_names_what_it_leaves() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    let topic = |name: &str| Topic::parse(name).unwrap();
    let own = topic("folio.diku.again");
    let [shared, other] = [topic("folio.ALL.inventory.item"), topic("OTHER.diku.again")];
    let noted = [(Subject::new("inventory", "item"), shared.clone())];
    gateway.store.note_topics(&tenant_id("diku"), &noted).await.unwrap();
    for (number, target) in [(1, &own), (2, &other)] {
        let ended = Some((Outcome::Completed, System.now()));
        let progress = Progress { ended, ..Progress::default() };
        replays::add(&*gateway.store, number, Some(target), progress).await;
    }
    kafka.state(|state| state.ensured.extend([&own, &shared, &other].map(Topic::clone)));
    let (status, place, job) = purge(&gateway, true).await;
    let left = [&other, &shared].map(|topic| {
        format!("its records stay in {topic}, which other tenants have, or may have, as well")
    });
    assert_eq!((status, &job["messages"]), (201, &json!(left)), "{job}");
    let followers = gateway.follow(&kafka);
    until("it tells what it waits for as well", async || {
        let (_, _, job) = ask(&gateway, ("GET", &place), "diku", None).await;
        let told: Vec<String> = serde_json::from_value(job["messages"].clone()).unwrap();
        assert_eq!(told[..2], left);
        told.len() > 2
    })
    .await;
    let waited = format!("{place}?wait=60000");
    let (_, _, job) = ask(&gateway, ("GET", &waited), "diku", None).await;
    assert_eq!((&job["complete"], &job["messages"]), (&json!(true), &json!(left)), "{job}");
    let has = |topic: &Topic| kafka.state(|state| state.ensured.contains(topic));
    assert_eq!([&own, &shared, &other].map(has), [false, true, true]);
    followers.stop().await;
}
