//! Erasures: whatever fails meanwhile, what was not sent is discarded, the ERASED event follows what
//! was sent, and no content is left in the log.

use std::sync::Arc;
use std::time::Duration;

use crash::until;
use event_gateway::clock::Manual;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::erasure::Erasure;
use event_gateway::domain::event::EventType;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::{Parked, Request, State};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::follow::Followers;
use event_gateway::follow::erasure::waits_for;
use event_gateway::sink::Sinks;

use crate::support::erasures::{erasure, forget_requests};
use crate::support::fake_documents::FakeDocuments;
use crate::support::fake_sink::{Fault, at_each_call};
use crate::support::faulty_store::FaultyStore;
use crate::support::harness::{Harness, tenants};
use crate::support::ids::{diku, key};
use crate::support::parking::{ITEM, LOAN, draft, mixed};

async fn now(harness: &Harness, of: &Erasure) -> Erasure {
    harness.store.find_erasure(&of.tenant, of.id).await.unwrap().unwrap()
}

async fn completed(harness: &Harness, of: &Erasure) {
    until("the erasure is complete", async || now(harness, of).await.progress.completed.is_some())
        .await;
}

/// Checks that nothing of the record has content before its ERASED events, one for each topic.
async fn assert_erased(harness: &Harness, of: &Erasure) {
    let last = now(harness, of).await.progress.last.unwrap();
    let log = harness.log(&of.tenant).await;
    let its = |event: &&Envelope| event.key == of.key && of.topics.contains(&event.topic);
    let (erased, others): (Vec<_>, Vec<_>) =
        log.iter().filter(its).partition(|event| event.event_type == EventType::Erased);
    assert_eq!(erased.len(), of.topics.len());
    for event in others {
        let is_before = event.position < last;
        assert_eq!(event.erased.is_some(), is_before, "{}", event.position);
        assert_eq!(event.payload == "null", is_before);
        assert!(!is_before || event.headers.iter().next().is_none());
    }
}

fn two_topics(tenant: &TenantId, id: u128, of: &str) -> Erasure {
    erasure(tenant, id, &[ITEM, LOAN], of)
}

/// Some of the record's events are published, some parked by its key, and some pending when it is
/// erased; a call to the store fails. Returns the number of calls.
async fn story(fault: (usize, Fault)) -> usize {
    let tenants = tenants(1);
    let mut harness = Harness::new(1, &tenants).await;
    let tenant = &tenants[0];
    harness.append(tenant, mixed(tenant, 0..40)).await;
    harness.publish(&tenants).await;
    harness.refuse(ITEM, "k7");
    harness.append(tenant, mixed(tenant, 40..80)).await;
    let followers = harness.follow();
    harness.parked(tenant, |parked| parked.iter().any(|p| p.events == 3)).await;
    harness.published(&tenants).await;
    followers.stop().await;
    harness.append(tenant, mixed(tenant, 80..120)).await;
    let (k7, k1) = (two_topics(tenant, 1, "k7"), two_topics(tenant, 2, "k1"));
    harness.store.add_erasure(&k7, None).await.unwrap();
    harness.store.add_erasure(&k1, None).await.unwrap();

    harness.allow_all();
    // So that nothing of it is sent before it is erased.
    harness.kafka.state(|state| state.away = true);
    let faulty = Arc::new(FaultyStore::with_fault(harness.store.clone(), Some(fault)));
    harness.parts.store = faulty.clone();
    let followers = harness.follow();
    until("both are empty", async || {
        harness.store.open_erasures().await.unwrap().iter().all(|it| it.progress.last.is_some())
    })
    .await;
    harness.kafka.state(|state| state.away = false);
    completed(&harness, &k7).await;
    completed(&harness, &k1).await;
    harness.append(tenant, mixed(tenant, 120..140)).await;
    harness.published(&tenants).await;
    let is_over =
        |parked: &[Parked]| parked.iter().all(|parked| matches!(parked.state, State::Discarded(_)));
    harness.parked(tenant, is_over).await;
    followers.stop().await;
    assert_erased(&harness, &k7).await;
    assert_erased(&harness, &k1).await;
    harness.assert_accounted(&tenants).await;
    let counts = harness.store.event_counts().await.unwrap();
    assert_eq!((counts.pending, counts.parked), (0, 0));
    // Three of k7 were parked; of the 40 that were pending, each key has four.
    assert_eq!(counts.discarded, 3 + 8, "{counts:?}");
    faulty.calls()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_the_store_fails_what_was_not_sent_is_discarded_once() {
    at_each_call(8, story).await;
}

/// Kafka is away: the content is gone all the same, and the erasure says what it waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kafka_that_is_away_keeps_nobody_from_being_forgotten() {
    let harness = Harness::new(1, &[diku()]).await;
    harness.kafka.state(|state| state.away = true);
    let items = (0..5).map(|id| draft(&diku(), ITEM, "jane", id)).collect();
    harness.append(&diku(), items).await;
    let jane = erasure(&diku(), 1, &[ITEM], "jane");
    harness.store.add_erasure(&jane, None).await.unwrap();
    let followers = harness.follow();
    until("the log has forgotten", async || now(&harness, &jane).await.progress.last.is_some())
        .await;
    assert_erased(&harness, &jane).await;
    let enabled = harness.store.list().await.unwrap().remove(0);
    let sinks = [Follower::relay()];
    let waits = async || {
        let jane = now(&harness, &jane).await;
        waits_for(&*harness.store, &sinks, &enabled, &jane).await.unwrap()
    };
    assert_eq!(waits().await, sinks);
    assert_eq!(now(&harness, &jane).await.status(), "In progress");
    harness.kafka.state(|state| state.away = false);
    completed(&harness, &jane).await;
    assert_eq!(waits().await, []);
    followers.stop().await;
    let records = harness.kafka.state(|state| state.records.clone());
    let sent: Vec<_> = records.iter().map(|record| record.event_type.as_str()).collect();
    assert_eq!(sent, ["ERASED"], "nothing of the record was sent");
}

