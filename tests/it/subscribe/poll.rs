//! Polls and commits: a group gets each event that matches at least once and in order.

use crash::until;
use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::subscriber::Subscriber;

const INSTANCE: &str = "/domain-events/inventory/instance";
const ITEM: &str = "/domain-events/inventory/item";

/// Starts a gateway, and a group that has put this form.
async fn subscribed(form: Value) -> (Gateway, Subscriber) {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    assert_eq!(subscriber.put(form).await.0, 201);
    (gateway, subscriber)
}

async fn post(gateway: &Gateway, path: &str, key: &str) {
    let body = format!(r#"{{"new":{{"id":"{key}"}}}}"#);
    assert_eq!(gateway.post_json(path, body).await.status, 201);
}

#[tokio::test]
async fn what_is_not_committed_is_delivered_again_and_what_is_never() {
    let (gateway, subscriber) = subscribed(json!({})).await;
    for key in ["a", "b", "c"] {
        post(&gateway, INSTANCE, key).await;
    }
    let first = subscriber.poll("limit=2&reader=one").await;
    assert_eq!((first.positions.as_slice(), first.position), ([1, 2].as_slice(), 2));
    let on = format!("generation={}", first.generation);
    assert_eq!(subscriber.poll(&on).await.positions, [1, 2, 3], "nothing is committed");
    assert_eq!(subscriber.poll(&format!("{on}&after=2")).await.positions, [3]);
    assert_eq!(subscriber.commit(first.generation, 2).await.1["position"], 2);
    assert_eq!(subscriber.commit(first.generation, 1).await.1["position"], 2, "never back");
    let restarted = subscriber.poll("reader=one").await;
    assert_eq!((restarted.positions, restarted.generation), (vec![3], first.generation + 1));
    let (status, refused) = subscriber.commit(first.generation, 3).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (409, &"generation-ended".into()));
    let (_, shown) = subscriber.get().await;
    assert_eq!((&shown["position"], &shown["lag"]["events"]), (&2.into(), &1.into()));
}

#[tokio::test]
async fn a_commit_beyond_what_was_delivered_is_refused() {
    let (gateway, subscriber) = subscribed(json!({})).await;
    for key in ["a", "b", "c"] {
        post(&gateway, INSTANCE, key).await;
    }
    let polled = subscriber.poll("limit=2").await;
    let (status, refused) = subscriber.commit(polled.generation, 3).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (409, &"not-delivered".into()));
    assert_eq!(refused["errors"][0]["parameters"][0], json!({"key": "position", "value": "2"}));
    assert_eq!(subscriber.get().await.1["position"], 0);
    for body in [json!({}), json!({"position": 1}), json!({"position": "1", "generation": 1})] {
        let refused = gateway.post_json("/subscriptions/cg.search/commits", body.to_string()).await;
        assert_eq!(refused.status, 422, "{body}");
    }
}

#[tokio::test]
async fn a_poll_waits_for_the_next_event_that_matches() {
    let topics = json!(["folio.diku.inventory.item"]);
    let (gateway, subscriber) = subscribed(json!({ "topics": topics })).await;
    post(&gateway, INSTANCE, "a").await;
    let none = subscriber.poll("reader=one").await;
    assert_eq!((none.positions.as_slice(), none.position), ([].as_slice(), 1));
    let waiting = tokio::spawn({
        let subscriber = subscriber.clone();
        async move { subscriber.poll("reader=one&wait=60").await }
    });
    until("it waits", async || subscriber.get().await.1["generation"] == 2).await;
    post(&gateway, INSTANCE, "b").await;
    post(&gateway, ITEM, "c").await;
    let polled = waiting.await.unwrap();
    assert_eq!((polled.positions, polled.position), (vec![3], 3));
    assert_eq!(subscriber.commit(polled.generation, 3).await.1["position"], 3);
    assert_eq!(subscriber.get().await.1["lag"]["events"], 0);
}

