//! Several sinks on one lane: a Kafka, and a collection of documents without transactions over
//! topics. Each has a cursor, a checkpoint, parked rows, a health and a lag of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use crash::until;
use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::parked::{Parked, Request, State};
use event_gateway::domain::tenant::TenantId;
use event_gateway::follow::Followers;
use event_gateway::follow::restore::other_sinks;
use event_gateway::health::SinkPart;
use event_gateway::sink::{KnownCursor, ParkingProof, Sinks};

use crate::support::fake_documents::FakeDocuments;
use crate::support::harness::{Harness, drafts, tenants};
use crate::support::ids::{event_id, log_id};

fn hexkit() -> Follower {
    Follower::parse("hexkit").unwrap()
}

fn follow(harness: &Harness, documents: &FakeDocuments) -> Followers {
    let kafka = Arc::new(harness.kafka.clone());
    let sinks = Sinks::default().with_kafka(kafka).with(Arc::new(documents.clone()));
    Followers::start(&harness.parts, &sinks)
}

fn follow_documents(harness: &Harness, documents: &FakeDocuments) -> Followers {
    Followers::start(&harness.parts, &Sinks::default().with(Arc::new(documents.clone())))
}

/// How many events a sink has not come to.
async fn lag(harness: &Harness, follower: &Follower) -> u64 {
    harness.store.lag(follower).await.unwrap().events
}

/// The components of one sink that are degraded, and how many are those of the other.
fn troubles(harness: &Harness, follower: &Follower) -> (Vec<String>, usize) {
    let names = harness.parts.health.troubles().into_keys();
    let is_documents = |name: &String| name.starts_with("hexkit");
    let (documents, kafka): (Vec<_>, Vec<_>) = names.partition(is_documents);
    if *follower == hexkit() { (documents, kafka.len()) } else { (kafka, documents.len()) }
}

/// How many keys and topics a sink has parked.
async fn parked(harness: &Harness, tenant: &TenantId, follower: &Follower) -> usize {
    harness.store.parked(tenant, follower).await.unwrap().len()
}

/// Returns the store's checkpoint of a sink.
async fn checkpoint(harness: &Harness, tenant: &TenantId, follower: &Follower) -> u64 {
    let cursor = harness.store.load(tenant, follower).await.unwrap();
    cursor.map_or(0, |cursor| cursor.position.number())
}

