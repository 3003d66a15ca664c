//! Removed events: a group is told what it missed, and nothing is skipped before it says so.

use std::sync::Arc;

use event_gateway::domain::entity::TopicSettings;
use event_gateway::domain::filter::{Filter, TopicPattern};
use event_gateway::domain::position::Position;
use event_gateway::domain::subscription::{Form, Group, Start};
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::store::RemovalStep;
use event_gateway::subscribe::{Error, Groups, Opening, Subscribe, SubscribeDeps};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::gateway::{Gateway, settings};
use crate::support::ids::{diku, position, topic};
use crate::support::parking::ITEM as ITEMS;
use crate::support::restore::settings_with;
use crate::support::subscriber::Subscriber;
use crate::support::trail::by;

const ITEM: &str = "/domain-events/inventory/item";
const LOAN: &str = "/domain-events/circulation/loan";
const LOANS: &str = "folio.diku.circulation.loan";

/// Posts positions 1 to 6, of which the even ones are loans.
async fn posted(gateway: &Gateway) {
    for number in 1..=6 {
        let path = if number % 2 == 0 { LOAN } else { ITEM };
        let body = format!(r#"{{"new":{{"id":"r{number}"}}}}"#);
        assert_eq!(gateway.post_json(path, &body).await.status, 201);
    }
}

/// Removes events of a topic, as retention does.
async fn remove(gateway: &Gateway, of: &str, positions: &[u64]) {
    let enabled = gateway.store.list().await.unwrap();
    let log = gateway.log().await;
    let last = log.iter().find(|it| it.position.number() == *positions.last().unwrap()).unwrap();
    let step = RemovalStep {
        tenant: diku(),
        log_id: enabled.iter().find(|enabled| enabled.tenant == diku()).unwrap().log_id,
        stands: Vec::new(),
        topic: topic(of),
        positions: positions.iter().map(|at| position(*at)).collect(),
        last_time: last.time,
        raises_floor: true,
        compacted_to: Position::START,
        forget_before: Time::ZERO,
    };
    assert_eq!(gateway.store.remove(&step).await.unwrap(), Some(positions.len() as u64));
}

/// Checks that events of a topic are told to be missing, to people and to programs.
fn assert_told((status, told): (u16, Value), of: &str, from: u64, to: u64) {
    assert_eq!((status, &told["type"]), (410, &"/problems/events-removed".into()), "{told}");
    assert_eq!(told["missing"], json!({ "topic": of, "from": from, "to": to }));
    let parameters = json!([
        { "key": "topic", "value": of },
        { "key": "from", "value": from.to_string() },
        { "key": "to", "value": to.to_string() },
    ]);
    assert_eq!(told["errors"][0]["parameters"], parameters);
}

#[tokio::test]
async fn who_missed_events_is_told_which_until_it_says_where_to_go_on() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    assert_eq!(subscriber.put(json!({})).await.0, 201);
    let loans = subscriber.clone().of("diku", "cg.loans");
    assert_eq!(loans.put(json!({ "topics": ["**.loan"] })).await.0, 201);
    posted(&gateway).await;
    remove(&gateway, ITEMS, &[1, 3]).await;
    for _ in 0..2 {
        let (status, told) = subscriber.ask("reader=one").await;
        let remedy = r#"{"position":0,"gaps":"skip"}"#;
        assert!(told["detail"].as_str().unwrap().contains(remedy), "{told}");
        assert_told((status, told), ITEMS, 1, 3);
    }
    assert_told(subscriber.refused_stream("reader=one").await, ITEMS, 1, 3);
    assert_eq!(subscriber.get().await.1["generation"], 0, "nobody has begun");
    assert_eq!(loans.poll("").await.positions, [2, 4, 6], "nothing of it was removed");
    assert_told(subscriber.seek(json!({ "position": 2 })).await, ITEMS, 3, 3);
    assert_eq!(subscriber.seek(json!({ "position": 3 })).await.0, 200);
    let polled = subscriber.poll("").await;
    assert_eq!(polled.positions, [4, 5, 6]);
    assert_eq!(subscriber.commit(polled.generation, 6).await.0, 200);
    let early = subscriber.clone().of("diku", "cg.early");
    assert_told(early.put(json!({ "start": { "position": 1 } })).await, ITEMS, 2, 3);
}

