//! DELETE_ALLs that are expanded: one DELETE for each record that was there, in order, whatever
//! fails meanwhile, and none for what was touched afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use crash::until;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::entity::{DeleteAllMode, LogRetention, TopicSettings};
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::event::EventType;
use event_gateway::domain::key::Key;
use event_gateway::domain::position::Position;
use event_gateway::follow::Followers;
use event_gateway::follow::published::{Awaited, Published, PublishedUpTo};
use event_gateway::sink::Sinks;
use tokio_util::sync::CancellationToken;

use crate::support::drafts::{created, deleted, updated};
use crate::support::fake_sink::{Fault, at_each_call};
use crate::support::faulty_store::FaultyStore;
use crate::support::harness::Harness;
use crate::support::ids::{diku, event_id, log_id, position, topic};
use crate::support::parking::{ITEM, LOAN, delete_all_of, draft};
use crate::support::restore::settings_with;

/// More records than one step takes.
const RECORDS: u128 = 250;
/// The position of the request.
const REQUEST: u64 = 260;

fn expanded() -> TopicSettings {
    TopicSettings { delete_all: DeleteAllMode::Expand, ..TopicSettings::default() }
}

async fn harness(items: TopicSettings) -> Harness {
    let mut harness = Harness::new(1, &[diku()]).await;
    harness.parts.settings = Arc::new(settings_with(items));
    harness
}

fn request(id: u128) -> Draft {
    delete_all_of(&diku(), ITEM, id).published_as(DeleteAllMode::Expand)
}

