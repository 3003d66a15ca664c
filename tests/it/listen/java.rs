//! Java's clients read on over a kill of the gateway, a change of members and a restart: the plain
//! consumer, eager and cooperative, of two versions, and the frameworks that FOLIO's modules use.

use std::ops::Range;
use std::sync::Arc;

use crash::serve::Serve;
use crash::until;
use reqwest::Client;
use serde_json::json;

use crate::support::kafka_clients::{Got, ITEMS, libs, post, setup};
use crate::support::readers::{Reader, java, read_on};

/// The topics of all tenants that mod-search reads, by the pattern that it has.
const SEARCH: &str = r"(folio\.)(.*\.)inventory\.(instance|holdings-record|item|bound-with)";

/// Lets members read on that a program makes of a pattern of topics, and of more if it wants more.
async fn reads_on(libs: &str, program: &str, topics: &[&str]) {
    read_on(setup(&["diku", "college"], 4), |address| {
        java(libs, program, &[&[address, "cg.search"][..], topics].concat())
    })
    .await;
}

/// Returns the class path of the newest client and the frameworks.
fn newest() -> String {
    format!("{}/*", std::env::var("EVENT_GATEWAY_TEST_KAFKA_READERS").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn java_s_consumers_read_on_with_an_eager_assignor() {
    reads_on(&libs(), "Reader", &[ITEMS, "RangeAssignor"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn java_s_consumers_read_on_with_a_cooperative_assignor() {
    reads_on(&libs(), "Reader", &[ITEMS, "CooperativeStickyAssignor"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn java_s_newest_consumers_read_on_with_an_eager_assignor() {
    reads_on(&newest(), "Reader", &[ITEMS, "RangeAssignor"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn java_s_newest_consumers_read_on_with_a_cooperative_assignor() {
    reads_on(&newest(), "Reader", &[ITEMS, "CooperativeStickyAssignor"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spring_kafka_reads_on_with_two_threads_each() {
    reads_on(&newest(), "SpringReader", &[SEARCH]).await;
}

/// Posts instances, each with a number.
async fn post_instances(serve: &Serve, tenant: &str, numbers: Range<u64>) {
    let client = Client::new();
    for number in numbers {
        let post = client.post(format!("{}/domain-events/inventory/instance", serve.url));
        let change = json!({"new": {"id": "the same", "number": number}});
        let answer = post.header("X-Okapi-Tenant", tenant).json(&change).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spring_kafka_reads_topics_of_several_kinds_and_those_that_come_later() {
    let setup = setup(&["diku"], 4);
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    post(&serve, "diku", 0..20).await;
    post_instances(&serve, "diku", 0..10).await;
    let given = [serve.broker(), "cg.search", SEARCH];
    let reader = Reader::join(java(&newest(), "SpringReader", &given), &got);
    until("it has all", async || got.count() == 30).await;

    setup.add_tenant("college", "[entities.\"inventory.item\"]\npartitions = 3\n");
    let enable = Client::new().post(format!("{}/_/tenant", serve.url));
    let enable = enable.header("X-Okapi-Tenant", "college");
    let enabled = enable.json(&json!({"module_to": "event-gateway"})).send().await.unwrap();
    assert_eq!(enabled.status(), 201);
    post(&serve, "college", 0..20).await;
    post_instances(&serve, "college", 0..10).await;
    until("it has what the later topics have", async || got.count() == 60).await;
    post(&serve, "diku", 20..30).await;
    until("it goes on with those that it had", async || got.count() == 70).await;
    reader.leave();
    got.assert_in_order();
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn vert_x_reads_on() {
    reads_on(&newest(), "VertxReader", &[ITEMS]).await;
}
