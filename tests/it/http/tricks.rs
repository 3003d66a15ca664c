//! Tricks with heads, paths and encodings: each is refused in a stated way or means what it says,
//! and none reaches another tenant, another entity or another route.

use tokio::io::AsyncWriteExt;

use crate::support::gateway::Gateway;
use crate::support::raw_http::{GOOD, INSTANCE, answer};

/// A request, in words and in bytes, and what becomes of it: the status, and the problem.
type Trick = (&'static str, Vec<u8>, &'static str);

/// A good post with another target, and these lines in its head.
fn with(target: &str, lines: &str) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}");
    format!("{head}Content-Length: {}\r\n\r\n{GOOD}", GOOD.len()).into_bytes()
}

fn path(target: &str) -> Vec<u8> {
    with(target, "X-Okapi-Tenant: diku\r\nContent-Type: application/json\r\n")
}

fn head(lines: &str) -> Vec<u8> {
    with(INSTANCE, &format!("Content-Type: application/json\r\n{lines}"))
}

fn paths() -> Vec<Trick> {
    let entity = |text: &str| path(&format!("/domain-events/inventory/{text}"));
    vec![
        ("the plain path", path(INSTANCE), "201"),
        ("escaped letters mean themselves", entity("%69nstance"), "201"),
        ("a query is no part of the path", entity("instance?x=/../y"), "400 bad-query"),
        ("a zero byte", entity("instance%00"), "404 unknown-entity"),
        ("a zero byte and an ending", entity("instance%00.json"), "404 unknown-entity"),
        ("a line break", entity("instance%0d%0aX-Okapi-Tenant:%20college"), "404 unknown-entity"),
        ("an escaped slash", path("/domain-events/inventory%2finstance"), "405 method-not-allowed"),
        ("an escape of an escape", entity("%2569nstance"), "404 unknown-entity"),
        ("two dots", path("/process-events/../domain-events/inventory/instance"), "404 not-found"),
        ("two dots at the end", entity(".."), "404 unknown-entity"),
        ("two escaped dots", entity("%2e%2e"), "404 unknown-entity"),
        (
            "dots behind a probe",
            path("/livez/../domain-events/inventory/instance"),
            "404 not-found",
        ),
        ("a backslash", path("/domain-events\\inventory\\instance"), "404 not-found"),
        ("an escaped backslash", entity("..%5cinstance"), "404 unknown-entity"),
        ("two slashes", path("//domain-events/inventory/instance"), "404 not-found"),
        ("a slash at the end", path(&format!("{INSTANCE}/")), "404 not-found"),
        ("a parameter of a segment", entity("instance;tenant=college"), "404 unknown-entity"),
        ("capital letters", path("/Domain-Events/inventory/instance"), "404 not-found"),
        ("a capital entity", entity("Instance"), "404 unknown-entity"),
        ("an i without a dot", entity("%c4%b1nstance"), "404 unknown-entity"),
        ("letters of full width", entity("%ef%bd%89nstance"), "404 unknown-entity"),
        ("an overlong escape of a slash", entity("..%c0%afinstance"), "400 bad-path"),
        ("a byte that is not UTF-8", entity("%ff"), "400 bad-path"),
        ("half an escape", entity("instance%2"), "400 bad-path"),
        ("no escape", entity("instance%zz"), "400 bad-path"),
        ("a raw zero byte", path("/domain-events/inventory/instance\0"), "400 bad-request"),
        ("a space", path("/domain-events/inventory/in stance"), "400 bad-request"),
        ("a tab", path("/domain-events/inventory/in\tstance"), "400 bad-request"),
        ("a letter beyond ASCII", path("/domain-events/inventory/ınstance"), "400 bad-request"),
        ("a long path", entity(&"a".repeat(60_000)), "404 unknown-entity"),
        ("a longer path", entity(&"a".repeat(70_000)), "431 head-too-large"),
        ("many segments", path(&"/a".repeat(20_000)), "404 not-found"),
        ("many dots", path(&"/..".repeat(10_000)), "404 not-found"),
    ]
}

