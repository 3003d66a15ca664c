//! A header that the event does not need never fails the request, and every answer says whether it
//! may be cached.

use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_http::request;

const INSTANCE: &str = "/domain-events/inventory/instance";
const GOOD: &[u8] = br#"{"new":{"id":"1"}}"#;
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const ID: &str = "8f1f4e4c-6c57-4f5c-9d7e-2f2a0c3f1b11";

/// The headers of a request, and the headers that its event's record has.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)]);

#[tokio::test]
async fn a_header_that_the_event_does_not_need_does_not_cost_the_event() {
    let gateway = Gateway::start().await;
    let (token, id) = ("t".repeat(5000), "i".repeat(5000));
    let cases: &[Case] = &[
        (&[("X-Okapi-User-Id", "")], &[]),
        (&[("X-Okapi-User-Id", "  ")], &[]),
        (&[("X-Okapi-User-Id", ""), ("X-Okapi-User-Id", ID)], &[("x-okapi-user-id", ID)]),
        (&[("X-Okapi-Url", "")], &[]),
        (&[("X-Okapi-Request-Id", "")], &[]),
        (&[("X-Okapi-Token", "")], &[]),
        (&[("X-Correlation-ID", "")], &[]),
        (&[("traceparent", "")], &[]),
        (&[("Prefer", "")], &[]),
        (&[("Content-Encoding", "")], &[]),
        // The perimeter has checked the token.
        (&[("X-Okapi-Token", &token)], &[]),
        (&[("X-Okapi-Token", "tökén")], &[]),
        (&[("X-Okapi-Token", "a"), ("X-Okapi-Token", "b")], &[]),
        // A header that only serves tracing never refuses a request.
        (
            &[("X-Okapi-Request-Id", "821257/user;744931/perms")],
            &[("x-okapi-request-id", "821257/user;744931/perms")],
        ),
        (&[("X-Okapi-Request-Id", &id)], &[("x-okapi-request-id", &id[..4096])]),
        (&[("X-Okapi-Request-Id", "ü")], &[]),
        (
            &[("X-Okapi-Request-Id", "1/a"), ("X-Okapi-Request-Id", "2/b")],
            &[("x-okapi-request-id", "1/a")],
        ),
        (&[("traceparent", TRACE)], &[("traceparent", TRACE)]),
        (&[("traceparent", TRACE), ("traceparent", TRACE)], &[]),
        (&[("traceparent", "x")], &[]),
        (&[("traceparent", "ü")], &[]),
        (&[("traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")], &[]),
        (&[("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01")], &[]),
        (&[("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01")], &[]),
        // A preference that isn't understood is ignored (RFC 7240).
        (&[("Prefer", "wait=abc")], &[]),
        (&[("Prefer", "wait")], &[]),
        (&[("Prefer", "wait=-1, ;=\"")], &[]),
        (&[("Prefer", "ü"), ("Prefer", "respond-async")], &[]),
    ];
    let ours = ["x-okapi-url", "x-okapi-user-id", "x-okapi-request-id", "traceparent"];
    let mut failures = Vec::new();
    for (headers, expected) in cases {
        let base = [("X-Okapi-Tenant", "diku"), ("Content-Type", "application/json")];
        let posted = request("POST", INSTANCE, &[&base, *headers].concat(), GOOD);
        let answer = gateway.exchange(&posted).await;
        let record = gateway.log().await.pop().map(|event| event.record_headers().to_headers());
        let has: Vec<_> = record
            .iter()
            .flat_map(|record| record.iter())
            .filter(|(name, _)| ours.contains(name))
            .collect();
        if answer.status != 201 || has != *expected || answer.header("Preference-Applied").is_some()
        {
            failures.push(format!("{headers:.40?}: {} {has:?}", answer.text()));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(gateway.log().await.len(), cases.len());
}

#[tokio::test]
async fn a_preference_that_is_understood_counts_among_those_that_are_not() {
    let gateway = Setup::new().with_relay().start().await;
    for values in [
        &["wait=0"][..],
        &["wait=0, foo"],
        &["foo; wait=1", "wait=0", "wait=7"],
        &["ü", "WAIT = \"0\""],
    ] {
        let prefer = values.iter().map(|value| ("Prefer", *value));
        let base = [("X-Okapi-Tenant", "diku"), ("Content-Type", "application/json")];
        let headers: Vec<_> = base.into_iter().chain(prefer).collect();
        let answer = gateway.exchange(&request("POST", INSTANCE, &headers, GOOD)).await;
        assert_eq!(
            (answer.status, answer.header("Preference-Applied")),
            (201, Some("wait=0")),
            "{values:?}"
        );
    }
}

#[tokio::test]
async fn every_answer_says_how_it_may_be_kept() {
    let gateway = Gateway::start().await;
    let requests = [
        request(
            "POST",
            INSTANCE,
            &[("X-Okapi-Tenant", "diku"), ("Content-Type", "application/json")],
            GOOD,
        ),
        request("GET", "/domain-events", &[("X-Okapi-Tenant", "diku")], b""),
        request("HEAD", "/domain-events", &[("X-Okapi-Tenant", "diku")], b""),
        request("GET", "/domain-events", &[], b""),
        request("GET", "/parked", &[("X-Okapi-Tenant", "diku")], b""),
        request("GET", "/nowhere", &[], b""),
        request("DELETE", INSTANCE, &[], b""),
        request("GET", "/livez", &[], b""),
        request("GET", "/metrics", &[], b""),
        b"x\r\n\r\n".to_vec(),
    ];
    for request in requests {
        let name = String::from_utf8_lossy(&request).into_owned();
        let head = gateway.head(&request).await;
        for line in
            ["x-content-type-options: nosniff", "cache-control: no-store", "vary: X-Okapi-Tenant"]
        {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{name}: {head}");
        }
    }
}