/// A sink that is away keeps the erasure in progress, whatever the others have passed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_is_complete_once_every_sink_has_passed_it() {
    let harness = Harness::new(1, &[diku()]).await;
    let documents = FakeDocuments::new("hexkit");
    let kafka = Arc::new(harness.kafka.clone());
    let sinks = Sinks::default().with_kafka(kafka).with(Arc::new(documents.clone()));
    let followers = Followers::start(&harness.parts, &sinks);
    harness.append(&diku(), vec![draft(&diku(), ITEM, "jane", 1)]).await;
    harness.published(&[diku()]).await;
    documents.state(|state| state.away = true);
    let jane = erasure(&diku(), 1, &[ITEM], "jane");
    harness.store.add_erasure(&jane, None).await.unwrap();
    harness.until_cursor(|cursor| cursor == Some(2), &diku()).await;
    let enabled = harness.store.list().await.unwrap().remove(0);
    let all = [Follower::relay(), Follower::hexkit()];
    until("only the other sink is waited for", async || {
        let jane = now(&harness, &jane).await;
        waits_for(&*harness.store, &all, &enabled, &jane).await.unwrap() == [Follower::hexkit()]
    })
    .await;
    // The task has looked since.
    until("it is looked at", async || harness.parts.health.troubles().len() == 2).await;
    assert_eq!(now(&harness, &jane).await.status(), "In progress");
    documents.state(|state| state.away = false);
    completed(&harness, &jane).await;
    followers.stop().await;
}