async fn caught_up(harness: &Harness, tenants: &[TenantId], follower: &Follower) {
    for tenant in tenants {
        let head = harness.log(tenant).await.len() as u64;
        until("the sink has all of the log", async || {
            checkpoint(harness, tenant, follower).await == head
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_away_holds_up_no_other_and_goes_on_by_its_own_cursor() {
    let tenants = tenants(3);
    let harness = Harness::new(1, &tenants).await;
    let documents = FakeDocuments::new("hexkit");
    documents.state(|state| state.away = true);
    let cause_of =
        |follower| harness.parts.health.cause_of(&SinkPart::Lane(Lane::new(0)).of(&follower));

    let followers = follow(&harness, &documents);
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 0..20)).await;
    }
    harness.published(&tenants).await;
    until("the sink that is away is named", async || cause_of(hexkit()).is_some()).await;
    assert!(cause_of(hexkit()).unwrap().contains("the collection is away"));
    until("its connection is named too", async || {
        troubles(&harness, &hexkit()) == (vec!["hexkit".into(), "hexkit: lane-0".into()], 0)
    })
    .await;
    assert_eq!((lag(&harness, &Follower::relay()).await, lag(&harness, &hexkit()).await), (0, 60));
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 20..25)).await;
        assert_eq!(checkpoint(&harness, tenant, &hexkit()).await, 0);
    }
    harness.published(&tenants).await;
    let fences = harness.kafka.fences();
    assert_eq!(fences, 1, "the trouble of one sink is no takeover of another");

    documents.state(|state| state.away = false);
    caught_up(&harness, &tenants, &hexkit()).await;
    until("the sink is well", async || harness.parts.health.troubles().is_empty()).await;
    assert_eq!(lag(&harness, &hexkit()).await, 0);
    assert_eq!(harness.kafka.fences(), fences);
    assert_eq!(followers.stop().await, None);

    documents.state(|state| state.away = true);
    let followers = follow(&harness, &documents);
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 25..30)).await;
    }
    harness.published(&tenants).await;
    for tenant in &tenants {
        assert_eq!(checkpoint(&harness, tenant, &hexkit()).await, 25);
    }
    documents.state(|state| state.away = false);
    caught_up(&harness, &tenants, &hexkit()).await;
    assert_eq!(followers.stop().await, None);
    let held = documents.state(|state| {
        let of_cursors = state.cursors.values().flat_map(|cursors| cursors.keys());
        assert!(of_cursors.clone().count() > 0);
        assert!(of_cursors.clone().all(|(_, follower)| *follower == hexkit()));
        state.documents.len()
    });
    let mut records = BTreeSet::new();
    for tenant in &tenants {
        let log = harness.log(tenant).await;
        records.extend(log.into_iter().map(|event| (event.tenant, event.topic, event.key)));
    }
    assert_eq!(held, records.len(), "every record has its document");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_for_the_whole_story_holds_up_no_other_sink() {
    let tenants = tenants(2);
    let mut harness = Harness::new(1, &tenants).await;
    let ticks = harness.parts.pages.subscribe();
    let documents = FakeDocuments::new("hexkit");
    harness.kafka.state(|state| state.away = true);
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 0..20)).await;
    }
    let refused = harness.log(&tenants[0]).await.swap_remove(3).key;
    documents.state(|state| state.refused_keys.push(refused));
    let followers = follow(&harness, &documents);
    caught_up(&harness, &tenants, &hexkit()).await;
    until("the broker is named", async || {
        troubles(&harness, &Follower::relay()) == (vec!["kafka".into(), "lane-0".into()], 0)
    })
    .await;
    assert_eq!((lag(&harness, &Follower::relay()).await, lag(&harness, &hexkit()).await), (40, 0));
    assert_eq!(parked(&harness, &tenants[0], &hexkit()).await, 1);
    assert!(!ticks.has_changed().unwrap(), "nothing is published");
    let told = harness.parts.metrics.text();
    assert!(told.contains("takeovers_total{follower=\"relay\"} 0"), "{told}");
    let failures =
        |sink: &str| format!("page_failures_total{{cause=\"isolate\",follower=\"{sink}\"}} 0\n");
    assert!(!told.contains(&failures("hexkit")), "{told}");
    assert!(told.contains(&failures("relay")), "{told}");

    harness.kafka.state(|state| state.away = false);
    harness.published(&tenants).await;
    until("the broker is well", async || harness.parts.health.troubles().is_empty()).await;
    assert!(ticks.has_changed().unwrap());
    assert_eq!(lag(&harness, &Follower::relay()).await, 0);
    assert_eq!(parked(&harness, &tenants[0], &Follower::relay()).await, 0);
    assert_eq!(parked(&harness, &tenants[0], &hexkit()).await, 1);
    assert_eq!(followers.stop().await, None);
    harness.assert_same(&tenants).await;
    // The same, without a broker at all.
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 20..30)).await;
    }
    harness.parts.health = Arc::default();
    let followers = follow_documents(&harness, &documents);
    caught_up(&harness, &tenants, &hexkit()).await;
    assert_eq!(followers.stop().await, None);
    assert_eq!((lag(&harness, &Follower::relay()).await, lag(&harness, &hexkit()).await), (20, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_stopped_for_one_sink_is_published_to_the_other() {
    let tenants = tenants(2);
    let harness = Harness::new(1, &tenants).await;
    let documents = FakeDocuments::new("hexkit");
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 0..5)).await;
    }
    // The collection has an event at that position which the log has not.
    let stands = harness.log(&tenants[0]).await.swap_remove(2);
    let cursor = Cursor { event_id: event_id(404), ..Cursor::at(&stands) };
    let known = KnownCursor { cursor, proof: ParkingProof::default(), sent: None };
    documents.state(|state| {
        let cursors = state.cursors.entry(Lane::new(0)).or_default();
        cursors.insert((stands.log_id, hexkit()), known);
    });
    let of = |follower: &Follower| SinkPart::Log(tenants[0].clone()).of(follower);
    let followers = follow(&harness, &documents);
    let stopped = harness.trouble("hexkit: tenant t0").await;
    assert!(stopped.contains("the collection has the event"), "{stopped}");
    harness.published(&tenants).await;
    caught_up(&harness, &tenants[1..], &hexkit()).await;
    harness.wear_out().await;
    harness.append(&tenants[0], drafts(&tenants[0], 5..6)).await;
    harness.published(&tenants).await;
    let health = &harness.parts.health;
    assert_eq!(health.cause_of(&of(&hexkit())), Some(stopped), "a takeover of the other ends none");
    assert_eq!(health.cause_of(&of(&Follower::relay())), None);
    assert_eq!(followers.stop().await, None);
}

