//! Requests that wait for a job's end: they look at the store seldom, in turn with other reads.

use crash::until;
use serde_json::json;

use crate::support::fake_sink::FakeKafka;
use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_http::request;
use crate::support::tenants::{ask, enable};

/// Returns how often the store was asked for a job.
async fn looks(gateway: &Gateway) -> usize {
    let metrics = gateway.exchange(&request("GET", "/metrics", &[], b"")).await.text().to_owned();
    let name = r#"event_gateway_store_call_duration_seconds_count{operation="find_tenant_job"} "#;
    let count = metrics.lines().find_map(|line| line.strip_prefix(name));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_request_that_waits_looks_at_its_job_seldom() {
    let gateway = Gateway::start().await;
    let (place, _) = enable(&gateway, "fresh").await;
    let waited = format!("{place}?wait=2500");
    let (_, _, job) = ask(&gateway, ("GET", &waited), "fresh", None).await;
    assert_eq!(job["complete"], false);
    let looks = looks(&gateway).await;
    assert!((2..=7).contains(&looks), "it looked {looks} times");
}

#[tokio::test]
async fn a_request_that_waits_gives_its_turn_back_meanwhile() {
    let mut setup = Setup::new().with_relay();
    (setup.http.reads_max, setup.http.turns_max, setup.http.tenant_turns_max) = (1, 1, 1);
    let gateway = setup.start().await;
    let (place, _) = enable(&gateway, "fresh").await;
    let waited = format!("{place}?wait=60000");
    let wait = ask(&gateway, ("GET", &waited), "fresh", None);
    let others = async {
        until("it looks", async || looks(&gateway).await > 1).await;
        until("another reads", async || {
            ask(&gateway, ("GET", "/domain-events"), "diku", None).await.0 == 200
        })
        .await;
        gateway.follow(&FakeKafka::default())
    };
    let ((_, _, job), followers) = tokio::join!(wait, others);
    assert_eq!(job["complete"], json!(true), "{job}");
    followers.stop().await;
}
