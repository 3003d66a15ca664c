//! What operators and readers ask for over HTTP: everything that is illegal in a body is named at
//! once, and a tenant that is not enabled is a 404 whatever is asked for.

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
            &["/more", "/producer", "/entity", "/key", "/reason"],
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
async fn a_number_in_quotes_is_refused_with_what_is_wrong_about_it() {
    let gateway = Gateway::start().await;
    let body = json!({"position": "1", "generation": 1});
    let (status, problem) = ask(&gateway, "POST", "/subscriptions/cg.x/commits", &body).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/position"]));
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("to 9223372036854775807, without quotes"), "{message}");
}
