//! Changes that modules post become durable: one change, batches, DELETE_ALL, process events; once each.

use event_gateway::domain::position::Position;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, tenant_id};
use crate::support::raw_http::{Answer, request};

const INSTANCE: &str = "/domain-events/inventory/instance";
const ID: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";
const OTHER_ID: &str = "8f1f4e4c-6c57-4f5c-9d7e-2f2a0c3f1b11";

fn created(answer: &Answer) -> Value {
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

#[tokio::test]
async fn a_byte_order_mark_before_a_body_is_read_over() {
    let gateway = Gateway::start().await;
    let change = "\u{feff}{\"new\":{\"id\":\"1\"}}";
    assert_eq!(gateway.post_json(INSTANCE, change).await.status, 201);
    let lines = format!("{change}\n{}", &change[3..]);
    assert_eq!(gateway.post(INSTANCE, "application/x-ndjson", lines).await.status, 201);
    let erased = gateway.post_json(&format!("{INSTANCE}/delete-all"), "\u{feff}{}").await;
    assert_eq!(erased.status, 201);
    let nothing = gateway.post_json(&format!("{INSTANCE}/delete-all"), "\u{feff}").await;
    assert_eq!(nothing.status, 201);
    let log = gateway.log().await;
    assert_eq!(log.len(), 5);
    assert!(log.iter().all(|event| event.payload[0] == b'{'));
}

#[tokio::test]
async fn one_change_gets_one_receipt_that_tells_its_place() {
    let gateway = Gateway::start().await;
    let change = format!(r#"{{"new":{{"id":"a"}},"eventId":"{ID}","type":"CREATE","id":"a"}}"#);
    let receipt = created(&gateway.post_json(INSTANCE, change).await);
    let event = &gateway.log().await[0];
    let expected = json!({
        "eventId": ID,
        "topic": "folio.diku.inventory.instance",
        "key": "a",
        "type": "CREATE",
        "position": 1,
        "time": event.time.to_string(),
        "published": null
    });
    assert_eq!(receipt, expected);
    assert_eq!((event.event_id.to_string().as_str(), event.key.as_str()), (ID, "a"));
    let ts = event.time.as_ms();
    let payload = format!(r#"{{"new":{{"id":"a"}},"type":"CREATE","tenant":"diku","ts":"{ts}"}}"#);
    assert_eq!(event.payload, payload.as_bytes());
}

#[tokio::test]
async fn the_states_tell_the_type() {
    let gateway = Gateway::start().await;
    let cases = [
        (r#"{"new":{"id":"a"},"old":null}"#, "CREATE"),
        (r#"{"old":{"id":"a"},"new":{"id":"a"}}"#, "UPDATE"),
        (r#"{"old":{"id":"a"}}"#, "DELETE"),
    ];
    for (change, expected) in cases {
        assert_eq!(created(&gateway.post_json(INSTANCE, change).await)["type"], expected);
    }
}

#[tokio::test]
async fn a_batch_gets_its_receipts_in_its_order_as_an_array_or_as_lines() {
    let gateway = Gateway::start().await;
    let array = r#" [{"new":{"id":"a"}}, {"old":{"id":"b"}} ] "#;
    let lines = "\n{\"new\":{\"id\":\"c\"}}\r\n \t\n{\"new\":{\"id\":\"d\"}}";
    let first = created(&gateway.post(INSTANCE, "application/json; charset=UTF-8", array).await);
    let second =
        created(&gateway.post(INSTANCE, "Application/X-NDJSON;charset=\"utf-8\"", lines).await);
    let told: Vec<_> = [first, second]
        .iter()
        .flat_map(|receipts| receipts.as_array().unwrap().clone())
        .map(|r| (r["key"].as_str().unwrap().to_owned(), r["position"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("a", 1), ("b", 2), ("c", 3), ("d", 4)].map(|(k, p)| (k.to_owned(), p)));
    let one_in_a_list = created(&gateway.post_json(INSTANCE, r#"[{"new":{"id":"e"}}]"#).await);
    assert_eq!(one_in_a_list.as_array().unwrap().len(), 1);
    assert_eq!(gateway.log().await.len(), 5);
}

#[tokio::test]
async fn a_thousand_changes_are_not_too_many() {
    let gateway = Gateway::start().await;
    let lines: String = (0..1000).map(|n| format!("{{\"new\":{{\"id\":\"{n}\"}}}}\n")).collect();
    let receipts = created(&gateway.post(INSTANCE, "application/x-ndjson", lines).await);
    assert_eq!(receipts[999]["position"], 1000);
}

#[tokio::test]
async fn the_same_event_again_gets_the_first_receipt_again() {
    let gateway = Gateway::start().await;
    let change = format!(r#"{{"new":{{"id":"a"}},"eventId":"{ID}"}}"#);
    let first = created(&gateway.post_json(INSTANCE, &change).await);
    created(&gateway.post_json(INSTANCE, r#"{"new":{"id":"b"}}"#).await);
    let again = created(&gateway.post_json(INSTANCE, &change).await);
    assert_eq!(again, first);
    let batch = format!(r#"[{change},{{"new":{{"id":"c"}},"eventId":"{OTHER_ID}"}},{change}]"#);
    let receipts = created(&gateway.post_json(INSTANCE, &batch).await);
    assert_eq!([&receipts[0], &receipts[2]], [&first, &first]);
    assert_eq!(receipts[1]["position"], 3);
    assert_eq!(created(&gateway.post_json(INSTANCE, &batch).await), receipts);
    assert_eq!(gateway.log().await.len(), 3);
}

#[tokio::test]
async fn the_same_event_id_means_another_event_to_another_tenant() {
    let gateway = Gateway::start().await;
    let change = |key: &str| format!(r#"{{"new":{{"id":"{key}"}},"eventId":"{ID}"}}"#);
    created(&gateway.post_json(INSTANCE, change("a")).await);
    let headers = [("X-Okapi-Tenant", "college"), ("Content-Type", "application/json")];
    created(&gateway.exchange(&request("POST", INSTANCE, &headers, change("b").as_bytes())).await);
    assert_eq!(gateway.slice("college").await.events[0].tenant, tenant_id("college"));
    assert_eq!(
        gateway.slice("college").await.events[0].topic.as_str(),
        "folio.college.inventory.instance"
    );
}

#[tokio::test]
async fn a_module_s_id_names_its_producer() {
    let gateway = Gateway::start().await;
    for producer in
        ["inventory", "mod-inventory-storage", "mod-inventory-storage-28.0.1", "mod%2Dinventory"]
    {
        let path = format!("/domain-events/{producer}/holdings-record");
        let receipt = created(&gateway.post_json(&path, r#"{"new":{"id":"a"}}"#).await);
        assert_eq!(receipt["topic"], "folio.diku.inventory.holdings-record");
    }
}

#[tokio::test]
async fn a_delete_all_needs_no_body() {
    let gateway = Gateway::start().await;
    let path = "/domain-events/inventory/item/delete-all";
    let bare = request("POST", path, &[("X-Okapi-Tenant", "diku")], b"");
    let receipt = created(&gateway.exchange(&bare).await);
    assert_eq!((&receipt["type"], &receipt["position"]), (&json!("DELETE_ALL"), &json!(1)));
    assert_eq!(receipt["key"], "00000000-0000-0000-0000-000000000000");
    let named = format!(r#"{{"eventId":"{ID}"}}"#);
    let first = created(&gateway.post_json(path, &named).await);
    assert_eq!(first["eventId"], ID);
    assert_eq!(created(&gateway.post_json(path, &named).await), first);
    created(
        &gateway
            .post("/domain-events/inventory/item", "application/json", r#"{"new":{"id":"a"}}"#)
            .await,
    );
    let log = gateway.log().await;
    assert_eq!(log[0].payload, &br#"{"type":"DELETE_ALL","tenant":"diku"}"#[..]);
    assert_eq!(log[2].last_delete_all, Some(Position::new(2).unwrap()));
    assert_eq!(log.len(), 3);
}

#[tokio::test]
async fn a_process_event_is_published_as_it_is_under_its_name() {
    let gateway = Gateway::start().await;
    let path = "/process-events/mod-data-import-3.1.0/DI_COMPLETED";
    let body = r#"{"key":"job 1", "payload": {"b" : 1.10, "a":[ ]} ,"headers":{"jobId":"7"}}"#;
    let receipt = created(&gateway.post_json(path, body).await);
    assert_eq!(receipt["topic"], "folio.Default.diku.DI_COMPLETED");
    assert_eq!((&receipt["type"], &receipt["key"]), (&json!("DI_COMPLETED"), &json!("job 1")));
    let batch = "{\"key\":\"1\",\"payload\":\"x\"}\n{\"key\":\"1\",\"payload\":-0}\n";
    let receipts = created(&gateway.post(path, "application/x-ndjson", batch).await);
    assert_eq!(receipts[1]["position"], 3);
    let log = gateway.log().await;
    let payloads: Vec<_> = log.iter().map(|e| std::str::from_utf8(&e.payload).unwrap()).collect();
    assert_eq!(payloads, [r#"{"b" : 1.10, "a":[ ]}"#, "\"x\"", "-0"]);
    assert_eq!(log[0].record_headers().value("jobId"), Some("7"));
}

#[tokio::test]
async fn events_inherit_the_request_s_headers_but_never_its_token() {
    let gateway = Gateway::start().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [
        ("traceparent", trace),
        ("X-CORRELATION-ID", "8F1F4E4C-6C57-4F5C-9D7E-2F2A0C3F1B11"),
        ("X-Okapi-Request-Id", "821257/user;744931/perms"),
        ("X-Okapi-User-Id", ID),
        ("X-Okapi-Url", "http://okapi:9130"),
        ("X-Okapi-Token", "secret.token.value"),
        ("X-Okapi-Tenant", "diku"),
        ("Content-Type", "application/json"),
    ];
    let body = br#"[{"new":{"id":"a"},"headers":{"Own":"1"}},{"new":{"id":"b"}}]"#;
    created(&gateway.exchange(&request("POST", INSTANCE, &headers, body)).await);
    let log = gateway.log().await;
    let expected = [
        ("Own", "1"),
        ("x-okapi-url", "http://okapi:9130"),
        ("x-okapi-user-id", ID),
        ("x-okapi-request-id", "821257/user;744931/perms"),
        ("correlation_id", OTHER_ID),
        ("traceparent", trace),
        ("x-okapi-tenant", "diku"),
        ("folio.tenantId", "diku"),
        ("type", "CREATE"),
    ];
    let record = log[0].record_headers();
    assert_eq!(record.iter().take(9).collect::<Vec<_>>(), expected);
    assert_eq!(log[1].headers.iter().collect::<Vec<_>>(), expected[1..6]);
    assert!(!format!("{log:?}").contains("secret"));
}

#[tokio::test]
async fn a_request_without_correlation_id_gets_one_for_all_its_events() {
    let gateway = Gateway::start().await;
    created(&gateway.post_json(INSTANCE, r#"[{"new":{"id":"a"}},{"new":{"id":"b"}}]"#).await);
    let log = gateway.log().await;
    let ids: Vec<_> = log.iter().map(|e| e.headers.value("correlation_id").unwrap()).collect();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(uuid::Uuid::parse_str(ids[0]).unwrap().get_version_num(), 4);
    assert_eq!(log[0].headers.iter().count(), 1);
}

#[tokio::test]
async fn a_chunked_body_and_a_kept_connection_work() {
    use tokio::io::AsyncWriteExt;
    let gateway = Gateway::start().await;
    let mut connection = gateway.connect().await;
    let head = format!(
        "POST {INSTANCE} HTTP/1.1\r\nHost: x\r\nX-Okapi-Tenant: diku\r\nContent-Type: application/json\r\n"
    );
    for key in ["a", "b"] {
        let body = format!("9\r\n{{\"new\":{{\"\r\n9\r\nid\":\"{key}\"}}}}\r\n0\r\n\r\n");
        let request =
            format!("{head}Transfer-Encoding: chunked\r\nContent-Encoding: identity\r\n\r\n{body}");
        connection.write_all(request.as_bytes()).await.unwrap();
        created(&crate::support::raw_http::answer(&mut connection).await);
    }
    assert_eq!(gateway.log().await.len(), 2);
}
