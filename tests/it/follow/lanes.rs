//! Stories about another number of lanes: published events stay published once, and the rest goes
//! on in order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crash::until;
use event_gateway::clock::{Manual, System};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::follow::resize::{self, Error, Progress, Resized};
use event_gateway::follow::{Followers, Wakeups};
use event_gateway::health::Component;
use event_gateway::sink::Sinks;
use event_gateway::store::{self, Access, Config, Store, open};

use crate::support::fake_documents::FakeDocuments;
use crate::support::fake_sink::{Fault, at_each_call};
use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::harness::{Harness, drafts, tenants};
use crate::support::trail::by;

const TTL: Duration = Duration::from_secs(60);

/// The call of a resize that breaks, and whose it is.
#[derive(Clone, Copy)]
enum Broken {
    Kafka(usize, Fault),
    Store(usize, Fault),
}

async fn resized(harness: &Harness, store: &dyn Store, lanes: u16) -> Result<Resized, Error> {
    let sinks = Sinks::default().with_kafka(Arc::new(harness.kafka.clone()));
    resize::resize(store, &sinks, "tool", lanes, &by(Act::ResizeLanes), &|_| {}).await
}

/// Publishes new events, as a replica that was started with so many lanes.
async fn publish(
    harness: &mut Harness,
    tenants: &[TenantId],
    lanes: u16,
    ids: std::ops::Range<u128>,
) {
    harness.parts.wakeups = Wakeups::new(lanes);
    let followers = harness.follow();
    for tenant in tenants {
        harness.append(tenant, drafts(tenant, ids.clone())).await;
    }
    harness.published(tenants).await;
    followers.stop().await;
}