#[tokio::test]
async fn a_second_reader_is_told_who_reads_and_begins_when_the_lease_has_ended() {
    let (gateway, subscriber) = subscribed(json!({ "leaseSeconds": 1 })).await;
    post(&gateway, INSTANCE, "a").await;
    let first = subscriber.poll("reader=one").await;
    let (status, refused) = subscriber.ask("reader=two").await;
    assert_eq!((status, &refused["errors"][0]["code"]), (409, &"subscription-held".into()));
    assert_eq!(refused["errors"][0]["parameters"][0], json!({"key": "reader", "value": "one"}));
    let (status, refused) = subscriber.seek(json!("latest")).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (409, &"subscription-held".into()));
    until("the lease ends", async || subscriber.get().await.1["reader"].is_null()).await;
    let second = subscriber.poll("reader=two").await;
    assert_eq!((second.positions, second.generation), (vec![1], first.generation + 1));
    let (status, refused) = subscriber.ask(&format!("generation={}", first.generation)).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (409, &"generation-ended".into()));
    assert!(refused["detail"].as_str().unwrap().contains("`two`"), "{refused}");
}

#[tokio::test]
async fn a_reader_that_leaves_lets_the_next_one_in_at_once() {
    let (gateway, subscriber) = subscribed(json!({})).await;
    post(&gateway, INSTANCE, "a").await;
    let first = subscriber.poll("reader=one").await;
    assert_eq!(subscriber.ask("reader=two").await.0, 409);
    for _ in 0..2 {
        assert_eq!(subscriber.leave(first.generation).await, 204);
        assert!(subscriber.get().await.1["reader"].is_null());
    }
    assert_eq!(subscriber.ask(&format!("generation={}", first.generation)).await.0, 409);
    assert_eq!(subscriber.commit(first.generation, 1).await.0, 200, "what it has done, it may");
    post(&gateway, INSTANCE, "b").await;
    let second = subscriber.poll("reader=two").await;
    assert_eq!((second.positions, second.generation), (vec![2], first.generation + 1));
    assert_eq!(subscriber.leave(first.generation).await, 409, "another one reads by now");
    assert_eq!(subscriber.get().await.1["reader"], "two");
    // A stream whose reader leaves ends at the next event.
    let mut stream = subscriber.stream("reader=two", &[]).await;
    let generation = stream.begun().await["generation"].as_u64().unwrap();
    assert_eq!(stream.positions(1).await, [2]);
    assert_eq!(subscriber.leave(generation).await, 204);
    post(&gateway, INSTANCE, "c").await;
    assert_eq!(stream.reason().await, "generation-ended");
}

#[tokio::test]
async fn a_reader_keeps_its_group_while_it_waits() {
    let (gateway, subscriber) = subscribed(json!({ "leaseSeconds": 1 })).await;
    let waiting = tokio::spawn({
        let subscriber = subscriber.clone();
        async move { subscriber.poll("reader=one&wait=60").await }
    });
    until("it waits", async || subscriber.get().await.1["reader"] == "one").await;
    let first = subscriber.get().await.1["readerUntil"].clone();
    let renewed = async || {
        let (_, now) = subscriber.get().await;
        assert_eq!(now["reader"], "one");
        now["readerUntil"].as_str() > first.as_str()
    };
    until("its lease is renewed", renewed).await;
    post(&gateway, INSTANCE, "a").await;
    assert_eq!(waiting.await.unwrap().positions, [1]);
}

#[tokio::test]
async fn what_was_received_is_committed_by_the_next_poll_if_the_form_says_so() {
    let (gateway, subscriber) = subscribed(json!({ "autoCommit": true })).await;
    for key in ["a", "b", "c"] {
        post(&gateway, INSTANCE, key).await;
    }
    let first = subscriber.poll("limit=2").await;
    let on = format!("generation={}", first.generation);
    let again = subscriber.poll(&format!("{on}&limit=2")).await;
    assert_eq!(again.positions, [1, 2], "the answer may have been lost");
    let next = subscriber.poll(&format!("{on}&after={}", again.position)).await;
    assert_eq!((next.positions, &subscriber.get().await.1["position"]), (vec![3], &2.into()));
}

