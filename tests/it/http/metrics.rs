//! The metrics of a gateway, by what was done: batches and commits by outcome, calls of the store,
//! and labels whose number is bounded, however many tenants there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use event_gateway::clock::System;
use event_gateway::domain::position::{LogId, Position};
use event_gateway::domain::time::Time;
use event_gateway::metrics::Metrics;
use event_gateway::store::{self, Access, Error, RemovalStep};
use uuid::Uuid;

use crate::support::fake_sink::Fault;
use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::gateway::{Gateway, Setup, tenant_id};
use crate::support::ids::{diku, position, topic};
use crate::support::raw_http::request;

const INSTANCE: &str = "/domain-events/inventory/instance";
const LOAN: &str = "/domain-events/circulation/loan";
const JSON: (&str, &str) = ("Content-Type", "application/json");
const ID: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a31";

async fn metrics(gateway: &Gateway) -> String {
    gateway.exchange(&request("GET", "/metrics", &[], b"")).await.text().to_owned()
}

async fn post_as(gateway: &Gateway, tenant: &str) {
    let headers = [("X-Okapi-Tenant", tenant), JSON];
    let post = request("POST", INSTANCE, &headers, br#"{"new":{"id":"1"}}"#);
    assert_eq!(gateway.exchange(&post).await.status, 201);
}

fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(&format!("event_gateway_{line}\n")), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn batches_are_counted_by_outcome_with_their_events_and_commits() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let setup = Setup::new().with_store(move |store| {
        let faulty = Arc::new(FaultyStore::new(store));
        sender.send(faulty.clone()).unwrap();
        faulty
    });
    let gateway = setup.start().await;
    let change = |key: &str| format!(r#"{{"new":{{"id":"{key}"}},"eventId":"{ID}"}}"#);
    let many = r#"[{"new":{"id":"a"}},{"new":{"id":"b"}},{"new":{"id":"c"}}]"#;
    for (body, status) in
        [(change("a"), 201), (change("a"), 201), (change("b"), 409), (many.to_owned(), 201)]
    {
        assert_eq!(gateway.post_json(INSTANCE, body).await.status, status);
    }
    let failing = Mode::Failing(Error::Unavailable("as the test asks".to_owned()));
    receiver.recv().unwrap().set(failing);
    assert_eq!(gateway.post_json(INSTANCE, many).await.status, 503);
    let text = metrics(&gateway).await;
    assert_has(
        &text,
        &[
            r#"intake_batches_total{outcome="accepted"} 2"#,
            r#"intake_batches_total{outcome="repeated"} 1"#,
            r#"intake_batches_total{outcome="event-id-conflict"} 1"#,
            r#"intake_batches_total{outcome="store-unavailable"} 1"#,
            r#"intake_batches_total{outcome="queue-full"} 0"#,
            "intake_events_total 5",
            "intake_batch_events_sum 5.0",
            "intake_batch_events_count 3",
            r#"intake_batch_events_bucket{le="2.0"} 2"#,
            "intake_commit_batches_count 5",
            "intake_commit_batches_sum 5.0",
            "intake_commit_duration_seconds_count 5",
        ],
    );
}

#[tokio::test]
async fn each_call_of_the_store_is_timed_and_a_failed_one_is_counted_by_its_error() {
    let folder = tempfile::tempdir().unwrap();
    let config = store::Config::Sqlite { path: folder.path().join("gateway.db") };
    let store = store::open(&config, Access::Serve, Arc::new(System)).await.unwrap();
    let metrics = Arc::new(Metrics::default());
    store.observe(metrics.clone());
    let (diku, log_id) = (tenant_id("diku"), LogId::new(Uuid::from_u128(1)));
    let enable = || store.enable_if_new(&diku, log_id);
    enable().await.expect_err("there is no lane yet");
    store.lanes(2).await.unwrap();
    enable().await.unwrap();
    store.check().await.unwrap();
    assert_has(
        &metrics.text(),
        &[
            r#"store_call_duration_seconds_count{operation="enable_if_new"} 2"#,
            r#"store_call_errors_total{operation="enable_if_new",error="refused"} 1"#,
            r#"store_call_duration_seconds_count{operation="lanes"} 1"#,
            r#"store_call_duration_seconds_count{operation="check"} 1"#,
            r#"store_call_errors_total{operation="append",error="unknown"} 0"#,
        ],
    );
    assert!(!metrics.text().contains(r#"operation="check",error="#));
}

/// Returns each series that a text has, without its value.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// Enables so many tenants, each of which posts.
async fn many_tenants(gateway: &Gateway, tenants: u128) {
    for number in 0..tenants {
        let tenant = format!("tenant{number}");
        let log_id = LogId::new(Uuid::from_u128(1_000 + number));
        gateway.store.enable_if_new(&tenant_id(&tenant), log_id).await.unwrap();
        post_as(gateway, &tenant).await;
    }
}

#[tokio::test]
async fn a_thousand_tenants_add_no_series() {
    let gateway = Gateway::start().await;
    many_tenants(&gateway, 2).await;
    metrics(&gateway).await;
    let before = series(&metrics(&gateway).await);
    many_tenants(&gateway, 1_000).await;
    let text = metrics(&gateway).await;
    assert_eq!(series(&text), before);
    assert_has(&text, &["intake_events_total 1002"]);
    assert!(!text.contains("tenant="), "{text}");
}

#[tokio::test]
async fn as_many_tenants_have_a_label_as_an_operator_wants() {
    let mut setup = Setup::new();
    setup.metrics_tenants_max = 2;
    let gateway = setup.start().await;
    many_tenants(&gateway, 10).await;
    post_as(&gateway, "tenant7").await;
    post_as(&gateway, "tenant4").await;
    let text = metrics(&gateway).await;
    let named: Vec<_> = text.lines().filter(|line| line.contains("tenant=\"")).collect();
    assert_eq!(named.len(), 6, "{named:?}");
    assert_has(
        &text,
        &[
            r#"tenant_events_total{tenant="tenant4"} 2"#,
            r#"tenant_events_total{tenant="tenant7"} 2"#,
            r#"tenant_head_position{tenant="tenant4"} 2"#,
            r#"tenant_head_position{tenant="tenant7"} 2"#,
            r#"tenant_floor_position{tenant="tenant4"} 0"#,
            r#"tenant_floor_position{tenant="tenant7"} 0"#,
        ],
    );
}

/// Whoever reads all topics misses events below the highest floor, though not of each topic.
#[tokio::test]
async fn the_head_and_the_highest_floor_of_a_named_tenant_s_log_are_told() {
    let mut setup = Setup::new();
    setup.metrics_tenants_max = 1;
    let gateway = setup.start().await;
    for path in [LOAN, INSTANCE, LOAN, INSTANCE, INSTANCE] {
        assert_eq!(gateway.post_json(path, r#"{"new":{"id":"1"}}"#).await.status, 201);
    }
    let log_id = gateway.store.find_tenant(&diku()).await.unwrap().unwrap().log_id;
    let log = gateway.log().await;
    for (name, positions) in
        [("folio.diku.inventory.instance", &[2, 4][..]), ("folio.diku.circulation.loan", &[1])]
    {
        let last = *positions.last().unwrap() as usize;
        let step = RemovalStep {
            tenant: diku(),
            log_id,
            stands: Vec::new(),
            topic: topic(name),
            positions: positions.iter().copied().map(position).collect(),
            last_time: log[last - 1].time,
            raises_floor: true,
            compacted_to: Position::START,
            forget_before: Time::ZERO,
        };
        assert_eq!(gateway.store.remove(&step).await.unwrap(), Some(positions.len() as u64));
    }
    assert_has(
        &metrics(&gateway).await,
        &[
            r#"tenant_events_total{tenant="diku"} 5"#,
            r#"tenant_head_position{tenant="diku"} 5"#,
            r#"tenant_floor_position{tenant="diku"} 5"#,
        ],
    );
}

/// A user of the database may lack the right to ask for its size.
#[tokio::test]
async fn a_store_that_does_not_tell_its_size_hides_nothing_else() {
    let mut found = 0;
    for call in 1..=20 {
        let setup = Setup::new().with_store(move |store| {
            Arc::new(FaultyStore::with_fault(store, Some((call, Fault::Before))))
        });
        let gateway = setup.start().await;
        let text = metrics(&gateway).await;
        let has = |line: &str| text.contains(&format!("\nevent_gateway_{line}\n"));
        let has_size = text.contains("\nevent_gateway_log_bytes ");
        found += usize::from(!has_size && has("log_events 0") && has("store_up 1"));
    }
    assert_eq!(found, 1, "one call asks for the size, and only the size is missing without it");
}