/// Resizes from 2 lanes to 5 and back to 1; one call of the first resize breaks, and it is done
/// again. Returns the number of calls that it made to Kafka and the store.
async fn story(broken: Broken) -> (usize, usize) {
    let tenants = tenants(7);
    let mut harness = Harness::new(2, &tenants).await;
    publish(&mut harness, &tenants, 2, 0..20).await;
    let before = harness.kafka.state(|state| state.calls);
    let mut store_fault = None;
    match broken {
        Broken::Kafka(call, fault) => {
            harness.kafka.state(|state| state.fault = Some((before + call, fault)))
        }
        Broken::Store(call, fault) => store_fault = Some((call, fault)),
    }
    let faulty = FaultyStore::with_fault(harness.store.clone(), store_fault);
    let first = resized(&harness, &faulty, 5).await;
    let calls = (harness.kafka.state(|state| state.calls) - before, faulty.calls());
    harness.kafka.state(|state| state.fault = None);
    if first.is_err() {
        // Its lanes go on, whether the call broke before or after the store changed.
        let lanes = u16::try_from(harness.store.members().await.unwrap().lanes.len()).unwrap();
        publish(&mut harness, &tenants, lanes, 20..25).await;
        resized(&harness, &*harness.store.clone(), 5).await.unwrap();
    }
    publish(&mut harness, &tenants, 5, 25..40).await;
    resized(&harness, &*harness.store.clone(), 1).await.unwrap();
    publish(&mut harness, &tenants, 1, 40..50).await;
    harness.assert_same(&tenants).await;
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_of_a_resizing_fails_nothing_is_lost_repeated_or_reordered() {
    at_each_call(10, async |(call, fault)| story(Broken::Kafka(call, fault)).await.0).await;
    at_each_call(6, async |(call, fault)| story(Broken::Store(call, fault)).await.1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_stands_in_its_tenant_s_lane_alone() {
    let tenants = tenants(7);
    let mut harness = Harness::new(2, &tenants).await;
    publish(&mut harness, &tenants, 2, 0..20).await;
    let store = harness.store.clone();
    assert_eq!(resized(&harness, &*store, 5).await.unwrap(), Resized { from: 2, moved: 3 });
    assert_eq!(resized(&harness, &*store, 5).await.unwrap(), Resized { from: 5, moved: 0 });
    let enabled = harness.store.list().await.unwrap();
    for lane in Lane::all(5) {
        let known =
            harness.kafka.state(|state| state.cursors.get(&lane).cloned().unwrap_or_default());
        let mut logs: Vec<_> = known.into_keys().map(|(log_id, _)| log_id).collect();
        logs.sort();
        let mut its: Vec<_> = enabled.iter().filter(|e| e.lane == lane).map(|e| e.log_id).collect();
        its.sort();
        assert_eq!(logs, its, "{lane}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_are_not_resized_while_somebody_works_on_them() {
    let tenants = tenants(2);
    let mut harness = Harness::new(2, &tenants).await;
    let store = harness.store.clone();
    store.heartbeat("one", "run", TTL).await.unwrap();
    let error = resized(&harness, &*store, 3).await.unwrap_err();
    assert!(matches!(&error, Error::Attended(who) if *who == ["one"]), "{error}");
    store.deregister("one").await.unwrap();
    let lease = store.acquire(Lane::new(1), "one", TTL).await.unwrap().unwrap();
    let error = resized(&harness, &*store, 3).await.unwrap_err();
    assert!(matches!(error, Error::Held(lane) if lane == Lane::new(1)), "{error}");
    store.release(&lease).await.unwrap();
    let holders = store.members().await.unwrap().lanes.into_iter().map(|lease| lease.holder);
    assert!(holders.eq([None, None]), "what it took before it was refused is free again");
    publish(&mut harness, &tenants, 2, 0..3).await;
    let error =
        resize::resize(&*store, &Sinks::default(), "tool", 3, &by(Act::ResizeLanes), &|_| {})
            .await
            .unwrap_err();
    assert!(matches!(&error, Error::NoSink { tenant, .. } if *tenant == tenants[0]), "{error}");
    harness.kafka.state(|state| state.cursors.clear());
    let error = resized(&harness, &*store, 1).await.unwrap_err();
    assert!(matches!(error, Error::CursorLost(_)), "{error}");
    assert_eq!(store.members().await.unwrap().lanes.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cursors_of_every_sink_go_along_with_their_tenants() {
    let tenants = tenants(5);
    let mut harness = Harness::new(2, &tenants).await;
    let documents = FakeDocuments::new("hexkit");
    let sinks = Sinks::default()
        .with_kafka(Arc::new(harness.kafka.clone()))
        .with(Arc::new(documents.clone()));
    let store = harness.store.clone();
    for (lanes, ids) in [(2, 0..10), (5, 10..20), (1, 20..30)] {
        if lanes != 2 {
            let broker = Sinks::default().with_kafka(Arc::new(harness.kafka.clone()));
            let error =
                resize::resize(&*store, &broker, "tool", lanes, &by(Act::ResizeLanes), &|_| {})
                    .await
                    .unwrap_err();
            assert!(error.to_string().contains("HEXKIT_MONGODB_URL"), "{error}");
            let (told, by) = (Mutex::new(Vec::new()), by(Act::ResizeLanes));
            let report = |step| told.lock().unwrap().push(step);
            resize::resize(&*store, &sinks, "tool", lanes, &by, &report).await.unwrap();
            let told = told.into_inner().unwrap();
            for sink in ["Kafka", "the collection"] {
                let fenced = |n| Progress::Fenced(sink, n, 5);
                assert!((1..=5).all(|n| told.contains(&fenced(n))), "{sink}: {told:?}");
                let copied = |n| Progress::Copied(sink, n, n);
                assert!((1..=5).any(|n| told.contains(&copied(n))), "{sink}: {told:?}");
            }
        }
        harness.parts.wakeups = Wakeups::new(lanes);
        let followers = Followers::start(&harness.parts, &sinks);
        for tenant in &tenants {
            harness.append(tenant, drafts(tenant, ids.clone())).await;
        }
        harness.published(&tenants).await;
        until("the documents are there", async || {
            store.lag(&Follower::hexkit()).await.unwrap().events == 0
        })
        .await;
        followers.stop().await;
        assert!(harness.parts.health.troubles().is_empty());
    }
    let newest = documents
        .state(|state| state.documents.values().map(|event| event.position.number()).max());
    assert_eq!(newest, Some(30));
    harness.assert_same(&tenants).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_are_held_however_long_a_resizing_takes() {
    let harness = Harness::new(2, &tenants(2)).await;
    let folder = tempfile::tempdir().unwrap();
    let config = Config::Sqlite { path: folder.path().join("store.db") };
    let clock = Arc::new(Manual::new(Time::from_ms(0)));
    let store = open(&config, Access::Serve, clock.clone()).await.unwrap();
    store.lanes(2).await.unwrap();
    harness.kafka.state(|state| state.adds_partitions_slowly = true);
    let (faulty, kafka) = (Arc::new(FaultyStore::new(store.clone())), harness.kafka.clone());
    let (slow, tool) = (faulty.clone(), Sinks::default().with_kafka(Arc::new(kafka.clone())));
    let resizing = tokio::spawn(async move {
        resize::resize(&*slow, &tool, "tool", 3, &by(Act::ResizeLanes), &|_| {}).await
    });
    until("Kafka is asked to widen", async || kafka.state(|state| state.calls) == 1).await;
    for seconds in [4, 8] {
        let told = faulty.calls();
        until("the lanes are held on", async || faulty.calls() > told + 1).await;
        clock.set(Time::from_ms(seconds * 1_000));
    }
    assert_eq!(store.acquire(Lane::new(0), "one", TTL).await.unwrap(), None);
    kafka.state(|state| state.adds_partitions_slowly = false);
    assert_eq!(resizing.await.unwrap().unwrap(), Resized { from: 2, moved: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_of_an_unpublished_store_are_resized_without_a_kafka() {
    let tenants = tenants(4);
    let mut harness = Harness::new(2, &tenants).await;
    let store = harness.store.clone();
    let done =
        resize::resize(&*store, &Sinks::default(), "tool", 4, &by(Act::ResizeLanes), &|_| {})
            .await
            .unwrap();
    assert_eq!(done, Resized { from: 2, moved: 2 });
    publish(&mut harness, &tenants, 4, 0..3).await;
    harness.assert_same(&tenants).await;
}

/// A replica's store fails from each call on in turn, as if the replica were killed there; its
/// leases expire.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_is_the_last_a_store_whose_pages_kafka_has_is_not_resized_without_it() {
    let (tenants, mut published, mut call) = (tenants(1), 0, 1);
    while published < 3 {
        let mut harness = Harness::new(2, &tenants).await;
        let (store, kafka) = (harness.store.clone(), harness.kafka.clone());
        let faulty = Arc::new(FaultyStore::new(store.clone()));
        faulty.set(Mode::FailingFrom(
            call,
            store::Error::Unavailable("killed by the test".to_owned()),
        ));
        harness.parts.store = faulty.clone();
        harness.append(&tenants[0], drafts(&tenants[0], 0..3)).await;
        let followers = harness.follow();
        until("killed", async || faulty.calls() >= call).await;
        followers.stop().await;
        store.deregister("one").await.unwrap();
        for lane in Lane::all(2) {
            let lease = store.seize(lane, "test", TTL).await.unwrap();
            store.release(&lease).await.unwrap();
        }
        let has_pages = kafka.state(|state| !state.records.is_empty());
        match resize::resize(&*store, &Sinks::default(), "tool", 3, &by(Act::ResizeLanes), &|_| {})
            .await
        {
            Ok(_) => assert!(!has_pages, "call {call}"),
            Err(error) => assert!(matches!(error, Error::NoSink { .. }), "call {call}: {error}"),
        }
        published += u32::from(has_pages);
        call += 1;
    }
    assert!(call > 8, "a story of {call} calls tells nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_slept_through_a_resizing_says_so_and_works_on_nothing() {
    let tenants = tenants(2);
    let mut harness = Harness::new(2, &tenants).await;
    resized(&harness, &*harness.store.clone(), 4).await.unwrap();
    harness.parts.wakeups = Wakeups::new(2);
    let followers = harness.follow();
    harness.append(&tenants[1], drafts(&tenants[1], 0..3)).await;
    let trouble = harness.trouble("lanes").await;
    assert!(trouble.contains("LANES=4"), "{trouble}");
    assert_eq!(harness.store.load(&tenants[1], &Follower::relay()).await.unwrap(), None);
    let members = harness.store.members().await.unwrap();
    assert!(members.lanes.iter().all(|lease| lease.holder.is_none()), "{members:?}");
    assert!(members.replicas.is_empty(), "the others leave it no share: {members:?}");
    followers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_store_has_no_lanes_to_resize() {
    let harness = Harness::new(2, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let config = Config::Sqlite { path: folder.path().join("store.db") };
    let store = open(&config, Access::Serve, Arc::new(System)).await.unwrap();
    let error = resized(&harness, &*store, 3).await.unwrap_err();
    assert!(matches!(error, Error::NoLanes), "{error}");
}

#[cfg(feature = "services")]
mod real {
    use std::time::Instant;

    use crash::PATIENCE;
    use crash::load::Load;

    use crate::support::services::kafka;
    use crate::support::whole_way::{TENANTS, check, setup};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_gateway_goes_on_with_other_lanes_where_it_stopped() {
        let env = kafka::env();
        let setup = setup(&env, &crate::support::services::postgres::url());
        let resize = |count: &str| {
            let done = setup.command(&["lanes", "resize", count]).output().unwrap();
            (done.status.success(), String::from_utf8(done.stdout).unwrap())
        };
        let serve = setup.serve();
        let load = Load::start(&setup.url(), &TENANTS, 3);
        load.more(200).await;
        assert!(!resize("3").0);
        assert!(setup.log().contains("these replicas run: one"), "{}", setup.log());
        serve.terminate();
        for (count, said) in [("3", "3 lanes now (8 before)"), ("12", "12 lanes now (3 before)")] {
            let until = Instant::now() + PATIENCE;
            let (mut ok, mut told) = resize(count);
            // A gateway that could not finish its page in time lets its leases expire.
            while !ok && Instant::now() < until {
                (ok, told) = resize(count);
            }
            assert!(ok && told.starts_with(said), "{told} {}", setup.log());
            assert!(!setup.command(&["serve"]).output().unwrap().status.success());
            assert!(setup.log().contains(&format!("lanes: set LANES={count}")), "{}", setup.log());
            let serve = setup.serve_with(&[("LANES", count)]);
            load.more(200).await;
            serve.terminate();
        }
        let serve = setup.serve_with(&[("LANES", "12")]);
        load.more(50).await;
        let acknowledged = load.finish().await;
        check(&serve.url, &kafka::address(), &env, acknowledged).await;
    }
}

/// Each replica takes the other's lanes for its own former ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_of_one_name_are_reported_to_each_other() {
    let tenants = tenants(2);
    let harness = Harness::new(2, &tenants).await;
    let followers = harness.follow();
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 0..3)).await;
    }
    harness.published(&tenants).await;
    let mut twin = harness.parts.clone();
    twin.instance = "second run".to_owned();
    twin.health = Arc::default();
    let twins =
        Followers::start(&twin, &Sinks::default().with_kafka(Arc::new(harness.kafka.clone())));
    for (health, other) in [(&harness.parts.health, "second run"), (&twin.health, "first run")] {
        until("it is told", async || health.cause_of(&Component::Replica).is_some()).await;
        let told = health.cause_of(&Component::Replica).unwrap();
        assert!(
            told.contains("`one`") && told.contains(other) && told.contains("REPLICA"),
            "{told}"
        );
    }
    twins.stop().await;
    until("it is alone", async || harness.parts.health.cause_of(&Component::Replica).is_none())
        .await;
    followers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_started_again_is_no_other() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    harness.store.heartbeat("one", "a run that was killed", TTL).await.unwrap();
    let followers = harness.follow();
    harness.append(&tenants[0], drafts(&tenants[0], 0..3)).await;
    harness.published(&tenants).await;
    assert_eq!(harness.parts.health.cause_of(&Component::Replica), None);
    followers.stop().await;
}
