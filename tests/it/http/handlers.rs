//! Groups that have a handler, halt or have dead letters, as callers see them.

use event_gateway::domain::floors::Floors;
use event_gateway::domain::subscription::{Group, Progress, Target};
use event_gateway::store::SubscriptionChange;
use serde_json::{Value, json};

use crate::support::dead_letters::{bury, letter, stop};
use crate::support::gateway::Gateway;
use crate::support::ids::{diku, position};
use crate::support::subscriber::Subscriber;

const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];

fn webhook() -> Value {
    json!({ "webhook": { "url": "https://search.example.org/events", "secrets": SECRETS } })
}

async fn posted(gateway: &Gateway, keys: &[&str]) {
    for key in keys {
        let body = format!(r#"{{"new":{{"id":"{key}"}}}}"#);
        assert_eq!(gateway.post_json("/domain-events/inventory/item", body).await.status, 201);
    }
}

/// Starts a gateway with a group of this form.
async fn with_group(form: Value) -> (Gateway, Subscriber) {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    let (status, answer) = subscriber.put(form).await;
    assert_eq!(status, 201, "{answer}");
    (gateway, subscriber)
}

/// Returns the status of an answer, and its problem's code.
fn problem((status, answer): &(u16, Value)) -> (u16, &str) {
    (*status, answer["errors"][0]["code"].as_str().unwrap_or_default())
}

fn parameters(answer: &Value) -> Value {
    answer["errors"][0]["parameters"].clone()
}

#[tokio::test]
async fn a_handler_s_secrets_are_kept_and_given_back_as_their_number_alone() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    let (status, made) = subscriber.put(json!({ "handler": webhook() })).await;
    assert_eq!(status, 201, "{made}");
    let shown = json!({
        "webhook": { "url": "https://search.example.org/events", "secrets": 2 },
        "format": "envelope",
        "concurrency": 1,
        "timeoutSeconds": 30,
    });
    let policy = json!({
        "policy": "stop",
        "order": "key",
        "attempts": 4,
        "waitMs": 1_000,
        "waitFactor": 2,
        "waitMsMax": 60_000,
    });
    let (_, found) = subscriber.get().await;
    for answer in [&made, &found] {
        assert_eq!((&answer["handler"], &answer["failure"]), (&shown, &policy));
        assert_eq!(answer["halt"], Value::Null);
    }
    assert_eq!(found["deadLetters"], json!({ "count": 0, "oldest": null }));
    let wrong = json!({ "webhook": { "url": "https://x", "secrets": ["whsec_hunter2"] } });
    let (status, refused) = subscriber.put(json!({ "handler": wrong })).await;
    assert_eq!(status, 422);
    let list = gateway.read("/subscriptions").await.json();
    let trail = gateway.read("/trail").await.json();
    let document = gateway.read("/openapi.json").await.json();
    for answer in [&made, &found, &refused, &list, &trail, &document] {
        let text = answer.to_string();
        let told = SECRETS.iter().chain(&["hunter2"]).find(|it| text.contains(**it));
        assert_eq!(told, None, "{text}");
    }
    let name = (diku(), Group::parse("cg.search").unwrap());
    let kept = gateway.store.find_subscriptions(&[name]).await.unwrap().remove(0);
    let target = kept.subscription.form.handler.unwrap().target;
    let Target::Webhook(webhook) = target else { panic!("{target:?}") };
    assert_eq!(webhook.secrets.len(), 2);
    assert!(!format!("{webhook:?}").contains("MfKQ"), "no log has them");

    // Without a handler, there is none of its policy.
    assert_eq!(subscriber.put(json!({ "handler": null })).await.0, 200);
    let (_, found) = subscriber.get().await;
    assert_eq!((&found["handler"], &found["failure"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_program_can_t_be_asked_for_over_http() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    let asked = subscriber.put(json!({ "handler": { "exec": ["sh", "-c", "true"] } })).await;
    assert_eq!(problem(&asked), (422, "not-permitted"), "{}", asked.1);
    let pointer = json!([{ "key": "pointer", "value": "/handler/exec" }]);
    assert_eq!(parameters(&asked.1), pointer);
    assert!(asked.1["detail"].as_str().unwrap().contains("operator's file"), "{}", asked.1);
    assert_eq!(subscriber.get().await.0, 404, "nothing was made");
    let document = gateway.read("/openapi.json").await.json();
    let put = &document["paths"]["/subscriptions/{group}"]["put"]["requestBody"];
    let members = &put["content"]["application/json"]["schema"]["properties"]["handler"];
    let members = members["properties"].as_object().unwrap();
    assert!(members.contains_key("webhook") && !members.contains_key("exec"), "{put}");
}

#[tokio::test]
async fn what_is_illegal_about_a_handler_is_named() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    let secrets = json!(SECRETS);
    let to = |url: &str| json!({ "webhook": { "url": url, "secrets": secrets } });
    for (handler, failure, pointer) in [
        (json!({}), json!({}), "/handler"),
        (json!({ "webhook": {} }), json!({}), "/handler/webhook/url"),
        (to("ftp://x"), json!({}), "/handler/webhook/url"),
        (to("https://user:pass@x/"), json!({}), "/handler/webhook/url"),
        (to("https://x/#a"), json!({}), "/handler/webhook/url"),
        (
            json!({ "webhook": { "url": "https://x", "secrets": [] } }),
            json!({}),
            "/handler/webhook/secrets",
        ),
        (to("https://x"), json!({ "policy": "ignore" }), "/failure/policy"),
        (to("https://x"), json!({ "order": "none" }), "/failure/order"),
        (to("https://x"), json!({ "attempts": 0 }), "/failure/attempts"),
        (Value::Null, json!({ "policy": "park" }), "/failure"),
    ] {
        let form = json!({ "handler": handler, "failure": failure });
        let (status, answer) = subscriber.put(form.clone()).await;
        assert_eq!(status, 422, "{form}");
        let named =
            answer["errors"].as_array().unwrap().iter().any(|error| {
                error["parameters"] == json!([{ "key": "pointer", "value": pointer }])
            });
        assert!(named, "{form}: {answer}");
    }
    let form = json!({ "handler": to("https://x"), "autoCommit": true });
    assert_eq!(subscriber.put(form).await.0, 422);
}

#[tokio::test]
async fn nobody_reads_for_a_group_that_has_a_handler() {
    let (gateway, subscriber) = with_group(json!({})).await;
    posted(&gateway, &["a"]).await;
    let reading = subscriber.poll("reader=one").await;
    let put = subscriber.put(json!({ "handler": webhook() })).await;
    assert_eq!(problem(&put), (409, "subscription-held"), "{}", put.1);
    assert_eq!(subscriber.leave(reading.generation).await, 204);
    assert_eq!(subscriber.put(json!({ "handler": webhook() })).await.0, 200);

    let polled = subscriber.ask("reader=one").await;
    assert_eq!(problem(&polled), (409, "has-handler"), "{}", polled.1);
    let streamed = subscriber.refused_stream("reader=one").await;
    assert_eq!(problem(&streamed), (409, "has-handler"), "{}", streamed.1);
    let on = subscriber.ask(&format!("generation={}", reading.generation)).await;
    assert_eq!(on.0, 409, "{}", on.1);
    assert_eq!(subscriber.commit(reading.generation, 1).await.0, 409);
    assert_eq!(subscriber.get().await.1["position"], 0);

    assert_eq!(subscriber.put(json!({ "handler": null })).await.0, 200);
    assert_eq!(subscriber.poll("reader=one").await.positions, [1]);
}

#[tokio::test]
async fn nobody_moves_a_group_that_has_a_handler_by_its_present_generation() {
    let (gateway, subscriber) = with_group(json!({ "handler": webhook() })).await;
    posted(&gateway, &["a", "b"]).await;
    let named = (diku(), Group::parse("cg.search").unwrap());
    let found = gateway.store.find_subscriptions(&[named]).await.unwrap().remove(0);
    let mut next = found.subscription.clone();
    next.acquire_for_handler("replica", &Floors::default(), found.now).unwrap();
    let progress = Progress { delivered: Some(position(2)), scanned: position(2) };
    next.renew(next.generation, progress, found.now).unwrap();
    let generation = next.generation;
    let change = SubscriptionChange {
        tenant: found.tenant,
        group: found.group,
        version: found.version,
        next: Some(next),
        dead: Vec::new(),
        by: None,
    };
    assert_eq!(gateway.store.change_subscriptions(&[change]).await.unwrap(), [true]);
    let (_, before) = subscriber.get().await;
    assert_eq!((&before["generation"], before["reader"].is_null()), (&json!(generation), false));

    let polled = subscriber.ask(&format!("generation={generation}&after=2")).await;
    assert_eq!(problem(&polled), (409, "has-handler"), "{}", polled.1);
    let committed = subscriber.commit(generation, 2).await;
    assert_eq!(problem(&committed), (409, "has-handler"), "{}", committed.1);
    assert_eq!(subscriber.leave(generation).await, 409);
    let (_, after) = subscriber.get().await;
    for member in ["position", "generation", "reader"] {
        assert_eq!(after[member], before[member], "{member}");
    }
}

#[tokio::test]
async fn a_group_that_is_paused_says_so_and_how_it_goes_on_until_it_is_resumed() {
    let (gateway, subscriber) = with_group(json!({})).await;
    posted(&gateway, &["a", "b"]).await;
    let reading = subscriber.poll("reader=one&limit=1").await;
    let (status, paused) = subscriber.post("/pause", json!({ "reason": "search is down" })).await;
    assert_eq!((status, &paused["halt"]["reason"]), (200, &json!("search is down")), "{paused}");
    assert_eq!(paused["halt"]["position"], Value::Null);
    assert_eq!(paused["reader"], Value::Null, "whoever read is fenced");
    let (status, again) = subscriber.post("/pause", json!({ "reason": "another" })).await;
    assert_eq!((status, &again["halt"]), (200, &paused["halt"]), "it stays as it is");

    assert_eq!(subscriber.commit(reading.generation, 1).await.0, 409);
    for query in ["reader=one", "reader=two"] {
        let polled = subscriber.ask(query).await;
        assert_eq!(problem(&polled), (409, "subscription-halted"), "{}", polled.1);
        let since = json!([{ "key": "since", "value": paused["halt"]["since"] }]);
        assert_eq!(parameters(&polled.1), since);
        let detail = polled.1["detail"].as_str().unwrap();
        assert!(detail.contains("search is down") && detail.contains("resume"), "{detail}");
    }
    let streamed = subscriber.refused_stream("reader=one").await;
    assert_eq!(problem(&streamed), (409, "subscription-halted"), "{}", streamed.1);

    let (status, resumed) = subscriber.post("/resume", json!({})).await;
    assert_eq!((status, &resumed["halt"]), (200, &Value::Null));
    assert_eq!(subscriber.post("/resume", json!({})).await.0, 200, "it goes on already");
    assert_eq!(subscriber.poll("reader=two").await.positions, [1, 2]);
    for verb in ["/pause", "/resume", "/skip"] {
        let (status, _) = subscriber.post(verb, json!({ "why": "x" })).await;
        assert_eq!(status, 422, "{verb}");
        let unknown = Subscriber::new(&gateway.url()).of("diku", "cg.nobody");
        let answer = unknown.post(verb, json!({ "position": 1 })).await;
        assert!([404, 422].contains(&answer.0), "{verb}: {}", answer.1);
    }
}

#[tokio::test]
async fn a_group_that_has_stopped_goes_on_after_the_event_and_after_no_other() {
    let (gateway, subscriber) = with_group(json!({ "handler": webhook() })).await;
    posted(&gateway, &["a", "b", "c"]).await;
    let never = subscriber.post("/skip", json!({ "position": 2 })).await;
    assert_eq!(problem(&never), (409, "not-halted-there"), "{}", never.1);
    stop(&*gateway.store, "cg.search", 2, "no record is called b").await;
    let (_, found) = subscriber.get().await;
    let halt = &found["halt"];
    assert_eq!((&halt["position"], &halt["attempts"]), (&json!(2), &json!(4)), "{found}");
    assert_eq!(halt["reason"], "no record is called b");
    let polled = subscriber.ask("reader=one").await;
    let detail = polled.1["detail"].as_str().unwrap();
    assert_eq!(problem(&polled), (409, "subscription-halted"));
    assert!(detail.contains("no record is called b") && detail.contains("skip"), "{detail}");

    let other = subscriber.post("/skip", json!({ "position": 1 })).await;
    assert_eq!(problem(&other), (409, "not-halted-there"), "{}", other.1);
    assert_eq!(parameters(&other.1), json!([{ "key": "position", "value": "2" }]));
    assert_eq!(subscriber.get().await.1["position"], 0);
    assert_eq!(subscriber.post("/skip", json!({})).await.0, 422);
    let (status, skipped) = subscriber.post("/skip", json!({ "position": 2 })).await;
    assert_eq!((status, &skipped["halt"]), (200, &Value::Null), "{skipped}");
    assert_eq!(skipped["position"], 2);
    let again = subscriber.post("/skip", json!({ "position": 2 })).await;
    assert_eq!(problem(&again), (409, "not-halted-there"), "{}", again.1);
}

#[tokio::test]
async fn dead_letters_are_listed_by_page_and_shown_with_their_events() {
    let (gateway, subscriber) = with_group(json!({ "handler": webhook() })).await;
    posted(&gateway, &["a", "a", "b"]).await;
    let why = Some("no record is called a");
    let letters = vec![letter(1, "a", why), letter(2, "a", None), letter(3, "b", Some("why"))];
    bury(&*gateway.store, "cg.search", letters).await;
    assert_eq!(subscriber.get().await.1["deadLetters"]["count"], 3);
    assert!(subscriber.get().await.1["deadLetters"]["oldest"].is_string());
    let positions = |page: &Value| {
        let all = page["deadLetters"].as_array().unwrap().iter();
        all.map(|it| it["position"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let (status, page) = subscriber.read("/dead-letters?limit=2").await;
    assert_eq!((status, positions(&page), &page["next"]), (200, vec![1, 2], &json!(2)), "{page}");
    let first = json!({
        "position": 1,
        "topic": "folio.diku.inventory.item",
        "key": "a",
        "scope": "key",
        "reason": "no record is called a",
        "attempts": 4,
        "since": "1970-01-01T00:00:01.000Z",
        "redriven": false,
    });
    assert_eq!(page["deadLetters"][0], first);
    let second = &page["deadLetters"][1];
    assert_eq!((&second["reason"], &second["attempts"]), (&Value::Null, &json!(0)));
    let (_, page) = subscriber.read("/dead-letters?after=2").await;
    assert_eq!((positions(&page), &page["next"]), (vec![3], &Value::Null));
    let (_, page) = subscriber.read("/dead-letters?limit=3").await;
    assert_eq!((positions(&page).len(), &page["next"]), (3, &Value::Null), "it was the last");

    let (status, shown) = subscriber.read("/dead-letters/1").await;
    assert_eq!((status, &shown["reason"]), (200, &first["reason"]), "{shown}");
    let event = &shown["event"];
    assert_eq!((&event["position"], &event["key"]), (&json!(1), &json!("a")), "{shown}");
    assert_eq!(event["payload"]["new"]["id"], "a", "{shown}");
    let unknown = subscriber.read("/dead-letters/9").await;
    assert_eq!(problem(&unknown), (404, "unknown-dead-letter"), "{}", unknown.1);
    assert_eq!(problem(&subscriber.read("/dead-letters/x").await), (400, "bad-path"));
    let nobody = Subscriber::new(&gateway.url()).of("diku", "cg.nobody");
    for path in ["/dead-letters", "/dead-letters/1"] {
        assert_eq!(problem(&nobody.read(path).await), (404, "unknown-subscription"), "{path}");
    }
}

#[tokio::test]
async fn dead_letters_are_left_to_nobody_and_given_up_for_a_reason_alone() {
    let (gateway, subscriber) = with_group(json!({ "handler": webhook() })).await;
    posted(&gateway, &["a", "b"]).await;
    let letters = vec![letter(1, "a", Some("why")), letter(2, "b", Some("why"))];
    bury(&*gateway.store, "cg.search", letters).await;
    let taken = subscriber.put(json!({ "handler": null })).await;
    assert_eq!(problem(&taken), (409, "has-dead-letters"), "{}", taken.1);
    assert_eq!(parameters(&taken.1), json!([{ "key": "count", "value": "2" }]));
    assert_eq!(subscriber.put(json!({ "handler": webhook(), "leaseSeconds": 7 })).await.0, 200);
    assert_eq!(subscriber.delete().await, 409);
    assert_eq!(subscriber.get().await.1["deadLetters"]["count"], 2);

    subscriber.post("/pause", json!({})).await;
    let redrive = json!({ "keys": ["a"] });
    let (status, waits) = subscriber.post("/dead-letters/redrive", redrive).await;
    assert_eq!((status, &waits["count"]), (200, &json!(1)), "{waits}");
    assert!(waits["warning"].as_str().unwrap().contains("resumed"), "{waits}");

    assert_eq!(subscriber.delete_with("a%20test").await, 204);
    let trail = gateway.read("/trail?act=subscription-delete").await.json();
    let row = &trail["trail"][0];
    let told = (&row["object"], &row["reason"]);
    assert_eq!(told, (&json!("cg.search with 2 dead letters"), &json!("a test")), "{trail}");
    assert_eq!(subscriber.put(json!({})).await.0, 201);
    assert_eq!(subscriber.delete().await, 204, "without dead letters, no reason is needed");
}

#[tokio::test]
async fn dead_letters_are_redriven_in_order_and_discarded_as_they_are_named() {
    let (gateway, subscriber) = with_group(json!({ "handler": webhook() })).await;
    posted(&gateway, &["a", "a", "b", "c"]).await;
    let failed = Some("why");
    let letters = vec![
        letter(1, "a", failed),
        letter(2, "a", None),
        letter(3, "b", failed),
        letter(4, "c", failed),
    ];
    bury(&*gateway.store, "cg.search", letters).await;
    let redrive = async |body: Value| subscriber.post("/dead-letters/redrive", body).await;
    let discard = async |body: Value| subscriber.post("/dead-letters/discard", body).await;
    let redriven = async || {
        let (_, page) = subscriber.read("/dead-letters").await;
        let all = page["deadLetters"].as_array().unwrap().clone().into_iter();
        all.filter(|it| it["redriven"] == true).map(|it| it["position"].clone()).collect::<Value>()
    };
    let with_earlier = redrive(json!({ "positions": [2] })).await;
    assert_eq!(
        with_earlier,
        (200, json!({ "count": 2, "left": 0, "next": null })),
        "the earlier one, too"
    );
    assert_eq!(redriven().await, json!([1, 2]));
    assert_eq!(
        redrive(json!({ "limit": 1 })).await,
        (200, json!({ "count": 1, "left": 1, "next": 3 }))
    );
    assert_eq!(redriven().await, json!([1, 2, 3]));
    assert_eq!(redrive(json!({})).await, (200, json!({ "count": 1, "left": 0, "next": null })));
    assert_eq!(redrive(json!({})).await, (200, json!({ "count": 0, "left": 0, "next": null })));

    assert_eq!(problem(&discard(json!({})).await), (422, "missing-reason"));
    for empty in [json!({ "keys": [], "reason": "x" }), json!({ "positions": [], "reason": "x" })] {
        assert_eq!(problem(&discard(empty).await), (422, "empty-list"), "it doesn't mean all");
    }
    let named = json!({ "keys": ["b"], "positions": [4], "reason": "a test" });
    assert_eq!(discard(named).await, (200, json!({ "count": 2, "left": 0, "next": null })));
    let rest = json!({ "reason": "a test", "limit": 1 });
    assert_eq!(discard(rest).await, (200, json!({ "count": 1, "left": 1, "next": 1 })));
    assert_eq!(subscriber.get().await.1["deadLetters"]["count"], 1);
    let (_, page) = subscriber.read("/dead-letters").await;
    assert_eq!(page["deadLetters"][0]["position"], 2);
    let trail = gateway.read("/trail").await.json();
    let acts = trail["trail"].as_array().unwrap().iter().map(|row| row["act"].as_str().unwrap());
    let of_letters = acts.filter(|act| act.starts_with("dead-letters-")).collect::<Vec<_>>();
    let (one, other) = ("dead-letters-redrive", "dead-letters-discard");
    assert_eq!(of_letters, [one, one, one, other, other], "what changes nothing has no row");
}
