//! Limits of subscriptions: readers that wait take nothing from others, and are bounded.

use std::time::Duration;

use crash::until;
use event_gateway::store::Error;
use serde_json::json;

use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::gateway::{Gateway, Setup};
use crate::support::subscriber::Subscriber;
use crate::support::tenants::enable;

const INSTANCE: &str = "/domain-events/inventory/instance";

#[tokio::test]
async fn readers_that_wait_are_bounded_and_leave_the_log_to_others() {
    let mut setup = Setup::new();
    (setup.http.reads_max, setup.http.turns_max) = (1, 2);
    (setup.http.subscribers_max, setup.http.tenant_subscribers_max) = (7, 3);
    let gateway = setup.start().await;
    let subscriber = Subscriber::new(&gateway.url());
    let (mut waiting, mut streams) = (Vec::new(), Vec::new());
    for (tenant, group) in [
        ("diku", "cg.a"),
        ("diku", "cg.b"),
        ("diku", "cg.c"),
        ("college", "cg.a"),
        ("college", "cg.b"),
    ] {
        let subscriber = subscriber.clone().of(tenant, group);
        assert_eq!(subscriber.put(json!({})).await.0, 201);
        if group == "cg.a" {
            let mut stream = subscriber.stream("", &[]).await;
            stream.begun().await;
            streams.push(stream);
        } else {
            let poll = subscriber.clone();
            waiting.push(tokio::spawn(async move { poll.poll("reader=one&wait=60").await }));
            until("it waits", async || subscriber.get().await.1["reader"] == "one").await;
        }
        let full = if (tenant, group) == ("diku", "cg.c") {
            let (status, refused) = subscriber.ask("reader=one").await;
            Some((status, refused["errors"][0]["code"].clone()))
        } else {
            None
        };
        assert!(full.is_none_or(|full| full == (429, json!("tenant-subscribers-full"))));
    }
    let other = subscriber.clone().of("college", "cg.c");
    assert_eq!(other.put(json!({})).await.0, 201);
    let (status, refused) = other.ask("").await;
    assert_eq!((status, &refused["errors"][0]["code"]), (429, &"tenant-subscribers-full".into()));
    assert_eq!(gateway.read("/domain-events").await.status, 200, "the log's turns are free");
    let metrics = gateway.read("/metrics").await.text().to_owned();
    assert!(metrics.contains("event_gateway_subscription_readers 5"), "{metrics}");

    assert_eq!(gateway.post_json(INSTANCE, r#"{"new":{"id":"a"}}"#).await.status, 201);
    assert_eq!(streams[0].positions(1).await, [1]);
    for (n, poll) in waiting.into_iter().enumerate().take(2) {
        assert_eq!(poll.await.unwrap().positions, [1], "{n}");
    }
    until("there is room", async || other.ask("").await.0 == 200).await;
    drop(streams);
    let readers = async || {
        let metrics = gateway.read("/metrics").await.text().to_owned();
        metrics.contains("event_gateway_subscription_readers 1\n")
    };
    until("readers that left are not counted", readers).await;
}

#[tokio::test]
async fn two_tenants_that_take_all_they_can_leave_room_for_others() {
    let mut setup = Setup::new();
    (setup.http.subscribers_max, setup.http.tenant_subscribers_max) = (4, 2);
    let gateway = setup.start().await;
    let subscriber = Subscriber::new(&gateway.url());
    let (tenants, groups) = (["diku", "college", "third", "fourth"], ["cg.a", "cg.b", "cg.c"]);
    for tenant in &tenants[2..] {
        enable(&gateway, tenant).await;
    }
    let mut streams = Vec::new();
    // Each opens as many as it can; the refused one is the next after that.
    for (tenant, most, code) in [
        (tenants[0], 2, "tenant-subscribers-full"),
        (tenants[1], 1, "tenant-subscribers-full"),
        (tenants[2], 1, "subscribers-full"),
        (tenants[3], 0, "subscribers-full"),
    ] {
        for group in &groups[..=most] {
            assert_eq!(subscriber.clone().of(tenant, group).put(json!({})).await.0, 201);
        }
        for group in &groups[..most] {
            let mut stream = subscriber.clone().of(tenant, group).stream("", &[]).await;
            stream.begun().await;
            streams.push(stream);
        }
        let (_, refused) = subscriber.clone().of(tenant, groups[most]).ask("").await;
        assert_eq!(refused["errors"][0]["code"], code, "{tenant}");
    }
}

#[tokio::test]
async fn the_lag_of_each_group_is_in_the_metrics() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    for (tenant, group) in [("diku", "cg.a"), ("diku", "cg.b"), ("college", "cg.a")] {
        assert_eq!(subscriber.clone().of(tenant, group).put(json!({})).await.0, 201);
    }
    let bodies = json!([{ "new": { "id": "a" } }, { "new": { "id": "b" } }]);
    assert_eq!(gateway.post_json(INSTANCE, bodies.to_string()).await.status, 201);
    let subscriber = subscriber.of("diku", "cg.b");
    let polled = subscriber.poll("limit=1").await;
    assert_eq!(subscriber.commit(polled.generation, 1).await.0, 200);
    until("the lags are told", async || {
        let metrics = gateway.read("/metrics").await.text().to_owned();
        metrics.contains("event_gateway_subscription_lag_events{group=\"cg.a\"} 2")
            && metrics.contains("event_gateway_subscription_lag_events{group=\"cg.b\"} 1")
            && metrics.contains("event_gateway_subscription_events_total 1")
    })
    .await;
}

#[tokio::test]
async fn a_store_that_fails_ends_a_stream_and_its_client_goes_on_later() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let setup = Setup::new().with_store(move |store| {
        let faulty = std::sync::Arc::new(FaultyStore::new(store));
        sender.send(faulty.clone()).unwrap();
        faulty
    });
    let gateway = setup.start().await;
    let store = receiver.recv().unwrap();
    let subscriber = Subscriber::new(&gateway.url());
    assert_eq!(subscriber.put(json!({ "leaseSeconds": 1 })).await.0, 201);
    let mut stream = subscriber.stream("reader=one", &[]).await;
    stream.begun().await;
    assert_eq!(gateway.post_json(INSTANCE, r#"{"new":{"id":"a"}}"#).await.status, 201);
    assert_eq!(stream.positions(1).await, [1]);
    store.set(Mode::Failing(Error::Unavailable("away".to_owned())));
    assert_eq!(stream.reason().await, "store-unavailable");
    let (status, refused) = subscriber.ask("reader=one").await;
    assert_eq!((status, &refused["errors"][0]["code"]), (503, &"store-unavailable".into()));
    store.set(Mode::Healthy);
    let mut again = subscriber.stream("reader=one", &[("Last-Event-ID", "1".to_owned())]).await;
    assert_eq!(again.begun().await["position"], 1);
    tokio::time::timeout(
        Duration::from_secs(60),
        gateway.post_json(INSTANCE, r#"{"new":{"id":"b"}}"#),
    )
    .await
    .unwrap();
    assert_eq!(again.positions(1).await, [2]);
}