#[tokio::test]
async fn who_falls_below_the_floor_is_told_and_does_not_keep_the_group() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    posted(&gateway).await;
    assert_eq!(subscriber.put(json!({})).await.0, 201);
    let first = subscriber.poll("reader=one&limit=1").await;
    assert_eq!(first.positions, [1]);
    remove(&gateway, ITEMS, &[1, 3]).await;
    let on = format!("generation={}&after=1", first.generation);
    for _ in 0..2 {
        assert_told(subscriber.ask(&on).await, ITEMS, 2, 3);
        assert_eq!(subscriber.get().await.1["position"], 0);
    }
    let skip = json!({ "position": 1, "gaps": "skip" });
    let (status, moved) = subscriber.seek(skip).await;
    assert_eq!((status, &moved["gapsTo"]), (200, &json!({ ITEMS: 3 })), "it need not wait");
    let polled = subscriber.poll("reader=two").await;
    assert_eq!(polled.positions, [2, 4, 5, 6]);
    assert_eq!(subscriber.commit(polled.generation, 4).await.0, 200);
    assert_eq!(subscriber.get().await.1["gapsTo"], json!({}), "the gap is passed");
}

#[tokio::test]
async fn what_is_removed_under_a_reader_ends_it_before_anything_is_skipped() {
    let gateway = Gateway::start().await;
    posted(&gateway).await;
    let deps = SubscribeDeps {
        store: gateway.store.clone(),
        settings: Arc::new(settings()),
        metrics: Arc::default(),
        lanes: 8,
        closing: CancellationToken::new(),
    };
    let (subscribe, tasks) = Subscribe::start(deps);
    let group = Group::parse("cg.search").unwrap();
    let groups = subscribe.groups();
    groups
        .put(&diku(), &group, &Form::default(), Start::Earliest, &by(Act::PutSubscription))
        .await
        .unwrap();
    let opening = Opening { reader: "one".to_owned(), generation: None, received: None };
    let mut reading = subscribe.open(&diku(), &group, &opening).await.unwrap();
    remove(&gateway, ITEMS, &[1, 3]).await;
    let missed = reading.next(9, Instant::now()).await;
    assert!(matches!(missed, Err(Error::Removed { .. })), "{missed:?}");
    let found = groups.find(&diku(), &group).await.unwrap();
    assert_eq!((found.subscription.lease, found.subscription.position), (None, position(0)));
    drop(reading);
    assert!(tasks.stop().await.is_none());
}

#[tokio::test]
async fn the_earliest_start_leaves_out_nothing_that_the_log_has() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    posted(&gateway).await;
    remove(&gateway, LOANS, &[2, 4]).await;
    let start = async |group: &'static str, topics: &[&str]| {
        let subscriber = subscriber.clone().of("diku", group);
        let (status, put) = subscriber.put(json!({ "topics": topics })).await;
        assert_eq!(status, 201);
        let told = (put["position"].as_u64().unwrap(), put["gapsTo"].clone());
        (told, subscriber.poll("").await.positions)
    };
    let both = ((0, json!({ LOANS: 4 })), vec![1, 3, 5, 6]);
    assert_eq!(start("cg.both", &["**.loan", "**.item"]).await, both);
    let loans = ((5, json!({})), vec![6]);
    assert_eq!(start("cg.loans", &["**.loan"]).await, loans);
    assert_eq!(start("cg.none", &["**.instance"]).await, ((6, json!({})), vec![]));
    // A group that stands at its end goes back in the same way.
    let end = subscriber.clone().of("diku", "cg.end");
    assert_eq!(end.put(json!({ "start": "latest" })).await.1["position"], 6);
    let (_, moved) = end.seek(json!("earliest")).await;
    assert_eq!((&moved["position"], &moved["gapsTo"]), (&0.into(), &json!({ LOANS: 4 })));
}