#[tokio::test]
async fn a_group_begins_where_it_says_and_is_moved_while_nobody_reads() {
    let gateway = Gateway::start().await;
    for key in ["a", "b", "c"] {
        post(&gateway, INSTANCE, key).await;
    }
    let log = gateway.log().await;
    let time = log[2].time.to_string();
    let at_time = log.iter().find(|event| event.time == log[2].time).unwrap().position.number();
    let starts = [
        (json!("earliest"), 0),
        (json!("latest"), 3),
        (json!({ "position": 1 }), 1),
        (json!({ "position": 99 }), 3),
        (json!({ "time": time }), at_time - 1),
        (json!({ "time": "2100-01-01T00:00:00Z" }), 3),
    ];
    let groups = ["cg.a", "cg.b", "cg.c", "cg.d", "cg.e", "cg.f"];
    for ((start, position), group) in starts.iter().zip(groups) {
        let subscriber = Subscriber::new(&gateway.url()).of("diku", group);
        let (status, put) = subscriber.put(json!({ "start": start })).await;
        assert_eq!((status, &put["position"]), (201, &(*position).into()), "{start}");
        let (status, again) = subscriber.put(json!({ "start": "earliest" })).await;
        assert_eq!((status, &again["position"]), (200, &put["position"]), "it is not moved");
        let (status, moved) = subscriber.seek(json!({ "position": 2 })).await;
        assert_eq!((status, &moved["position"]), (200, &2.into()));
        assert_eq!(subscriber.poll("").await.positions, [3]);
    }
    let listed = gateway.read("/subscriptions").await.json();
    let listed: Vec<_> =
        listed["subscriptions"].as_array().unwrap().iter().map(|one| &one["group"]).collect();
    assert_eq!(listed, groups);
}

#[tokio::test]
async fn only_what_matches_the_whole_filter_is_delivered() {
    let form = json!({
        "topics": ["folio.*.inventory.*"], "keys": ["a", "b"], "types": ["CREATE"],
        "headers": {"source": "import", "folio.tenantId": "diku"},
    });
    let (gateway, subscriber) = subscribed(form.clone()).await;
    for (path, key, source) in [
        (INSTANCE, "a", "import"),
        (INSTANCE, "a", "other"),
        (INSTANCE, "c", "import"),
        ("/domain-events/circulation/loan", "a", "import"),
        (ITEM, "b", "import"),
    ] {
        let headers = json!({ "source": source });
        let body = json!({ "new": { "id": key }, "headers": headers });
        assert_eq!(gateway.post_json(path, body.to_string()).await.status, 201);
    }
    let (_, answer) = subscriber.ask("").await;
    let keys: Vec<_> =
        answer["events"].as_array().unwrap().iter().map(|event| &event["position"]).collect();
    assert_eq!(keys, [1, 5]);
    let event = &answer["events"][0];
    assert_eq!((&event["key"], &event["payload"]["new"]["id"]), (&json!("a"), &json!("a")));
    assert!(event.get("published").is_none(), "{event}");
    let (_, shown) = subscriber.get().await;
    for (name, value) in form.as_object().unwrap() {
        assert_eq!(&shown[name], value);
    }
    let (status, refused) = subscriber.put(json!({})).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (409, &"subscription-held".into()));
}

#[tokio::test]
async fn nobody_reads_another_tenant_s_group_or_one_that_is_not_there() {
    let (gateway, subscriber) = subscribed(json!({})).await;
    for stranger in
        [subscriber.clone().of("college", "cg.search"), subscriber.clone().of("diku", "cg.other")]
    {
        let unknown = (404, json!("unknown-subscription"));
        let code = |(status, answer): (u16, Value)| (status, answer["errors"][0]["code"].clone());
        assert_eq!(code(stranger.get().await), unknown);
        assert_eq!(code(stranger.ask("").await), unknown);
        assert_eq!(code(stranger.commit(1, 1).await), unknown);
        assert_eq!(code(stranger.seek(json!("latest")).await), unknown);
        assert_eq!(stranger.delete().await, 404);
    }
    let nobody = subscriber.clone().of("nobody", "cg.search");
    assert_eq!(nobody.put(json!({})).await.1["errors"][0]["code"], "tenant-not-enabled");
    let listed = |listed: Value| listed["subscriptions"].as_array().unwrap().len();
    assert_eq!(listed(gateway.read("/subscriptions").await.json()), 1);
    for illegal in ["search", "cg.", "cg.A%20b"] {
        let refused = gateway.read(&format!("/subscriptions/{illegal}/events")).await;
        assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-path"));
    }
    for illegal in ["wait=61", "limit=0", "limit=1001", "after=x", "generation=x", "x=1"] {
        let (status, refused) = subscriber.ask(illegal).await;
        assert_eq!(
            (status, &refused["errors"][0]["code"]),
            (400, &"bad-query".into()),
            "{illegal}"
        );
    }
    assert_eq!(subscriber.delete().await, 204);
    assert_eq!(subscriber.get().await.0, 404);
}
