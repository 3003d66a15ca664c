//! The main job as a newcomer runs it: the binary, SQLite and the embedded broker, nothing else.

use serde_json::{Value, json};

use crash::serve::{Setup, get};

use crate::support::serve;

const ITEM: &str = r#"{"new":{"id":"0b96a642-5e7f-452d-9cae-9cee66c9a892", "price": 1.10}}"#;

async fn post(url: &str, tenant: &str, body: &str) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{url}/domain-events/inventory/item"));
    let request =
        request.header("X-Okapi-Tenant", tenant).header("Content-Type", "application/json");
    let answer = request.body(body.to_owned()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_posted_change_is_read_back_after_a_kill_and_leaves_at_sigterm() {
    let setup = serve::setup(&["diku"]).with("ENV", "folio");
    let serve = setup.serve();
    let (status, receipt) = post(&serve.url, "diku", ITEM).await;
    assert_eq!(
        (status, &receipt["position"], &receipt["type"]),
        (201, &json!(1), &json!("CREATE"))
    );
    assert_eq!(
        (&receipt["topic"], &receipt["published"]),
        (&json!("folio.diku.inventory.item"), &Value::Null)
    );
    serve.kill();

    let serve = setup.serve();
    let log = get(&format!("{}/domain-events?entity=item", serve.url), "diku").await;
    assert_eq!(log["events"][0]["eventId"], receipt["eventId"]);
    assert_eq!(log["next"], Value::Null);
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
}

/// A tenant collection replaces the tenant in topic names; the content stays the same.
#[tokio::test]
async fn a_retry_after_a_setting_was_changed_gets_the_first_receipt_again() {
    const WITH_ID: &str = r#"{"new":{"id":"a"},"eventId":"5bf370e0-8cca-4d9c-82e4-5170ab2a0a31"}"#;
    let setup = serve::setup(&["diku"]).with("ENV", "folio");
    let serve = setup.serve();
    let (_, first) = post(&serve.url, "diku", WITH_ID).await;
    assert_eq!(first["topic"], "folio.diku.inventory.item");
    serve.terminate();
    let serve = setup.serve_with(&[("KAFKA_PRODUCER_TENANT_COLLECTION", "ALL")]);
    assert_eq!(post(&serve.url, "diku", WITH_ID).await, (201, first));
    let (status, other) = post(&serve.url, "diku", &WITH_ID.replace("\"a\"", "\"b\"")).await;
    assert_eq!((status, &other["type"]), (409, &json!("/problems/event-id-conflict")));
    let (_, new) = post(&serve.url, "diku", ITEM).await;
    assert_eq!(new["topic"], "folio.ALL.inventory.item");
    serve.terminate();
}

#[tokio::test]
async fn the_embedded_broker_shows_records_to_any_client_and_is_refilled_at_start() {
    let setup = serve::setup(&["diku"]).with("ENV", "folio");
    let serve = setup.serve();
    post(&serve.url, "diku", ITEM).await;
    refused(&setup);
    serve.terminate();
    let serve = setup.serve();
    let broker = serve.broker();
    // Clients find it again after a restart; only another gateway of the tests may be there.
    let is_told = || setup.log().contains("port 9092 is in use");
    assert!(broker == "127.0.0.1:9092" || is_told(), "{broker}: {}", setup.log());
    let records =
        crate::support::services::kafka::consume_at_least(broker, "folio.diku.inventory.item", 1);
    assert_eq!(records[0].key, b"0b96a642-5e7f-452d-9cae-9cee66c9a892");
    assert!(
        String::from_utf8_lossy(&records[0].value)
            .starts_with(r#"{"new":{"id":"0b96a642-5e7f-452d-9cae-9cee66c9a892", "price": 1.10},"#)
    );
    assert_eq!(records[0].header("position"), Some("1"));
}

/// Starts a second `serve` on the folder of a running one.
fn refused(setup: &Setup) {
    let status = setup.command(&["serve", "--http-port", "0"]).status().unwrap();
    assert!(
        !status.success() && setup.log().contains("another `event-gateway serve`"),
        "{}",
        setup.log()
    );
}

#[tokio::test]
async fn subcommands_work_beside_a_running_serve() {
    let setup = serve::setup(&["diku", "college"]).with("ENV", "folio");
    let serve = setup.serve();
    post(&serve.url, "college", ITEM).await;
    let print =
        |verb: &[&str]| String::from_utf8(setup.command(verb).output().unwrap().stdout).unwrap();
    let tenants = print(&["tenants", "list"]);
    let college = tenants.lines().find(|line| line.starts_with("college")).unwrap();
    assert_eq!(college.split_whitespace().nth(3), Some("1"), "{tenants}");
    assert!(tenants.lines().any(|line| line.starts_with("diku")), "{tenants}");
    assert!(print(&["topics", "list"]).contains("folio.college.circulation.loan"));
}

#[test]
fn credentials_in_the_environment_are_not_shown_by_help() {
    let setup =
        serve::setup(&["diku"]).with("KAFKA_SASL_PASSWORD", "s3cret").with("KAFKA_HOST", "kafka");
    let help = setup.command(&["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("KAFKA_SASL_PASSWORD") && !help.contains("s3cret"), "{help}");
}

#[test]
fn credentials_of_a_store_are_in_no_message() {
    let urls = [
        "postgres://folio:s3cret@127.0.0.1:1/db",
        "mongodb://folio:s3cret@127.0.0.1:1/db?replicaSet=rs0",
    ];
    let parts = |name: &str| serve::setup(&["diku"]).with(name, "127.0.0.1").with("DB_PORT", "1");
    let of_urls = urls.map(|url| serve::setup(&["diku"]).with("STORE_URL", url));
    for setup in of_urls.into_iter().chain([parts("DB_HOST").with("DB_PASSWORD", "s3cret")]) {
        let help = setup.command(&["serve", "--help"]).output().unwrap();
        let tried = setup.command(&["serve", "--log-level", "debug"]).output().unwrap();
        assert!(help.status.success() && !tried.status.success());
        let said = [help.stdout, tried.stdout, setup.log().into_bytes()].concat();
        assert!(!String::from_utf8_lossy(&said).contains("s3cret"), "{}", setup.log());
        assert!(setup.log().contains("store"), "{}", setup.log());
    }
}

#[test]
fn what_is_unsafe_or_illegal_ends_the_start_with_its_name() {
    let cases: [(&str, &str, &str); 8] = [
        ("HTTP_HOST", "0.0.0.0", "AUTH_MODE"),
        ("KAFKA_CONFIG_ACKS", "1", "KAFKA_CONFIG_ACKS"),
        ("KAFKA_PRODUCER_TENANT_COLLECTION", "all", "KAFKA_PRODUCER_TENANT_COLLECTION"),
        ("ENV", "a.b", "ENV `a.b` is invalid: must have 1 to 60 of a-z A-Z 0-9 _ -"),
        ("STORE_URL", "oracle://x", "STORE_URL"),
        ("TENANTS_DIR", "nowhere", "nowhere"),
        ("LANES", "0", "LANES is `0`: it must be a whole number from 1 to 64"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "KAFKA_SECURITY_PROTOCOL"),
    ];
    for (name, value, named) in cases {
        let setup = serve::setup(&["diku"]).with("KAFKA_HOST", "127.0.0.1:1").with(name, value);
        let status = setup.command(&["serve"]).status().unwrap();
        assert!(
            !status.success() && setup.log().contains(named),
            "{name}={value}: {}",
            setup.log()
        );
    }
}

#[test]
fn nothing_is_accepted_for_all_tenants_at_once() {
    let setup = serve::setup(&["diku"]);
    let done = setup.command(&["restore", "--accept"]).output().unwrap();
    assert!(!done.status.success() && setup.log().contains("<TENANT>"), "{}", setup.log());
}

#[tokio::test]
async fn another_number_of_lanes_is_refused_with_the_right_one() {
    let setup = serve::setup(&["diku"]);
    setup.serve().kill();
    let status = setup.command(&["serve", "--lanes", "4"]).status().unwrap();
    assert!(!status.success() && setup.log().contains("LANES=8"), "{}", setup.log());
}
