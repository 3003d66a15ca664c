//! Requests of operators and readers over HTTP: everything that is illegal in a body is named at
//! once, what may be mistaken is warned of, and a tenant that is not enabled is a 404.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::Gateway;

async fn ask(gateway: &Gateway, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}{path}", gateway.url());
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = reqwest::Client::new().request(method, url).header("X-Okapi-Tenant", "diku");
    let answer = request.json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap().iter();
    errors.map(|error| error["parameters"][0]["value"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn everything_that_is_illegal_in_a_request_is_named_at_once() {
    let gateway = Gateway::start().await;
    let discard = "/parked/5bf370e0-8cca-4d9c-82e4-5170ab2a0a39/discard";
    let cases: [(&str, &str, Value, &[&str]); 8] = [
        (
            "PUT",
            "/subscriptions/cg.x",
            json!({"leaseSeconds": 0, "holdSeconds": -5, "topics": "x", "keys": [1, ""],
                "types": ["a b"], "headers": {"x": 7}, "autoCommit": 1, "start": {}, "more": 1}),
            &[
                "/more",
                "/topics",
                "/keys/0",
                "/keys/1",
                "/types/0",
                "/headers/x",
                "/leaseSeconds",
                "/autoCommit",
                "/holdSeconds",
                "/start",
            ],
        ),
        ("POST", "/subscriptions/cg.x/commits", json!({}), &["/position", "/generation"]),
        ("POST", "/subscriptions/cg.x/seek", json!({"at": 1}), &["/at", "/to"]),
        (
            "POST",
            "/subscriptions/cg.x/seek",
            json!({"to": {"position": "73", "time": 7}}),
            &["/to/position", "/to/time", "/to"],
        ),
        (
            "POST",
            "/replays",
            json!({"rate": {"eventsPerSecond": 0}, "positions": {"from": 9, "to": 3},
                "keys": [], "more": 1}),
            &["/more", "/keys", "/rate/eventsPerSecond", "/positions/to", "/positions/to"],
        ),
        (
            "POST",
            "/erasures",
            json!({"producer": "", "key": 1, "more": 1}),
            &["/more", "/reason", "/producer", "/entity", "/key"],
        ),
        ("POST", discard, json!({"why": "x"}), &["/why", "/reason"]),
        (
            "POST",
            "/process-events/data-import/DI_COMPLETED",
            json!({"key": 1, "more": 1, "eventId": "x", "headers": {"type": "x"}}),
            &["/more", "/key", "/eventId", "/headers/type", "/payload"],
        ),
    ];
    for (method, path, body, named) in cases {
        let (status, problem) = ask(&gateway, method, path, &body).await;
        assert_eq!((status, pointers(&problem)), (422, named.to_vec()), "{path}: {problem}");
        let is_post_of_events = path.starts_with("/process-events");
        let title = if is_post_of_events { "Illegal change" } else { "Illegal request" };
        assert_eq!(problem["title"], title, "{path}");
    }
}

#[tokio::test]
async fn a_tenant_that_is_not_enabled_has_no_lists_and_takes_no_requests() {
    let gateway = Gateway::start().await;
    let erasure = json!({"producer": "inventory", "entity": "item", "key": "a", "reason": "x"});
    for (method, path, body) in [
        ("GET", "/domain-events", None),
        ("GET", "/subscriptions", None),
        ("PUT", "/subscriptions/cg.x", Some(json!({}))),
        ("GET", "/parked", None),
        ("GET", "/replays", None),
        ("POST", "/replays", Some(json!({"rate": 7}))),
        ("GET", "/erasures", None),
        ("POST", "/erasures", Some(erasure)),
    ] {
        let url = format!("{}{path}", gateway.url());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = reqwest::Client::new().request(method.clone(), url);
        let request = request.header("X-Okapi-Tenant", "nobody");
        let request = body.iter().fold(request, |request, body| request.json(body));
        let answer = request.send().await.unwrap();
        let (status, problem) = (answer.status(), answer.json::<Value>().await.unwrap());
        let told = "tenant `nobody` is not enabled";
        assert_eq!((status.as_u16(), &problem["detail"]), (404, &told.into()), "{method} {path}");
    }
}

#[tokio::test]
async fn what_may_be_mistaken_is_warned_of_in_the_answer() {
    let gateway = Gateway::start().await;
    let posted = gateway.post_json("/domain-events/inventory/item", r#"{"new":{"id":"a"}}"#);
    assert_eq!(posted.await.status, 201);
    let erase = async |key: &str| {
        let body = json!({"producer": "inventory", "entity": "item", "key": key, "reason": "x"});
        ask(&gateway, "POST", "/erasures", &body).await
    };
    assert_eq!(erase("a").await.1["warning"], Value::Null);
    let (status, answer) = erase("typo").await;
    let told = "the log has no event of inventory.item with the key `typo` and content";
    assert_eq!((status, &answer["warning"]), (201, &told.into()), "{answer}");

    let put = async |topics: Value| {
        ask(&gateway, "PUT", "/subscriptions/cg.x", &json!({"topics": topics})).await
    };
    let known = json!(["folio.diku.inventory.item", "**.loan", "folio.Default.*.*"]);
    let (status, answer) = put(known).await;
    assert_eq!((status, &answer["warning"]), (201, &Value::Null), "{answer}");
    let (_, answer) = put(json!(["folio.dikku.inventory.item"])).await;
    let warning = answer["warning"].as_str().unwrap();
    let told = "`folio.dikku.inventory.item` (the nearest: `folio.diku.inventory.item`";
    assert!(warning.contains(told), "{warning}");
    let (status, answer) = put(json!(["folio.uni.nothing", "**.loan", "folio.uni.*"])).await;
    let told = "neither the log nor the tenant's files have a topic `folio.uni.nothing`, \
                `folio.uni.*`";
    assert_eq!((status, &answer["warning"]), (200, &told.into()), "{answer}");
}

#[tokio::test]
async fn what_is_refused_is_repeated_as_it_was_given_and_the_way_out_is_told() {
    let gateway = Gateway::start().await;
    let detail = async |path: &str| gateway.read(path).await.json()["detail"].clone();
    let itm = detail("/domain-events?entity=itm").await;
    assert!(itm.as_str().unwrap().starts_with("`itm` is not a known entity"), "{itm}");
    let both = detail("/domain-events?producer=inventory&entity=itm").await;
    assert!(both.as_str().unwrap().starts_with("`inventory.itm` is not"), "{both}");
    let generation = detail("/subscriptions/cg.x/events?generation=x").await;
    assert_eq!(generation, "query parameter `generation`: must be a whole number");
    let word = detail("/domain-events?type=FOO%20BAR").await;
    assert!(word.as_str().unwrap().contains("the name of a process event"), "{word}");
    assert_eq!(gateway.read("/domain-events?type=FOO").await.status, 200, "types are open words");
    let id = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";
    let never = detail(&format!("/domain-events/{id}")).await;
    assert!(never.as_str().unwrap().ends_with("or was removed since"), "{never}");
    let (status, problem) = ask(&gateway, "POST", "/replays", &json!({})).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("set KAFKA_HOST"), "{problem}");
}

#[tokio::test]
async fn a_number_in_quotes_is_refused_with_what_is_wrong_about_it() {
    let gateway = Gateway::start().await;
    let body = json!({"position": "1", "generation": 1});
    let (status, problem) = ask(&gateway, "POST", "/subscriptions/cg.x/commits", &body).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/position"]));
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("to 9223372036854775807, without quotes"), "{message}");
}