fn record(number: u128, id: u128) -> Draft {
    let state = format!(r#"{{"id":"k{number}","é":"{number}"}}"#);
    Draft { content: created(&state), ..draft(&diku(), ITEM, &format!("k{number}"), id) }
}

/// Appends records, some of them updated or deleted, and then the request.
async fn records_and_a_request(harness: &Harness) {
    harness.append(&diku(), (1..=RECORDS).map(|n| record(n, n)).collect()).await;
    let update = |number: u128, id| Draft {
        content: updated("{}", &format!(r#"{{"id":"k{number}","updated":true}}"#)),
        ..record(number, id)
    };
    let delete = |number, id| Draft { content: deleted("{}"), ..record(number, id) };
    let more = [
        update(1, 451),
        update(200, 452),
        delete(2, 453),
        delete(3, 454),
        update(3, 455),
        draft(&diku(), LOAN, "k9", 456),
        draft(&diku(), LOAN, "l", 457),
        delete(250, 458),
        update(249, 459),
    ];
    harness.append(&diku(), more.to_vec()).await;
    harness.append(&diku(), vec![request(460)]).await;
}

/// Returns the last event of each key of the items.
fn last(log: &[Envelope]) -> BTreeMap<Key, Envelope> {
    let items = log.iter().filter(|event| event.topic == topic(ITEM) && event.is_sent());
    items.map(|event| (event.key.clone(), event.clone())).collect()
}

/// Checks that each record that was there has a DELETE, in order, and nothing else has.
fn assert_expanded(log: &[Envelope], touched: &[&str]) {
    let before: Vec<_> = log.iter().filter(|it| it.position < position(REQUEST)).cloned().collect();
    let request = log.iter().find(|it| it.position == position(REQUEST)).unwrap();
    let is_live = |(key, event): &(&Key, &Envelope)| {
        event.event_type != EventType::Delete && !touched.contains(&key.as_str())
    };
    let last = last(&before);
    let mut expected: Vec<_> = last.iter().filter(is_live).map(|(_, event)| event).collect();
    expected.sort_unstable_by_key(|event| event.position);
    let is_delete = |it: &&Envelope| {
        it.position > position(REQUEST)
            && it.event_type == EventType::Delete
            && it.topic == topic(ITEM)
    };
    let deletes: Vec<_> = log.iter().filter(is_delete).collect();
    assert_eq!(deletes.len(), expected.len());
    for (delete, last) in deletes.iter().zip(expected) {
        assert_eq!((&delete.key, delete.last_delete_all), (&last.key, None));
        assert_eq!(delete.event_id, request.event_id.derived(last.key.as_str()));
        let json =
            |event: &Envelope| serde_json::from_slice::<serde_json::Value>(&event.payload).unwrap();
        assert_eq!(json(delete)["old"], json(last)["new"], "{}", last.key);
    }
}

async fn is_complete(harness: &Harness) -> bool {
    let expansions = harness.store.expansions(&diku()).await.unwrap();
    expansions.iter().any(|it| it.request == position(REQUEST) && it.is_complete())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_gets_a_delete_in_order_and_the_request_itself_is_not_sent() {
    let harness = harness(expanded()).await;
    records_and_a_request(&harness).await;
    let pages = Some(harness.parts.pages.subscribe());
    let published = Published::new(harness.store.clone(), pages, CancellationToken::new());
    let covers = async || {
        let up_to = published.up_to(&diku(), position(REQUEST)).await.unwrap();
        let up_to = published.with_expansions(&diku(), up_to).await.unwrap();
        up_to.covers_expansion(log_id(1), position(REQUEST))
    };
    assert_eq!(covers().await, Some(false));
    // Touched right after the request, before anything is expanded.
    harness.append(&diku(), vec![record(7, 461)]).await;
    let followers = harness.follow();
    let at = position(REQUEST);
    let awaited = Awaited { log_id: log_id(1), first: at, last: at, expanded: vec![at] };
    let up_to = published.wait(&diku(), &awaited, crash::PATIENCE).await.unwrap();
    assert!(matches!(up_to, PublishedUpTo::Relay(..)));
    assert_eq!(covers().await, Some(true), "the wait ends with the last DELETE");
    followers.stop().await;
    let log = harness.log(&diku()).await;
    assert_expanded(&log, &["k7"]);
    let records = harness.kafka.state(|state| state.records.clone());
    let sent: Vec<_> = log.into_iter().filter(Envelope::is_sent).collect();
    assert_eq!(records, sent, "all but the request, in order");
    let counts = harness.store.event_counts().await.unwrap();
    assert_eq!((counts.published, counts.pending), (counts.head, 0), "{counts:?}");
    let found = harness.store.find(&diku(), event_id(460)).await.unwrap().unwrap();
    assert_eq!((found.event_type.as_str(), found.position), ("DELETE_ALL_EXPANDED", at));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_touched_meanwhile_are_left_alone() {
    let harness = harness(expanded()).await;
    records_and_a_request(&harness).await;
    let followers = harness.follow();
    let mut id = 1_000;
    while !is_complete(&harness).await {
        harness.append(&diku(), vec![record(u128::from(fastrand::u8(1..)), id)]).await;
        id += 1;
    }
    followers.stop().await;
    let log = harness.log(&diku()).await;
    for (key, last) in last(&log) {
        let touched = log.iter().rfind(|it| {
            it.key == key && it.topic == topic(ITEM) && it.event_type != EventType::Delete
        });
        let is_touched = touched.is_some_and(|touched| touched.position > position(REQUEST));
        let is_deleted = last.event_type == EventType::Delete;
        assert_eq!(is_deleted, !is_touched, "{key}: {}", last.position);
    }
}

/// Retention removes neither the request nor the last event of a record that was not deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_old_records_are_they_are_there_to_be_deleted() {
    let one = TopicSettings { log_retention: Some(LogRetention::Ms(1)), ..expanded() };
    let mut harness = harness(one.clone()).await;
    let update = |id| Draft { content: updated("{}", "{}"), ..record(1, id) };
    harness.append(&diku(), vec![record(1, 1), record(2, 2), update(3), record(3, 4)]).await;
    harness.append(&diku(), vec![Draft { content: deleted("{}"), ..record(3, 5) }]).await;
    let followers = harness.follow();
    let left = async |expected: &[u64]| {
        until(&format!("{expected:?} are left"), async || {
            let log = harness.log(&diku()).await;
            log.iter().map(|it| it.position.number()).collect::<Vec<_>>() == expected
        })
        .await;
    };
    // The cursor stands at 5.
    left(&[2, 3, 5]).await;
    harness.append(&diku(), vec![request(6)]).await;
    until("both have a DELETE", async || harness.kafka.state(|state| state.records.len()) == 7)
        .await;
    // What had to stay before is looked at again after an hour; its DELETEs stay as long.
    left(&[2, 3, 6, 7, 8]).await;
    followers.stop().await;
    harness.parts.settings = Arc::new(settings_with(one));
    let floors = harness.store.floors(&diku()).await.unwrap();
    assert_eq!(floors.of(&topic(ITEM)).floor, position(6));
}

/// Expands while one call to the store breaks; returns how many calls there were.
async fn broken(fault: (usize, Fault)) -> usize {
    let mut harness = harness(expanded()).await;
    records_and_a_request(&harness).await;
    let faulty = Arc::new(FaultyStore::with_fault(harness.store.clone(), Some(fault)));
    harness.parts.store = faulty.clone();
    let followers = Followers::start(&harness.parts, &Sinks::default());
    until("the request is expanded", async || is_complete(&harness).await).await;
    followers.stop().await;
    assert_expanded(&harness.log(&diku()).await, &[]);
    let complete = harness.store.expansions(&diku()).await.unwrap();
    assert_eq!(complete[0].last, harness.log(&diku()).await.last().unwrap().position);
    assert!(complete[0].last > Position::START);
    faulty.calls()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_the_store_fails_each_record_gets_one_delete() {
    at_each_call(8, async |fault| broken(fault).await).await;
}
