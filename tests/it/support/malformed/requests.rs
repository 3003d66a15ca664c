//! Malformed requests around a body that would be legal: headers, paths, methods, queries.

use super::{Case, TAKEN};
use crate::support::raw_http::request;

const INSTANCE: &str = "/domain-events/inventory/instance";
const GOOD: &[u8] = br#"{"new":{"id":"1"}}"#;
const ID: &str = "8f1f4e4c-6c57-4f5c-9d7e-2f2a0c3f1b11";

pub fn cases() -> Vec<Case> {
    [content_types(), tenants(), headers(), targets(), queries()].into_iter().flatten().collect()
}

fn case(request: Vec<u8>, status: u16, problem: &'static str) -> Case {
    let head: String = String::from_utf8_lossy(&request).chars().take(300).collect();
    Case { name: format!("{head:?}"), request, status, problem, pointers: Vec::new() }
}

type Headers = &'static [(&'static str, &'static str)];

/// A legal change with these headers, apart from the tenant's.
fn typed(headers: Headers, status: u16, problem: &'static str) -> Case {
    let all = [&[("X-Okapi-Tenant", "diku")], headers].concat();
    case(request("POST", INSTANCE, &all, GOOD), status, problem)
}

fn content_types() -> Vec<Case> {
    let unsupported: [Headers; 12] = [
        &[],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/jsonp")],
        &[("Content-Type", "application/json-patch+json")],
        &[("Content-Type", "application/ndjson")],
        &[("Content-Type", "application/json; charset=iso-8859-1")],
        &[("Content-Type", "application/json;charset=\"utf-16\"")],
        &[("Content-Type", "application/x-ndjson; charset=latin1")],
        &[("Content-Type", "multipart/form-data; boundary=x")],
        &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
        &[("Content-Type", "application/json"), ("Content-Encoding", "identity, br")],
        &[
            ("Content-Type", "application/json"),
            ("Content-Encoding", "identity"),
            ("Content-Encoding", "gzip"),
        ],
    ];
    let mut cases: Vec<_> = unsupported.map(|h| typed(h, 415, "unsupported-media-type")).into();
    let doubled = &[("Content-Type", "application/json"), ("Content-Type", "application/json")];
    cases.push(typed(doubled, 400, "bad-header"));
    cases
}

fn tenants() -> Vec<Case> {
    let rows: [(Headers, u16, &str); 11] = [
        (&[], 400, "missing-tenant"),
        (&[("X-Okapi-Tenant", "")], 400, "missing-tenant"),
        (&[("X-Okapi-Tenant", "diku"), ("X-Okapi-Tenant", "diku")], 400, "bad-header"),
        (&[("X-Okapi-Tenant", "diku"), ("x-okapi-tenant", "college")], 400, "bad-header"),
        (&[("X-Okapi-Tenant", "Diku")], 400, "bad-tenant"),
        (&[("X-Okapi-Tenant", "a.b")], 400, "bad-tenant"),
        (&[("X-Okapi-Tenant", "diku,college")], 400, "bad-tenant"),
        (&[("X-Okapi-Tenant", "diku college")], 400, "bad-tenant"),
        (&[("X-Okapi-Tenant", "a1234567890123456789012345678901")], 400, "bad-tenant"),
        (&[("X-Okapi-Tenant", "dikü")], 400, "bad-header"),
        (&[("X-Okapi-Tenant", "nobody")], 404, "tenant-not-enabled"),
    ];
    let whole = |(headers, status, problem): (Headers, u16, &'static str)| {
        let all = [headers, &[("Content-Type", "application/json")]].concat();
        case(request("POST", INSTANCE, &all, GOOD), status, problem)
    };
    let mut cases: Vec<_> = rows.map(whole).into();
    let nobody = [("X-Okapi-Tenant", "nobody")];
    cases.push(case(request("GET", "/domain-events", &nobody, b""), 404, "tenant-not-enabled"));
    cases.push(case(request("GET", "/domain-events", &[], b""), 400, "missing-tenant"));
    cases.push(case(request("POST", "/process-events/x/y", &[], b""), 400, "missing-tenant"));
    cases.push(case(
        request("POST", "/domain-events/x/y/delete-all", &[], b""),
        400,
        "missing-tenant",
    ));
    cases
}

fn headers() -> Vec<Case> {
    let long: &'static str = Box::leak("x".repeat(4097).into_boxed_str());
    let bad = [
        ("X-Okapi-Url", long),
        ("X-Okapi-Url", "http://x\ty"),
        ("X-Okapi-User-Id", "ü"),
        ("X-Correlation-ID", "x"),
        ("X-Correlation-ID", "8f1f4e4c6c574f5c9d7e2f2a0c3f1b11"),
        ("X-Correlation-ID", "{8f1f4e4c-6c57-4f5c-9d7e-2f2a0c3f1b11}"),
        ("X-Correlation-ID", "8f1f4e4c-6c57-1f5c-9d7e-2f2a0c3f1b11"),
        ("X-Correlation-ID", "8f1f4e4c-6c57-4f5c-cd7e-2f2a0c3f1b11"),
        ("X-Correlation-ID", "00000000-0000-0000-0000-000000000000"),
    ];
    let doubled =
        [("X-Okapi-Url", "http://okapi"), ("X-Okapi-User-Id", ID), ("X-Correlation-ID", ID)];
    let base = [("X-Okapi-Tenant", "diku"), ("Content-Type", "application/json")];
    let with = |more: &[(&str, &str)]| {
        case(request("POST", INSTANCE, &[&base, more].concat(), GOOD), 400, "bad-header")
    };
    bad.iter().map(|h| with(&[*h])).chain(doubled.iter().map(|h| with(&[*h, *h]))).collect()
}