/// A key that an operator releases while it is erased is not published any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_released_after_it_was_erased_is_discarded() {
    let harness = Harness::new(1, &[diku()]).await;
    harness.refuse(ITEM, "jane");
    let items = (0..3).map(|id| draft(&diku(), ITEM, "jane", id)).collect();
    harness.append(&diku(), items).await;
    let followers = harness.follow();
    let parked = harness.parked(&diku(), |all| all.iter().any(|it| it.events == 3)).await;
    followers.stop().await;
    // The record's events are empty, and its ERASED event is not there yet.
    let jane = erasure(&diku(), 1, &[ITEM], "jane");
    harness.store.add_erasure(&jane, None).await.unwrap();
    let step = event_gateway::store::ErasureStep {
        erasure: jane.clone(),
        events_max: 3,
        erased: Vec::new(),
    };
    assert_eq!(harness.store.erase(&step).await.unwrap(), 3);
    // Nobody carries it on while the release meets what is empty.
    forget_requests(&harness, &[]);
    harness.allow_all();
    harness.ask(&parked[0], Request::Release).await;
    let followers = harness.follow();
    let is_stopped =
        |it: &Parked| it.state == State::Parked && it.requested.is_none() && it.events == 3;
    harness.parked(&diku(), |all| is_stopped(&all[0])).await;
    followers.stop().await;
    assert!(harness.kafka.state(|state| state.records.is_empty()), "nothing was sent");
    harness.store.add_erasure(&jane, None).await.unwrap();
    let followers = harness.follow();
    completed(&harness, &jane).await;
    harness.parked(&diku(), |all| matches!(all[0].state, State::Discarded(_))).await;
    followers.stop().await;
    harness.assert_accounted(&[diku()]).await;
    let records = harness.kafka.state(|state| state.records.clone());
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0].event_type, &records[0].key), (&EventType::Erased, &key("jane")));
}

/// An erasure that waits for Kafka takes nothing that is posted after its ERASED event: another one
/// does, and is not put off until the first is complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_posted_while_an_erasure_waits_is_taken_by_the_next_one() {
    let harness = Harness::new(1, &[diku()]).await;
    harness.kafka.state(|state| state.away = true);
    harness.append(&diku(), vec![draft(&diku(), ITEM, "jane", 1)]).await;
    let [first, second] = [1, 2].map(|id| erasure(&diku(), id, &[ITEM], "jane"));
    harness.store.add_erasure(&first, None).await.unwrap();
    let followers = harness.follow();
    let is_empty = async |of: &Erasure| now(&harness, of).await.progress.last.is_some();
    until("the log has forgotten", async || is_empty(&first).await).await;
    harness.append(&diku(), vec![draft(&diku(), ITEM, "jane", 2)]).await;
    assert!(harness.store.add_erasure(&second, None).await.unwrap());
    until("the log has forgotten again", async || is_empty(&second).await).await;
    let log = harness.log(&diku()).await;
    let emptied: Vec<_> = log.iter().map(|event| event.erased.is_some()).collect();
    assert_eq!(emptied, [true, false, true, false]);
    harness.kafka.state(|state| state.away = false);
    completed(&harness, &first).await;
    completed(&harness, &second).await;
    followers.stop().await;
    let records = harness.kafka.state(|state| state.records.clone());
    let sent: Vec<_> = records.iter().map(|record| record.event_type.as_str()).collect();
    assert_eq!(sent, ["ERASED", "ERASED"], "nothing of the record was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_is_dropped_once_it_was_complete_for_as_long_as_erasures_are_kept() {
    let (day, noon) = (Duration::from_secs(86_400), Time::from_ms(1_700_000_000_000));
    let clock = Arc::new(Manual::new(noon));
    let mut harness = Harness::on_clock(1, &[diku()], clock.clone()).await;
    harness.parts.clock = clock.clone();
    harness.parts.lifetimes.erasures = Some(30 * day);
    let (old, new) = (two_topics(&diku(), 1, "k1"), two_topics(&diku(), 2, "k2"));
    for (days, erasure) in [(0, &old), (20, &new)] {
        clock.set(noon.after((days * day).as_millis() as i64));
        harness.store.add_erasure(erasure, None).await.unwrap();
        let followers = harness.follow();
        completed(&harness, erasure).await;
        followers.stop().await;
    }
    assert_eq!(harness.store.erasures(&diku()).await.unwrap().len(), 2);
    clock.set(noon.after((31 * day).as_millis() as i64));
    let followers = harness.follow();
    let ids = async || {
        let left = harness.store.erasures(&diku()).await.unwrap();
        left.into_iter().map(|erasure| erasure.id).collect::<Vec<_>>()
    };
    until("the old erasure is gone", async || ids().await.len() < 2).await;
    assert_eq!(ids().await, [new.id]);
    followers.stop().await;
}
