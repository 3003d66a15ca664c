//! Malformed requests are refused with the right status, problem and pointers, and leave no trace
//! in any log. The tables are in `support::malformed`.

use std::time::Duration;

use serde_json::Value;

use crate::support::fake_sink::FakeKafka;
use crate::support::gateway::Gateway;
use crate::support::malformed::{Case, TAKEN, bodies, requests};
use crate::support::raw_http::Answer;

#[tokio::test]
async fn a_malformed_request_is_refused_and_leaves_no_trace() {
    let gateway = Gateway::start().await;
    let taken = format!(r#"{{"new":{{"id":"first"}},"eventId":"{TAKEN}"}}"#);
    assert_eq!(gateway.post_json("/domain-events/inventory/instance", taken).await.status, 201);
    let before = (gateway.slice("diku").await, gateway.slice("college").await);
    let kafka = FakeKafka::default();
    let followers = gateway.follow(&kafka);

    let cases: Vec<Case> = bodies::cases().into_iter().chain(requests::cases()).collect();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let mut failures = Vec::new();
    for case in &cases {
        let answer = gateway.exchange(&case.request).await;
        failures.extend(difference(case, &answer).map(|what| format!("{}: {what}", case.name)));
        let after = (gateway.slice("diku").await, gateway.slice("college").await);
        if after != before {
            failures.push(format!("{}: the log changed", case.name));
            break;
        }
    }
    // The event after all of them is the second record of its topic, so no refused one is before
    // it.
    gateway.post_json("/domain-events/inventory/instance", r#"{"new":{"id":"last"}}"#).await;
    while kafka
        .state(|state| state.records.last().is_none_or(|record| record.key.as_str() != "last"))
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    followers.stop().await;
    let keys: Vec<_> =
        kafka.state(|state| state.records.iter().map(|r| r.key.to_string()).collect());
    assert_eq!(keys, ["first", "last"]);
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[tokio::test]
async fn a_refusal_names_at_most_a_hundred_errors() {
    let gateway = Gateway::start().await;
    let batch = format!("[{}]", vec![r#"{"new":{}}"#; 150].join(","));
    let json = gateway.post_json("/domain-events/inventory/instance", batch).await.json();
    assert_eq!(json["errors"].as_array().unwrap().len(), 100);
    let members: Vec<_> = (0..1000).map(|n| format!(r#""x{n}":0"#)).collect();
    let change = format!("{{{}}}", members.join(","));
    let json = gateway.post_json("/domain-events/inventory/instance", change).await.json();
    assert_eq!(json["errors"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_missing_tenant_is_refused_in_folio_s_words_and_form() {
    let gateway = Gateway::start().await;
    let answer = gateway.exchange(b"GET /domain-events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let expected = serde_json::json!({
        "type": "/problems/missing-tenant",
        "title": "No tenant",
        "status": 400,
        "detail": "x-okapi-tenant header must be provided",
        "errors": [{
            "message": "x-okapi-tenant header must be provided",
            "type": "error",
            "code": "missing-tenant",
            "parameters": []
        }],
        "total_records": 1
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn an_unknown_entity_lists_the_known_ones() {
    let gateway = Gateway::start().await;
    let answer = gateway.post_json("/domain-events/inventory/nothing", "{}").await;
    let known: Vec<_> = parameters(&answer.json()["errors"][0], "known");
    let expected =
        ["circulation.loan", "inventory.holdings-record", "inventory.instance", "inventory.item"];
    assert_eq!(known, expected);
    let answer = gateway.post_json("/process-events/inventory/nothing", "{}").await;
    assert_eq!(parameters(&answer.json()["errors"][0], "known"), ["data-import.DI_COMPLETED"]);
}

#[tokio::test]
async fn a_refusal_says_what_a_program_needs_to_go_on() {
    let gateway = Gateway::start().await;
    let taken = format!(r#"{{"new":{{"id":"first"}},"eventId":"{TAKEN}"}}"#);
    gateway.post_json("/domain-events/inventory/instance", &taken).await;
    let other = taken.replace("first", "other");
    let conflict = gateway.post_json("/domain-events/inventory/instance", other).await.json();
    assert_eq!(parameters(&conflict["errors"][0], "position"), ["1"]);
    let method = gateway.read("/domain-events/inventory/instance").await;
    assert_eq!((method.status, method.header("Allow")), (405, Some("POST")));
    let type_less =
        gateway.post("/domain-events/inventory/instance", "text/plain", "{}").await.json();
    assert!(
        type_less["detail"].as_str().unwrap().contains("application/json or application/x-ndjson")
    );
    let line =
        gateway.post("/domain-events/inventory/instance", "application/x-ndjson", "\n\n{]").await;
    let detail = line.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with("line 3 of the body: not JSON") && detail.ends_with(" at column 2"),
        "{detail}"
    );
}

fn difference(case: &Case, answer: &Answer) -> Option<String> {
    let expected = (case.status, case.problem, &case.pointers);
    if answer.header("content-type") != Some("application/problem+json") {
        return Some(format!("expected {expected:?}, is no problem: {answer:?}"));
    }
    let json = answer.json();
    let errors = json["errors"].as_array().unwrap();
    let pointers: Vec<String> = errors.iter().flat_map(|e| parameters(e, "pointer")).collect();
    if (answer.status, answer.problem().as_str(), &pointers) != expected {
        return Some(format!("expected {expected:?}, is {}", answer.text()));
    }
    let whole = json["status"] == case.status
        && json["total_records"] == errors.len()
        && !errors.is_empty()
        && json["title"].is_string()
        && json["detail"].as_str().is_some_and(|detail| names(detail, pointers.first()));
    (!whole).then(|| format!("is not whole: {}", answer.text()))
}

/// Returns whether the text says what is wrong, and where in the body, if it has a place there.
fn names(detail: &str, pointer: Option<&String>) -> bool {
    let place = match pointer.map(String::as_str) {
        None => "",
        Some("") => "the body: ",
        Some(pointer) => pointer,
    };
    !detail.trim_start().is_empty() && (detail.starts_with(place) || detail.starts_with("line "))
}

fn parameters(error: &Value, key: &str) -> Vec<String> {
    let all = error["parameters"].as_array().unwrap();
    let named = all.iter().filter(|p| p["key"] == key);
    named.map(|p| p["value"].as_str().unwrap().to_owned()).collect()
}