/// The ways in which a sink gets a log again.
#[derive(Debug, Clone, Copy)]
enum Again {
    /// The log has another id, since it was restored for the broker.
    Restored,
    /// The collection was put back to a copy without anything.
    WentBack,
    /// The sink was forgotten, and is configured again.
    Forgotten,
}

async fn let_begin_again(harness: &Harness, documents: &FakeDocuments, again: Again) {
    let enabled = harness.store.list().await.unwrap().remove(0);
    let (store, new) = (&*harness.store, log_id(99));
    match again {
        Again::Restored => {
            let old = enabled.log_id;
            assert!(store.rotate_log_id(&enabled.tenant, old, new, enabled.head).await.unwrap());
            return;
        }
        Again::WentBack => documents.state(|state| state.cursors.clear()),
        Again::Forgotten => {
            store.forget_follower(&hexkit(), None, None).await.unwrap();
        }
    }
    let difference = other_sinks::compare(store, documents, &enabled).await.unwrap();
    assert!(difference.is_some(), "{again:?}");
    other_sinks::accept(store, documents, &enabled, "test").await.unwrap();
    assert_eq!(other_sinks::compare(store, documents, &enabled).await.unwrap(), None, "{again:?}");
}

/// The sink refuses again what it refused, discarded or not, which is parked under the same names.
#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_gets_a_log_again_parks_again_what_it_refuses() {
    for again in [Again::Restored, Again::WentBack, Again::Forgotten] {
        let tenants = tenants(1);
        let harness = Harness::new(1, &tenants).await;
        let documents = FakeDocuments::new("hexkit");
        harness.append(&tenants[0], drafts(&tenants[0], 0..20)).await;
        let log = harness.log(&tenants[0]).await;
        let refused = [3, 8].map(|at: usize| log[at].key.clone());
        documents.state(|state| state.refused_keys.extend(refused));
        let followers = follow_documents(&harness, &documents);
        caught_up(&harness, &tenants, &hexkit()).await;
        let parked = async || harness.store.parked(&tenants[0], &hexkit()).await.unwrap();
        let first = parked().await;
        let asked = (Request::Discard, Some("a test"));
        let (tenant, id) = (&tenants[0], first[0].event_id);
        assert!(harness.store.request(tenant, &hexkit(), id, asked, None).await.unwrap());
        until("one scope has ended", async || parked().await.iter().any(|it| !it.is_open())).await;
        assert_eq!(followers.stop().await, None);

        let_begin_again(&harness, &documents, again).await;
        harness.append(&tenants[0], drafts(&tenants[0], 20..25)).await;
        let followers = follow_documents(&harness, &documents);
        caught_up(&harness, &tenants, &hexkit()).await;
        assert_eq!(followers.stop().await, None);
        let names = |all: &[Parked]| all.iter().map(|it| it.event_id).collect::<BTreeSet<_>>();
        assert_eq!(names(&parked().await), names(&first), "{again:?}");
        assert!(parked().await.iter().all(|it| it.state == State::Parked), "{again:?}");
        assert!(harness.parts.health.troubles().is_empty());
    }
}
