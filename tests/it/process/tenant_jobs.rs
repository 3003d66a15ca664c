//! The job of a tenant that is enabled, over the death of the process that was asked, and on other
//! replicas.

use crash::serve::{Serve, Setup, get};
use crash::until;
use serde_json::{Value, json};

use crate::support::serve;
use crate::support::services::kafka::{self, topics};
use crate::support::services::postgres;

/// The address of no Kafka.
const NO_KAFKA: [(&str, &str); 2] = [("KAFKA_HOST", "127.0.0.1"), ("KAFKA_PORT", "1")];

fn setup(env: &str, replica: &str) -> Setup {
    let setup = serve::setup(&["diku"]).with("ENV", env).with("REPLICA", replica);
    setup.with("STORE_URL", postgres::url())
}

/// Enables the tenant `fresh`; returns the place of its job.
async fn enable(serve: &Serve) -> String {
    let request = reqwest::Client::new().post(format!("{}/_/tenant", serve.url));
    let request = request.header("X-Okapi-Tenant", "fresh");
    let answer = request.json(&json!({ "module_to": "event-gateway-1.0.0" })).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

async fn job(serve: &Serve, place: &str) -> Value {
    get(&format!("{}{place}", serve.url), "fresh").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_begun_is_completed_by_the_next_process_and_shown_by_every_replica() {
    let (env, address) = (kafka::env(), kafka::address());
    let (one, two) = (setup(&env, "one"), setup(&env, "two"));
    let first = one.serve_with(&NO_KAFKA);
    let second = two.serve_with(&NO_KAFKA);
    let place = enable(&first).await;
    until("each replica shows the job, and what it waits for", async || {
        let shown = [job(&first, &place).await, job(&second, &place).await];
        let waits = shown[0]["messages"][0].as_str().unwrap_or_default();
        waits.starts_with("waits for the topics in Kafka") && shown[0] == shown[1]
    })
    .await;
    let begun = job(&first, &place).await;
    first.kill();
    let shown = job(&second, &place).await;
    let same = |of: &str| begun[of] == shown[of];
    assert!(same("id") && same("tenant") && same("tenantAttributes"), "{begun} {shown}");
    assert_eq!(shown["complete"], false, "its topics are not made");
    second.kill();
    let own = format!("{env}.fresh.inventory.item");
    assert!(!topics(&address).contains_key(&own));

    let (host, port) = address.split_once(':').unwrap();
    let with_kafka = [("KAFKA_HOST", host), ("KAFKA_PORT", port)];
    let (first, second) = (one.serve_with(&with_kafka), two.serve_with(&with_kafka));
    let shown = job(&first, &format!("{place}?wait=60000")).await;
    assert_eq!((&shown["complete"], &shown["messages"]), (&json!(true), &json!([])), "{shown}");
    assert_eq!(shown["id"], begun["id"]);
    assert_eq!(job(&second, &place).await, shown);
    assert!(topics(&address).contains_key(&own));
    assert!(first.terminate().success() && second.terminate().success());
}