fn targets() -> Vec<Case> {
    let rows = [
        ("POST", "/domain-events/inventory/nothing", 404, "unknown-entity"),
        ("POST", "/domain-events/nobody/instance", 404, "unknown-entity"),
        ("POST", "/domain-events/circulation/instance", 404, "unknown-entity"),
        ("POST", "/domain-events/inventory/Instance", 404, "unknown-entity"),
        ("POST", "/domain-events/inventory/instance%00", 404, "unknown-entity"),
        ("POST", "/domain-events/inventory%0d%0a/instance", 404, "unknown-entity"),
        ("POST", "/domain-events/inventory/item%2Finstance", 404, "unknown-entity"),
        ("POST", "/domain-events/inventory/inst%2561nce", 404, "unknown-entity"),
        ("POST", "/domain-events/inventory/%ff", 400, "bad-path"),
        ("POST", "/domain-events/%zz/instance", 400, "bad-path"),
        ("POST", "/domain-events/data-import/DI_COMPLETED", 404, "unknown-entity"),
        ("POST", "/domain-events/inventory/nothing/delete-all", 404, "unknown-entity"),
        ("POST", "/process-events/data-import/DI_NOTHING", 404, "unknown-process-event"),
        ("POST", "/process-events/data-import/%00", 404, "unknown-process-event"),
        ("POST", "/process-events/inventory/instance", 404, "unknown-process-event"),
        ("POST", "/", 404, "not-found"),
        ("POST", "/domain-events/inventory/instance/", 404, "not-found"),
        ("POST", "/domain-events//instance", 404, "not-found"),
        ("POST", "/domain-events/inventory/instance/delete-all/x", 404, "not-found"),
        ("POST", "/Domain-events/inventory/instance", 404, "not-found"),
        ("GET", "/nothing", 404, "not-found"),
        ("GET", INSTANCE, 405, "method-not-allowed"),
        ("PUT", INSTANCE, 405, "method-not-allowed"),
        ("DELETE", "/domain-events", 405, "method-not-allowed"),
        ("POST", "/domain-events", 405, "method-not-allowed"),
        ("PATCH", "/process-events/data-import/DI_COMPLETED", 405, "method-not-allowed"),
        ("GET", "/domain-events/inventory/instance/delete-all", 405, "method-not-allowed"),
        ("POST", "/livez", 405, "method-not-allowed"),
        ("GET", "/subscriptions/cg.search/reader", 405, "method-not-allowed"),
        ("DELETE", "/subscriptions/cg.search/reader", 400, "bad-query"),
        ("DELETE", "/subscriptions/cg.search/reader?generation=x", 400, "bad-query"),
        ("DELETE", "/subscriptions/cg.search/reader?generation=1", 404, "unknown-subscription"),
        ("GET", "/domain-events/x", 400, "bad-path"),
        ("GET", "/domain-events/5bf370e08cca4d9c82e45170ab2a0a39", 400, "bad-path"),
        ("GET", "/domain-events/%ff", 400, "bad-path"),
        ("GET", "/domain-events/8f1f4e4c-6c57-4f5c-9d7e-2f2a0c3f1b11", 404, "unknown-event"),
    ];
    let base = [("X-Okapi-Tenant", "diku"), ("Content-Type", "application/json")];
    let whole = |(method, target, status, problem)| {
        let body = if method == "POST" { GOOD } else { b"" };
        case(request(method, target, &base, body), status, problem)
    };
    let mut cases: Vec<_> = rows.map(whole).into();
    let foreign = [("X-Okapi-Tenant", "college")];
    let target = format!("/domain-events/{TAKEN}");
    cases.push(case(request("GET", &target, &foreign, b""), 404, "unknown-event"));
    cases
}

fn queries() -> Vec<Case> {
    let long = format!("key={}", "k".repeat(1025));
    let bad = [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=%2B5",
        "limit=x",
        "limit=",
        "limit=99999999999999999999999",
        "after=-1",
        "after=x",
        "after=9223372036854775808",
        "from=2026-01-31",
        "from=2026-01-31T12:00:00",
        "to=now",
        "to=2026-01-31T12:00:00+01:00",
        "key=",
        &long,
        "key=a%00",
        "type=a.b",
        "type=%00",
        "nothing=1",
        "Limit=1",
        "limit",
        "limit=1&limit=1",
        "limit=1&%6cimit=2",
        "entity=instance&entity=item",
        "key=%zz",
        "key=%ff",
        "producer=",
    ];
    let unknown =
        ["entity=nothing", "producer=nobody", "producer=circulation&entity=item", "entity=%00"];
    let diku = [("X-Okapi-Tenant", "diku")];
    let whole = |query: &str, status, problem| {
        case(request("GET", &format!("/domain-events?{query}"), &diku, b""), status, problem)
    };
    let bad = bad.iter().map(|query| whole(query, 400, "bad-query"));
    bad.chain(unknown.iter().map(|query| whole(query, 404, "unknown-entity"))).collect()
}
