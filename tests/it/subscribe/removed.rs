//! Removed events: a group is told what it missed, and nothing is skipped before it says so.

use event_gateway::domain::entity::TopicSettings;
use event_gateway::domain::filter::{Filter, TopicPattern};
use event_gateway::domain::position::Position;
use event_gateway::domain::subscription::{Form, Group, Start};
use event_gateway::domain::time::Time;
use event_gateway::store::RemovalStep;
use event_gateway::subscribe::{Error, Groups};
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::ids::{diku, position, topic};
use crate::support::parking::ITEM as ITEMS;
use crate::support::restore::settings_with;
use crate::support::subscriber::Subscriber;

const ITEM: &str = "/domain-events/inventory/item";
const LOAN: &str = "/domain-events/circulation/loan";

/// Posts positions 1 to 6, of which the even ones are loans.
async fn posted(gateway: &Gateway) {
    for number in 1..=6 {
        let path = if number % 2 == 0 { LOAN } else { ITEM };
        let body = format!(r#"{{"new":{{"id":"r{number}"}}}}"#);
        assert_eq!(gateway.post_json(path, &body).await.status, 201);
    }
}

/// Removes the items 1 and 3.
async fn remove(gateway: &Gateway) {
    let enabled = gateway.store.list().await.unwrap();
    let step = RemovalStep {
        tenant: diku(),
        log_id: enabled.iter().find(|enabled| enabled.tenant == diku()).unwrap().log_id,
        stands: Vec::new(),
        topic: topic("folio.diku.inventory.item"),
        positions: vec![position(1), position(3)],
        raises_floor: true,
        compacted_to: Position::START,
        forget_before: Time::ZERO,
    };
    assert_eq!(gateway.store.remove(&step).await.unwrap(), Some(2));
}

#[tokio::test]
async fn who_missed_events_is_told_which_until_it_says_where_to_go_on() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    assert_eq!(subscriber.put(json!({ "leaseSeconds": 1 })).await.0, 201);
    let loans = subscriber.clone().of("diku", "cg.loans");
    assert_eq!(loans.put(json!({ "topics": ["**.loan"] })).await.0, 201);
    posted(&gateway).await;
    remove(&gateway).await;
    for _ in 0..2 {
        let (status, told) = subscriber.ask("reader=one").await;
        assert_eq!((status, &told["type"]), (410, &"/problems/events-removed".into()), "{told}");
        let missing = json!([
            { "key": "topic", "value": "folio.diku.inventory.item" },
            { "key": "from", "value": "1" },
            { "key": "to", "value": "3" },
        ]);
        assert_eq!(told["errors"][0]["parameters"], missing);
    }
    let mut stream = subscriber.stream("reader=one", &[]).await;
    stream.begun().await;
    assert_eq!(stream.reason().await, "events-removed");
    assert_eq!(loans.poll("").await.positions, [2, 4, 6], "nothing of it was removed");
    let held = async || subscriber.get().await.1["reader"].is_null();
    crash::until("nobody reads", held).await;
    let (status, told) = subscriber.seek(json!({ "position": 2 })).await;
    assert_eq!((status, &told["type"]), (410, &"/problems/events-removed".into()), "{told}");
    assert_eq!(subscriber.seek(json!({ "position": 3 })).await.0, 200);
    let polled = subscriber.poll("").await;
    assert_eq!(polled.positions, [4, 5, 6]);
    assert_eq!(subscriber.commit(polled.generation, 6).await.0, 200);
    let late = subscriber.clone().of("diku", "cg.late");
    assert_eq!(late.put(json!({ "start": "earliest" })).await.1["position"], 3);
    let early = subscriber.clone().of("diku", "cg.early");
    assert_eq!(early.put(json!({ "start": { "position": 1 } })).await.0, 410);
}

#[tokio::test]
async fn what_is_removed_under_a_stream_ends_it_before_anything_is_skipped() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    posted(&gateway).await;
    assert_eq!(subscriber.put(json!({})).await.0, 201);
    let first = subscriber.poll("reader=one&limit=1").await;
    assert_eq!(first.positions, [1]);
    remove(&gateway).await;
    let on = format!("generation={}&after=1", first.generation);
    let (status, told) = subscriber.ask(&on).await;
    assert_eq!((status, &told["type"]), (410, &"/problems/events-removed".into()), "{told}");
    assert_eq!(subscriber.get().await.1["position"], 0);
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
        groups.put(&diku(), &Group::parse("cg.search").unwrap(), &form, Start::Earliest).await
    };
    for pattern in ["**", "folio.diku.inventory.*", ITEMS] {
        let refused = put(pattern).await;
        let Err(Error::NotStored(topics)) = refused else { panic!("{pattern}: {refused:?}") };
        assert_eq!(topics, [topic(ITEMS)]);
    }
    put("folio.diku.circulation.*").await.unwrap();
}