#[tokio::test]
async fn a_time_from_before_all_that_is_left_is_told_what_may_be_missing() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    posted(&gateway).await;
    remove(&gateway, ITEMS, &[1, 3]).await;
    remove(&gateway, LOANS, &[2, 4]).await;
    let left = gateway.log().await[0].time;
    let later = loop {
        assert_eq!(gateway.post_json(ITEM, r#"{"new":{"id":"r7"}}"#).await.status, 201);
        let newest = gateway.log().await.last().unwrap().time;
        if newest > left {
            break newest;
        }
    };
    let start = async |topics: &[&str], start: Value| {
        subscriber.put(json!({ "topics": topics, "start": start })).await
    };
    let old = json!({ "time": "1970-01-01T00:00:00Z" });
    assert_told(start(&[], old.clone()).await, LOANS, 4, 4);
    assert_told(start(&["**.item"], old.clone()).await, ITEMS, 3, 3);
    assert_eq!(start(&["**.instance"], old).await.0, 201, "nothing of it was removed");
    let late = subscriber.clone().of("diku", "cg.late");
    assert_eq!(late.put(json!({ "start": { "time": later.to_string() } })).await.0, 201);
    let skips = subscriber.clone().of("diku", "cg.skips");
    let start = json!({ "time": "1970-01-01T00:00:00Z", "gaps": "skip" });
    let (status, put) = skips.put(json!({ "start": start })).await;
    assert_eq!((status, &put["position"]), (201, &4.into()));
}

#[tokio::test]
async fn what_is_removed_after_a_gap_was_accepted_is_told_again() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    posted(&gateway).await;
    remove(&gateway, LOANS, &[2, 4]).await;
    assert_told(subscriber.put(json!({ "start": { "position": 0 } })).await, LOANS, 1, 4);
    let time = "1970-01-01T00:00:00Z";
    assert_told(subscriber.put(json!({ "start": { "time": time } })).await, LOANS, 1, 4);
    let start = json!({ "time": time, "gaps": "skip" });
    let (status, put) = subscriber.put(json!({ "start": start })).await;
    assert_eq!((status, &put["gapsTo"]), (201, &json!({ LOANS: 4 })));
    // It lies before the gap that was accepted, but is of another topic.
    remove(&gateway, ITEMS, &[1, 3]).await;
    assert_told(subscriber.ask("").await, ITEMS, 1, 3);
    assert_eq!(subscriber.seek(json!({ "position": 0, "gaps": "skip" })).await.0, 200);
    let polled = subscriber.poll("reader=one").await;
    assert_eq!(polled.positions, [5, 6]);
    remove(&gateway, LOANS, &[6]).await;
    assert_told(subscriber.ask("reader=one").await, LOANS, 5, 6);
}

#[tokio::test]
async fn a_filter_that_matches_what_is_not_stored_is_refused() {
    let gateway = Gateway::start().await;
    let items = TopicSettings { stored: false, ..TopicSettings::default() };
    let settings = settings_with(items);
    let groups = Groups { store: &*gateway.store, settings: &settings };
    let put = async |pattern: &str| {
        let topics = vec![TopicPattern::parse(pattern).unwrap()];
        let form = Form { filter: Filter { topics, ..Filter::default() }, ..Form::default() };
        let (group, by) = (Group::parse("cg.search").unwrap(), by(Act::PutSubscription));
        groups.put(&diku(), &group, &form, Start::Earliest, &by).await
    };
    for pattern in ["**", "folio.diku.inventory.*", ITEMS] {
        let refused = put(pattern).await;
        let Err(Error::NotStored(topics)) = refused else { panic!("{pattern}: {refused:?}") };
        assert_eq!(topics, [topic(ITEMS)]);
    }
    put("folio.diku.circulation.*").await.unwrap();
}
