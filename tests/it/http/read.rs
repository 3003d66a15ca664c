//! The log is read as it was written: page by page, filtered, by id, byte for byte.

use serde_json::Value;

use crate::support::gateway::Gateway;
use crate::support::raw_http::request;

const INSTANCE: &str = "/domain-events/inventory/instance";
const ID: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";

async fn page(gateway: &Gateway, query: &str) -> Value {
    let answer = gateway.read(&format!("/domain-events?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

fn positions(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|e| e["position"].as_u64().unwrap()).collect()
}

/// Positions 1 to 6: instances a, b, then an update of a, an item a, a loan, a process event.
async fn some_events(gateway: &Gateway) {
    let posts = [
        (
            INSTANCE,
            r#"[{"new":{"id":"a"}},{"new":{"id":"b"}},{"old":{"id":"a"},"new":{"id":"a"}}]"#,
        ),
        ("/domain-events/inventory/item", r#"{"new":{"id":"a"}}"#),
        ("/domain-events/circulation/loan", r#"{"new":{"id":"l 1&2"}}"#),
        ("/process-events/data-import/DI_COMPLETED", r#"{"key":"j","payload":[]}"#),
    ];
    for (path, body) in posts {
        assert_eq!(gateway.post_json(path, body).await.status, 201);
    }
}

#[tokio::test]
async fn pages_follow_each_other_until_next_is_null() {
    let gateway = Gateway::start().await;
    assert_eq!(page(&gateway, "").await, serde_json::json!({"events": [], "next": null}));
    some_events(&gateway).await;
    let (mut after, mut seen, mut pages) = (0, Vec::new(), 0);
    loop {
        let page = page(&gateway, &format!("limit=2&after={after}")).await;
        assert!(positions(&page).len() <= 2);
        seen.extend(positions(&page));
        pages += 1;
        let Some(next) = page["next"].as_u64() else { break };
        assert!(next > after);
        after = next;
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    assert!((3..=4).contains(&pages), "{pages}");
    assert_eq!(page(&gateway, "after=6").await["next"], Value::Null);
    assert_eq!(positions(&page(&gateway, "after=9223372036854775807").await), [] as [u64; 0]);
}

#[tokio::test]
async fn filters_choose_events() {
    let gateway = Gateway::start().await;
    some_events(&gateway).await;
    let cases: [(&str, &[u64]); 14] = [
        ("producer=inventory", &[1, 2, 3, 4]),
        ("producer=mod-inventory-storage-28.0.1&entity=instance", &[1, 2, 3]),
        ("entity=item", &[4]),
        ("key=a", &[1, 3, 4]),
        ("key=a&entity=instance&type=UPDATE", &[3]),
        ("key=l%201%262", &[5]),
        ("key=l+1%262", &[5]),
        ("type=CREATE", &[1, 2, 4, 5]),
        ("type=DI_COMPLETED", &[6]),
        ("type=DELETE", &[]),
        ("producer=data-import", &[6]),
        ("type=CREATE&after=2&limit=1", &[4]),
        ("entity=holdings-record", &[]),
        ("&&key=j&", &[6]),
    ];
    for (query, expected) in cases {
        assert_eq!(positions(&page(&gateway, query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn from_is_inclusive_and_to_is_exclusive() {
    let gateway = Gateway::start().await;
    some_events(&gateway).await;
    let log = gateway.log().await;
    for event in &log {
        let time = event.time.to_string();
        let told = |holds: &dyn Fn(i64) -> bool| -> Vec<u64> {
            log.iter().filter(|e| holds(e.time.as_ms())).map(|e| e.position.number()).collect()
        };
        let at = event.time.as_ms();
        assert_eq!(positions(&page(&gateway, &format!("from={time}")).await), told(&|t| t >= at));
        assert_eq!(positions(&page(&gateway, &format!("to={time}")).await), told(&|t| t < at));
    }
    assert_eq!(positions(&page(&gateway, "from=2000-01-01T00:00:00%2B01:00").await).len(), 6);
    assert!(positions(&page(&gateway, "to=2000-01-01T00:00:00-01:00").await).is_empty());
}

#[tokio::test]
async fn states_come_back_byte_for_byte() {
    let gateway = Gateway::start().await;
    let deep = format!(r#"{{"id":"a","d":{}{}}}"#, "[".repeat(63), "]".repeat(63));
    let states = [
        r#"{"id":"a","n":1.10}"#,
        r#"{"id":"a","n":[-0,1e400,1E+2,123456789012345678901234567890,0.1000]}"#,
        r#"{"id":"a","s":"\u0000\ud800\/\u00e9é\ud83d\ude00"}"#,
        r#"{"z":1,"id":"a","a":{"c":1,"b":2}}"#,
        "{ \"id\" :\t\"a\" ,\r\n \"x\" : [ 1 , 2 ] }",
        r#"{"\u0069d":"\u0061","":{}}"#,
        "{\"id\":\"a\",\"s\":\"\u{2028}\u{7f}\"}",
        &deep,
    ];
    for (index, state) in states.iter().enumerate() {
        let change = format!(r#" {{ "old" : {state} , "new":{state}}} "#);
        assert_eq!(gateway.post_json(INSTANCE, change).await.status, 201, "{state}");
        let event = gateway.log().await.pop().unwrap();
        let ts = event.time.as_ms();
        let payload = format!(
            r#"{{"old":{state},"new":{state},"type":"UPDATE","tenant":"diku","ts":"{ts}"}}"#
        );
        assert_eq!(event.payload, payload.as_bytes());
        let answer = gateway.read(&format!("/domain-events?after={index}")).await;
        assert!(
            answer.text().contains(&format!(r#""payload":{payload},"published":null"#)),
            "{state}"
        );
        let answer = gateway.read(&format!("/domain-events/{}", event.event_id)).await;
        assert!(
            answer.text().contains(&format!(r#""payload":{payload},"published":null"#)),
            "{state}"
        );
    }
}

#[tokio::test]
async fn an_event_is_found_by_its_id_in_its_own_tenant_alone() {
    let gateway = Gateway::start().await;
    let change = format!(r#"{{"new":{{"id":"a"}},"eventId":"{ID}","headers":{{"own":"1"}}}}"#);
    gateway.post_json(INSTANCE, change).await;
    let event = gateway.log().await.remove(0);
    let target = format!("/domain-events/{}", ID.to_uppercase());
    let answer = gateway.read(&target).await;
    let log_id = event.log_id;
    let expected = serde_json::json!({
        "position": 1,
        "eventId": ID,
        "topic": "folio.diku.inventory.instance",
        "key": "a",
        "type": "CREATE",
        "time": event.time.to_string(),
        "headers": {
            "own": "1",
            "correlation_id": event.headers.value("correlation_id"),
            "x-okapi-tenant": "diku",
            "folio.tenantId": "diku",
            "type": "CREATE",
            "event_id": ID,
            "log_id": log_id.to_string(),
            "position": "1"
        },
        "payload": {"new": {"id": "a"}, "type": "CREATE", "tenant": "diku", "ts": event.time.as_ms().to_string()},
        "published": null
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(page(&gateway, "").await["events"][0], expected);
    let foreign = request("GET", &target, &[("X-Okapi-Tenant", "college")], b"");
    assert_eq!(gateway.exchange(&foreign).await.problem(), "unknown-event");
}

#[tokio::test]
async fn one_tenant_s_log_is_not_another_s() {
    let gateway = Gateway::start().await;
    some_events(&gateway).await;
    let answer = gateway
        .exchange(&request("GET", "/domain-events", &[("X-Okapi-Tenant", "college")], b""))
        .await;
    assert_eq!(answer.json(), serde_json::json!({"events": [], "next": null}));
}

#[tokio::test]
async fn a_page_has_at_most_four_mebibytes_but_at_least_one_event() {
    let gateway = Gateway::start().await;
    let change = format!(r#"{{"new":{{"id":"a","x":"{}"}}}}"#, "x".repeat(60_000));
    let batch = format!("[{}]", [change.as_str(); 8].join(","));
    for _ in 0..10 {
        assert_eq!(gateway.post_json(INSTANCE, &batch).await.status, 201);
    }
    let page = page(&gateway, "limit=1000").await;
    let count = positions(&page).len();
    assert!((1..80).contains(&count), "{count}");
    assert_eq!(page["next"].as_u64(), Some(count as u64));
}

#[tokio::test]
async fn head_tells_the_head_alone() {
    let gateway = Gateway::start().await;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut connection = gateway.connect().await;
    connection.write_all(&request("HEAD", "/livez", &[], b"")).await.unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
}