fn heads() -> Vec<Trick> {
    let tenant = |value: &str| head(&format!("X-Okapi-Tenant: {value}\r\n"));
    let twice = |first: &str, second: &str| {
        head(&format!("X-Okapi-Tenant: {first}\r\nX-Okapi-Tenant: {second}\r\n"))
    };
    let more = |line: &str| head(&format!("X-Okapi-Tenant: diku\r\n{line}\r\n"));
    vec![
        ("spaces around a value", tenant("  diku \t"), "201"),
        ("another case of the name", head("x-oKAPI-tENANT: diku\r\n"), "201"),
        ("a method in a header", more("X-HTTP-Method-Override: DELETE"), "201"),
        ("a path in a header", more("X-Original-URL: /admin/health"), "201"),
        ("a tenant in another header", more("X-Forwarded-Tenant: college"), "201"),
        ("two tenants", twice("diku", "college"), "400 bad-header"),
        ("the same tenant twice", twice("diku", "diku"), "400 bad-header"),
        ("a tenant, and an empty one, which is none", twice("diku", ""), "201"),
        ("two tenants in one", tenant("diku, college"), "400 bad-tenant"),
        ("an empty tenant", tenant(""), "400 missing-tenant"),
        ("an escaped tenant", tenant("%64iku"), "400 bad-tenant"),
        ("a path as tenant", tenant("../diku"), "400 bad-tenant"),
        ("a tenant in quotes", tenant("\"diku\""), "400 bad-tenant"),
        ("a capital tenant", tenant("DIKU"), "400 bad-tenant"),
        ("a tenant and a zero byte", tenant("diku\0"), "400 bad-request"),
        ("a tenant and a return", tenant("diku\rX: y"), "400 bad-request"),
        ("a tenant and a feed", tenant("diku\nX-Okapi-Tenant: college"), "400 bad-header"),
        ("a tenant and an escape", tenant("diku\x1b[2J"), "400 bad-request"),
        ("a long tenant", tenant(&"a".repeat(60_000)), "400 bad-header"),
        ("a space before the colon", head("X-Okapi-Tenant : diku\r\n"), "400 bad-request"),
        ("an underscore in a name", head("X_Okapi_Tenant: diku\r\n"), "400 missing-tenant"),
        ("a folded line", head("X-Okapi-Tenant:\r\n diku\r\n"), "400 bad-request"),
        ("a line without a name", more(": college"), "400 bad-request"),
        ("a line without a colon", more("college"), "400 bad-request"),
        ("two content types", more("Content-Type: application/x-ndjson"), "400 bad-header"),
        ("another length too", more("Content-Length: 0"), "400 bad-request"),
        ("a length of two", more("Content-Length: 18, 18"), "400 bad-request"),
        ("a length in hex", more("Content-Length: 0x12"), "400 bad-request"),
        ("chunks and a length", more("Transfer-Encoding: chunked"), "400 bad-request"),
        ("chunks after a space", more("Transfer-Encoding : chunked"), "400 bad-request"),
        ("chunks after a tab", more("Transfer-Encoding:\x0bchunked"), "400 bad-request"),
        ("chunks and more", more("Transfer-Encoding: chunked, identity"), "400 bad-request"),
        ("chunks, twice", more("Transfer-Encoding: chunked, chunked"), "400 bad-request"),
        ("another coding", more("Transfer-Encoding: xchunked"), "400 bad-request"),
        ("a header of 63 KiB", more(&format!("X: {}", "x".repeat(63 << 10))), "201"),
        ("a header of 65 KiB", more(&format!("X: {}", "x".repeat(65 << 10))), "431 head-too-large"),
        ("a hundred headers", more(&"X: y\r\n".repeat(99)), "431 head-too-large"),
    ]
}

fn encodings() -> Vec<Trick> {
    let coded =
        |value: &str| head(&format!("X-Okapi-Tenant: diku\r\nContent-Encoding: {value}\r\n"));
    let typed =
        |value: &str| with(INSTANCE, &format!("X-Okapi-Tenant: diku\r\nContent-Type: {value}\r\n"));
    vec![
        ("no encoding", coded("identity"), "201"),
        ("an empty encoding", coded(""), "201"),
        ("gzip", coded("gzip"), "415 unsupported-media-type"),
        ("x-gzip", coded("x-gzip"), "415 unsupported-media-type"),
        ("deflate", coded("deflate"), "415 unsupported-media-type"),
        ("brotli", coded("br"), "415 unsupported-media-type"),
        ("zstd", coded("zstd"), "415 unsupported-media-type"),
        ("gzip after identity", coded("identity, gzip"), "415 unsupported-media-type"),
        ("gzip ten times", coded(&["gzip"; 10].join(", ")), "415 unsupported-media-type"),
        (
            "gzip in a line of its own",
            coded("identity\r\nContent-Encoding: gzip"),
            "415 unsupported-media-type",
        ),
        ("another charset", typed("application/json; charset=utf-7"), "415 unsupported-media-type"),
        ("no JSON", typed("text/plain"), "415 unsupported-media-type"),
        ("a form", typed("application/x-www-form-urlencoded"), "415 unsupported-media-type"),
        ("two types in one", typed("application/json, text/html"), "415 unsupported-media-type"),
    ]
}

#[tokio::test]
async fn each_trick_is_refused_in_the_way_that_the_table_says_or_means_what_it_says() {
    let gateway = Gateway::start().await;
    let (mut wrong, mut taken) = (Vec::new(), 0);
    for (name, request, expected) in [paths(), heads(), encodings()].concat() {
        let mut connection = gateway.connect().await;
        // A refusal may come before everything is sent.
        let _ = connection.write_all(&request).await;
        let answer = answer(&mut connection).await;
        let told = match answer.status {
            201 => "201".to_owned(),
            status => format!("{status} {}", answer.problem()),
        };
        taken += usize::from(expected == "201");
        if told != expected {
            wrong.push(format!("{name}: {told}, not {expected}"));
        }
        if answer.body.len() > 20_000 {
            wrong.push(format!("{name}: an answer of {} bytes", answer.body.len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let log = gateway.log().await;
    assert_eq!(log.len(), taken);
    assert!(log.iter().all(|event| event.topic.as_str() == "folio.diku.inventory.instance"));
    assert!(gateway.slice("college").await.events.is_empty());
}
