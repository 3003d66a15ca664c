//! Malformed bodies: of one change, of batches, of process events, of DELETE_ALL.

use super::{Case, TAKEN};
use crate::support::raw_http::request;

const INSTANCE: &str = "/domain-events/inventory/instance";
const PROCESS: &str = "/process-events/data-import/DI_COMPLETED";
const DELETE_ALL: &str = "/domain-events/inventory/instance/delete-all";
const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";
const ZERO: &str = "00000000-0000-0000-0000-000000000000";

pub fn cases() -> Vec<Case> {
    [
        no_json(),
        no_change(),
        bad_keys(),
        bad_members(),
        bad_headers(),
        arrays(),
        lines(),
        others(),
        sizes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

type Row<B> = (B, u16, &'static str, &'static [&'static str]);

fn case(
    path: &str,
    content_type: &str,
    (body, status, problem, pointers): Row<impl AsRef<[u8]>>,
) -> Case {
    let headers = [("X-Okapi-Tenant", "diku"), ("Content-Type", content_type)];
    let text: String = String::from_utf8_lossy(body.as_ref()).chars().take(80).collect();
    Case {
        name: format!("{path} {content_type} {text:?}"),
        request: request("POST", path, &headers, body.as_ref()),
        status,
        problem,
        pointers: pointers.iter().map(ToString::to_string).collect(),
    }
}

fn no_json() -> Vec<Case> {
    let rows: [Row<&[u8]>; 22] = [
        (b"", 400, "invalid-json", &[]),
        (b" \n ", 400, "invalid-json", &[]),
        (b"{", 400, "invalid-json", &[]),
        (br#"{"new":{"id":"1"}"#, 400, "invalid-json", &[]),
        (br#"{"new":{"id":"1"}} x"#, 400, "invalid-json", &[]),
        (br#"{"new":{"id":"1"}}{"new":{"id":"2"}}"#, 400, "invalid-json", &[]),
        (b"\xef\xbb\xbf\xef\xbb\xbf{\"new\":{\"id\":\"1\"}}", 400, "invalid-json", &[]),
        (b"\xef\xbb\xbf", 400, "invalid-json", &[]),
        (b"{'new':{'id':'1'}}", 400, "invalid-json", &[]),
        (br#"{"new":{"id":"1",}}"#, 400, "invalid-json", &[]),
        (br#"{"new":{"id":"1","n":01}}"#, 400, "invalid-json", &[]),
        (br#"{"new":{"id":"1","n":NaN}}"#, 400, "invalid-json", &[]),
        (br#"{"new":{"id":"1","n":+1}}"#, 400, "invalid-json", &[]),
        (b"{\"new\":{\"id\":\"a\nb\"}}", 400, "invalid-json", &[]),
        (b"{\"new\":{\"id\":\"a\0b\"}}", 400, "invalid-json", &[]),
        (br#"{"new":{"id":"\x41"}}"#, 400, "invalid-json", &[]),
        (br#"{"new":{"id":"\u12"}}"#, 400, "invalid-json", &[]),
        (br#"{"new":{"id":"1"}/* */}"#, 400, "invalid-json", &[]),
        (b"{\"new\":{\"id\":\"\xff\"}}", 400, "invalid-utf8", &[]),
        (b"{\"new\":{\"id\":\"\xc0\xaf\"}}", 400, "invalid-utf8", &[]),
        (b"{\"new\":{\"id\":\"\xed\xa0\x80\"}}", 400, "invalid-utf8", &[]),
        (b"\xff\xfe{\0}\0", 400, "invalid-utf8", &[]),
    ];
    rows.map(|row| case(INSTANCE, JSON, row)).into()
}

fn no_change() -> Vec<Case> {
    let rows: [Row<&str>; 16] = [
        ("7", 422, "not-an-object", &[""]),
        ("\"{}\"", 422, "not-an-object", &[""]),
        ("null", 422, "not-an-object", &[""]),
        ("true", 422, "not-an-object", &[""]),
        ("{}", 422, "no-state", &[""]),
        (r#"{"old":null,"new":null}"#, 422, "no-state", &[""]),
        (r#"{"id":"1","type":"CREATE"}"#, 422, "no-state", &[""]),
        (r#"{"new":[]}"#, 422, "not-an-object", &["/new"]),
        (r#"{"new":"{}"}"#, 422, "not-an-object", &["/new"]),
        (r#"{"old":{"id":"1"},"new":7}"#, 422, "not-an-object", &["/new"]),
        (r#"{"old":1,"new":2}"#, 422, "not-an-object", &["/old", "/new"]),
        (r#"{"new":{"id":"1"},"new":{"id":"1"}}"#, 422, "duplicate-name", &["/new"]),
        (r#"{"new":{"id":"1"},"n\u0065w":{"id":"2"}}"#, 422, "duplicate-name", &["/new"]),
        (r#"{"new":{"id":"1","\u0069d":"1"}}"#, 422, "duplicate-name", &["/new/id"]),
        (
            r#"{"new":{"id":"1","a":[0,{"b/c":1,"b\/c":1}]}}"#,
            422,
            "duplicate-name",
            &["/new/a/1/b~1c"],
        ),
        (
            r#"{"new":{"id":"1","\ud800":1,"\uD800":1}}"#,
            422,
            "duplicate-name",
            &["/new/\u{fffd}\u{fffd}\u{fffd}"],
        ),
    ];
    let mut cases: Vec<_> = rows.map(|row| case(INSTANCE, JSON, row)).into();
    let deep = format!(r#"{{"new":{{"id":"1","a":{}{}}}}}"#, "[".repeat(64), "]".repeat(64));
    let mut too_deep = case(INSTANCE, JSON, (deep, 422, "too-deep", &[]));
    too_deep.pointers = vec![format!("/new/a{}", "/0".repeat(63))];
    cases.push(too_deep);
    cases
}

fn bad_keys() -> Vec<Case> {
    let rows: [Row<String>; 13] = [
        (r#"{"new":{}}"#.into(), 422, "illegal-key", &["/new/id"]),
        (r#"{"new":{"ID":"1"}}"#.into(), 422, "illegal-key", &["/new/id"]),
        (r#"{"new":{"id":null}}"#.into(), 422, "illegal-key", &["/new/id"]),
        (r#"{"new":{"id":1}}"#.into(), 422, "illegal-key", &["/new/id"]),
        (r#"{"new":{"id":["1"]}}"#.into(), 422, "illegal-key", &["/new/id"]),
        (r#"{"new":{"id":""}}"#.into(), 422, "illegal-key", &["/new/id"]),
        (r#"{"new":{"id":"a\u0000"}}"#.into(), 422, "illegal-key", &["/new/id"]),
        (r#"{"new":{"id":"\ud800"}}"#.into(), 422, "illegal-key", &["/new/id"]),
        (format!(r#"{{"new":{{"id":"{}"}}}}"#, "k".repeat(1025)), 422, "illegal-key", &["/new/id"]),
        (format!(r#"{{"new":{{"id":"{ZERO}"}}}}"#), 422, "illegal-key", &["/new/id"]),
        (r#"{"old":{},"new":{"id":1}}"#.into(), 422, "illegal-key", &["/old/id", "/new/id"]),
        (r#"{"old":{"id":"1"},"new":{"id":"2"}}"#.into(), 422, "key-mismatch", &["/new/id"]),
        (r#"{"old":{"id":"a"},"new":{"id":"A"}}"#.into(), 422, "key-mismatch", &["/new/id"]),
    ];
    rows.map(|row| case(INSTANCE, JSON, row)).into()
}

/// Each with a legal `new` before it.
fn bad_members() -> Vec<Case> {
    let rows: [Row<String>; 17] = [
        (r#""news":{}"#.into(), 422, "unknown-member", &["/news"]),
        (r#""a":null,"b":1"#.into(), 422, "unknown-member", &["/a", "/b"]),
        (r#""id":"2""#.into(), 422, "id-mismatch", &["/id"]),
        (r#""id":1"#.into(), 422, "not-a-string", &["/id"]),
        (r#""type":"UPDATE""#.into(), 422, "type-mismatch", &["/type"]),
        (r#""type":"create""#.into(), 422, "type-mismatch", &["/type"]),
        (r#""type":"DELETE_ALL""#.into(), 422, "type-mismatch", &["/type"]),
        (r#""type":{}"#.into(), 422, "not-a-string", &["/type"]),
        (r#""id":"2","type":"DELETE""#.into(), 422, "illegal-change", &["/type", "/id"]),
        (r#""eventId":"x""#.into(), 422, "illegal-event-id", &["/eventId"]),
        (r#""eventId":"""#.into(), 422, "illegal-event-id", &["/eventId"]),
        (r#""eventId":7"#.into(), 422, "not-a-string", &["/eventId"]),
        (
            format!(r#""eventId":"{}""#, TAKEN.replace('-', "")),
            422,
            "illegal-event-id",
            &["/eventId"],
        ),
        (format!(r#""eventId":"{{{TAKEN}}}""#), 422, "illegal-event-id", &["/eventId"]),
        (format!(r#""eventId":"urn:uuid:{TAKEN}""#), 422, "illegal-event-id", &["/eventId"]),
        (format!(r#""eventId":" {TAKEN}""#), 422, "illegal-event-id", &["/eventId"]),
        (format!(r#""eventId":"{TAKEN}""#), 409, "event-id-conflict", &["/eventId"]),
    ];
    let whole = |(members, s, p, at): Row<String>| {
        (format!(r#"{{"new":{{"id":"1"}},{members}}}"#), s, p, at)
    };
    rows.map(|row| case(INSTANCE, JSON, whole(row))).into()
}

/// Each the `headers` of a change that is legal otherwise.
fn bad_headers() -> Vec<Case> {
    let many: Vec<_> = (0..33).map(|n| format!(r#""h{n}":"x""#)).collect();
    let rows: [Row<String>; 18] = [
        ("[]".into(), 422, "illegal-header", &["/headers"]),
        ("\"a\"".into(), 422, "illegal-header", &["/headers"]),
        (format!("{{{}}}", many.join(",")), 422, "illegal-header", &["/headers"]),
        (r#"{"type":"x"}"#.into(), 422, "illegal-header", &["/headers/type"]),
        (r#"{"Event_Id":"x"}"#.into(), 422, "illegal-header", &["/headers/Event_Id"]),
        (
            r#"{"position":"1","epoch":"1"}"#.into(),
            422,
            "illegal-header",
            &["/headers/position", "/headers/epoch"],
        ),
        (r#"{"replay_id":"x"}"#.into(), 422, "illegal-header", &["/headers/replay_id"]),
        (r#"{"traceparent":"x"}"#.into(), 422, "illegal-header", &["/headers/traceparent"]),
        (r#"{"X-Okapi-Token":"x"}"#.into(), 422, "illegal-header", &["/headers/X-Okapi-Token"]),
        (
            r#"{"folio.tenantId":"other"}"#.into(),
            422,
            "illegal-header",
            &["/headers/folio.tenantId"],
        ),
        (r#"{"a":"ü"}"#.into(), 422, "illegal-header", &["/headers/a"]),
        (r#"{"ü":"a"}"#.into(), 422, "illegal-header", &["/headers/ü"]),
        (r#"{"a":1,"b":null}"#.into(), 422, "illegal-header", &["/headers/a", "/headers/b"]),
        (r#"{"a":"x\r\ny"}"#.into(), 422, "illegal-header", &["/headers/a"]),
        (r#"{"a b":"x"}"#.into(), 422, "illegal-header", &["/headers/a b"]),
        (r#"{"":"x"}"#.into(), 422, "illegal-header", &["/headers/"]),
        (r#"{"a":"1","A":"2"}"#.into(), 422, "illegal-header", &["/headers/A"]),
        (format!(r#"{{"a":"{}"}}"#, "x".repeat(4097)), 422, "illegal-header", &["/headers/a"]),
    ];
    let whole =
        |(h, s, p, at): Row<String>| (format!(r#"{{"new":{{"id":"1"}},"headers":{h}}}"#), s, p, at);
    rows.map(|row| case(INSTANCE, JSON, whole(row))).into()
}

const GOOD: &str = r#"{"new":{"id":"1"}}"#;

fn arrays() -> Vec<Case> {
    let id = "8f1f4e4c-6c57-4f5c-9d7e-2f2a0c3f1b11";
    let twins = format!(
        r#"[{{"new":{{"id":"1"}},"eventId":"{id}"}},{{"new":{{"id":"2"}},"eventId":"{id}"}}]"#
    );
    let rows: [Row<String>; 11] = [
        ("[]".into(), 422, "empty-batch", &[]),
        ("[1]".into(), 422, "not-an-object", &["/0"]),
        (format!("[[{GOOD}]]"), 422, "not-an-object", &["/0"]),
        (format!("[{GOOD},null]"), 422, "not-an-object", &["/1"]),
        (format!(r#"[{GOOD},{{"new":{{"id":""}}}},{GOOD}]"#), 422, "illegal-key", &["/1/new/id"]),
        (
            r#"[{"new":{}},{"new":{"id":"1"},"eventId":"x"}]"#.into(),
            422,
            "illegal-change",
            &["/0/new/id", "/1/eventId"],
        ),
        (format!("[{GOOD},"), 400, "invalid-json", &[]),
        (format!("[{GOOD} {GOOD}]"), 400, "invalid-json", &[]),
        (format!("[{}]", vec![GOOD; 1001].join(",")), 413, "batch-too-large", &[]),
        (twins, 409, "event-id-conflict", &["/1/eventId"]),
        (
            format!(r#"[{GOOD},{{"new":{{"id":"2"}},"eventId":"{TAKEN}"}}]"#),
            409,
            "event-id-conflict",
            &["/1/eventId"],
        ),
    ];
    rows.map(|row| case(INSTANCE, JSON, row)).into()
}

fn lines() -> Vec<Case> {
    let rows: [Row<String>; 11] = [
        ("".into(), 422, "empty-batch", &[]),
        ("\n \r\n\t\n".into(), 422, "empty-batch", &[]),
        (format!("{GOOD}\n\n{{]\n"), 400, "invalid-json", &["/1"]),
        (format!("{GOOD}{GOOD}"), 400, "invalid-json", &["/0"]),
        (format!("{GOOD}\r{GOOD}"), 400, "invalid-json", &["/0"]),
        ("{\"new\":\n{\"id\":\"1\"}}".into(), 400, "invalid-json", &["/0"]),
        (format!("{GOOD}\n\u{feff}{GOOD}"), 400, "invalid-json", &["/1"]),
        (format!("{{\"new\":{{}}}}\n{GOOD},\n"), 400, "invalid-json", &["/1"]),
        (format!("[{GOOD}]"), 422, "not-an-object", &["/0"]),
        (format!("{GOOD}\n\n{{\"new\":{{}}}}"), 422, "illegal-key", &["/1/new/id"]),
        (format!("{GOOD}\n").repeat(1001), 413, "batch-too-large", &[]),
    ];
    let mut cases: Vec<_> = rows.map(|row| case(INSTANCE, LINES, row)).into();
    let row: Row<&[u8]> = (b"{\"new\":{\"id\":\"1\"}}\n{\"\xff\":1}", 400, "invalid-utf8", &["/1"]);
    cases.push(case(INSTANCE, LINES, row));
    cases
}

fn others() -> Vec<Case> {
    let process: [Row<String>; 9] = [
        ("{}".into(), 422, "illegal-change", &["/key", "/payload"]),
        (r#"{"key":"1"}"#.into(), 422, "no-payload", &["/payload"]),
        (r#"{"key":"1","payload":null}"#.into(), 422, "no-payload", &["/payload"]),
        (r#"{"payload":{}}"#.into(), 422, "illegal-key", &["/key"]),
        (r#"{"key":7,"payload":{}}"#.into(), 422, "not-a-string", &["/key"]),
        (r#"{"key":"","payload":{}}"#.into(), 422, "illegal-key", &["/key"]),
        (format!(r#"{{"key":"{ZERO}","payload":1}}"#), 422, "illegal-key", &["/key"]),
        (r#"{"key":"1","payload":{},"new":{}}"#.into(), 422, "unknown-member", &["/new"]),
        (
            r#"[{"key":"1","payload":1},{"key":"1","payload":{"a":1,"a":1}}]"#.into(),
            422,
            "duplicate-name",
            &["/1/payload/a"],
        ),
    ];
    let delete_all: [Row<String>; 7] = [
        ("[]".into(), 422, "not-an-object", &[""]),
        (r#"{"id":"1"}"#.into(), 422, "unknown-member", &["/id"]),
        (r#"{"eventId":"x"}"#.into(), 422, "illegal-event-id", &["/eventId"]),
        (r#"{"eventId":7}"#.into(), 422, "not-a-string", &["/eventId"]),
        (format!(r#"{{"eventId":"{TAKEN}"}}"#), 409, "event-id-conflict", &["/eventId"]),
        ("{".into(), 400, "invalid-json", &[]),
        ("{}{}".into(), 400, "invalid-json", &[]),
    ];
    let mut cases: Vec<_> = process.map(|row| case(PROCESS, JSON, row)).into();
    cases.extend(delete_all.map(|row| case(DELETE_ALL, JSON, row)));
    cases.push(case(DELETE_ALL, LINES, ("{}", 415, "unsupported-media-type", &[])));
    cases.push(case(DELETE_ALL, "text/plain", ("{}", 415, "unsupported-media-type", &[])));
    cases
}

/// The gateway of the story takes 512 KiB a body and 64 KiB a record.
fn sizes() -> Vec<Case> {
    let record = |bytes: usize| format!(r#"{{"new":{{"id":"1","a":"{}"}}}}"#, "x".repeat(bytes));
    let rows: [Row<String>; 4] = [
        (record(64 << 10), 413, "record-too-large", &[""]),
        (format!("[{GOOD},{}]", record(64 << 10)), 413, "record-too-large", &["/1"]),
        (" ".repeat((512 << 10) + 1), 413, "body-too-large", &[]),
        (record(512 << 10), 413, "body-too-large", &[]),
    ];
    let mut cases: Vec<_> = rows.map(|row| case(INSTANCE, JSON, row)).into();
    let head = format!(
        "POST {INSTANCE} HTTP/1.1\r\nHost: x\r\nX-Okapi-Tenant: diku\r\nContent-Type: {JSON}\r\n"
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(9));
    let declared = format!("{head}Content-Length: 99999999999\r\n\r\n");
    for (name, request) in [("chunked", chunked), ("declared", declared)] {
        cases.push(Case {
            name: format!("too large, {name}"),
            request: request.into(),
            status: 413,
            problem: "body-too-large",
            pointers: Vec::new(),
        });
    }
    cases
}
