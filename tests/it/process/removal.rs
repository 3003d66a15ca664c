//! Removal on the real Kafka: what leaves the log was published once, whenever the gateway is
//! killed meanwhile, and what is left suffices to go on.

use std::collections::BTreeSet;

use crash::load::{self, Load};
use crash::serve::{Setup, get_until};
use crash::{story, until};
use serde_json::{Value, json};

use crate::support::serve;
use crate::support::services::kafka::{self, consume_at_least};

/// One entity's log is compacted, one's is not stored, and one's is kept for a second.
fn setup(env: &str, store: &str) -> Setup {
    let address = kafka::address();
    let (host, port) = address.split_once(':').unwrap();
    let settings = ["compacted = true", "stored = false", "log_retention_ms = 1000"];
    let entity = |(entity, set)| format!("[entities.\"inventory.{entity}\"]\n{set}\n");
    let entities: Vec<_> = load::entities().into_iter().zip(settings).map(entity).collect();
    let setup = serve::setup(&["diku"]).for_all_tenants(&entities.concat());
    let setup = setup.with("ENV", env).with("KAFKA_HOST", host).with("KAFKA_PORT", port);
    setup.with("STORE_URL", store).with("REPLICA", "one")
}

/// Returns the positions that the log still has.
async fn left(url: &str) -> Vec<u64> {
    let (mut left, mut after) = (Vec::new(), 0);
    loop {
        let page = format!("{url}/domain-events?gaps=skip&limit=1000&after={after}");
        let page = reqwest::Client::new().get(page).header("X-Okapi-Tenant", "diku");
        let page: Value = page.send().await.unwrap().json().await.unwrap();
        let events = page["events"].as_array().unwrap().iter();
        left.extend(events.map(|event| event["position"].as_u64().unwrap()));
        let Some(next) = page["next"].as_u64() else { return left };
        after = next;
    }
}

fn audit(setup: &Setup) -> Value {
    let done = setup.command(&["audit", "--tenant", "diku", "--output", "json"]).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said} {}", setup.log()))
}

/// Three kills under load, and then the end.
async fn story(store: &str) {
    let env = kafka::env();
    let setup = setup(&env, store);
    let mut serve = setup.serve();
    let load = Load::start(&serve.url, &["diku"], 5);
    for _ in 0..3 {
        load.more(150).await;
        serve.kill();
        serve = setup.serve();
    }
    load.more(100).await;
    let acknowledged = load.finish().await;
    let head = acknowledged.iter().map(|change| change.position).max().unwrap();
    story::published(&serve.url, "diku", head).await;
    // The last event of each of the five instances, and the one on which the cursor stands.
    until("what may go is gone", async || left(&serve.url).await.len() <= 6).await;
    assert_eq!(left(&serve.url).await.last(), Some(&head));

    let records = consume_at_least(&kafka::address(), &format!("{env}.diku.*"), head as usize);
    let published: Vec<u64> =
        records.iter().map(|it| it.header("position").unwrap().parse().unwrap()).collect();
    let once: BTreeSet<_> = published.iter().collect();
    assert_eq!((published.len(), once.len()), (head as usize, head as usize), "each once");
    let report = audit(&setup);
    assert_eq!(report["defects"], 0, "{report}");

    let sinks = setup.command(&["sinks", "list"]).output().unwrap();
    let said = String::from_utf8(sinks.stdout).unwrap();
    assert!(said.contains("relay") && said.trim_end().ends_with(" 0"), "{said}");
    let forget = setup.command(&["sinks", "forget", "relay"]).output().unwrap();
    assert!(!forget.status.success(), "it is configured");

    let more = Load::start(&serve.url, &["diku"], 5);
    more.more(30).await;
    let head = more.finish().await.iter().map(|change| change.position).max().unwrap();
    story::published(&serve.url, "diku", head).await;
    assert!(serve.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_the_log_was_published_once_whenever_the_gateway_is_killed() {
    story("sqlite://data/event-gateway.db").await;
}

fn run(setup: &Setup, line: &str) -> (bool, String) {
    let arguments: Vec<_> = line.split(' ').collect();
    let done = setup.command(&arguments).output().unwrap();
    (done.status.success(), String::from_utf8(done.stdout).unwrap())
}

fn rows(said: &str) -> Vec<Value> {
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn post(url: &str, entity: &str, key: &str) {
    let post = reqwest::Client::new().post(format!("{url}/domain-events/inventory/{entity}"));
    let post = post.header("X-Okapi-Tenant", "diku").json(&json!({ "new": { "id": key } }));
    assert_eq!(post.send().await.unwrap().status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_comes_after_events_were_removed_gets_the_rest_once_that_is_accepted() {
    let env = kafka::env();
    let setup = setup(&env, "sqlite://data/event-gateway.db");
    let [compacted, not_stored, _] = load::entities();
    let serve = setup.serve_with(&[("BROKER", "none")]);
    for (entity, key) in [(not_stored, "a"), (not_stored, "b"), (compacted, "c")] {
        post(&serve.url, entity, key).await;
    }
    until("what is not stored is gone", async || left(&serve.url).await == [3]).await;
    assert!(serve.terminate().success());

    let serve = setup.serve();
    let ready = format!("{}/readyz", serve.url);
    let waits = |told: &Value| told["troubles"]["tenant diku"].is_string();
    let told = get_until(&ready, waits).await["troubles"]["tenant diku"].to_string();
    let gone = format!("{env}.diku.inventory.{not_stored}");
    assert!(told.contains(&format!("{gone} from position 1 to 2; ")), "{told}");
    assert!(told.contains("`event-gateway sinks begin diku --accept`"), "{told}");
    let (succeeded, said) = run(&setup, "sinks begin");
    assert!(!succeeded && said.contains("diku: Kafka waits") && said.contains(&gone), "{said}");
    let (succeeded, said) = run(&setup, "sinks begin --output json");
    let missing = json!([{ "topic": gone, "from": 1, "to": 2 }]);
    assert!(!succeeded && rows(&said)[0]["missing"] == missing, "{said}");
    assert_eq!(left(&serve.url).await, [3]);

    let (succeeded, said) = run(&setup, "sinks begin diku --accept --output json");
    assert!(succeeded && rows(&said)[1]["accepted"] == json!(true), "{said}");
    story::published(&serve.url, "diku", 3).await;
    let topic = format!("{env}.diku.inventory.{compacted}");
    let records = consume_at_least(&kafka::address(), &topic, 1);
    let positions: Vec<_> = records.iter().map(|it| it.header("position").unwrap()).collect();
    assert_eq!(positions, ["3"]);
    get_until(&ready, |told| told["status"] == "ready").await;
    let (succeeded, said) = run(&setup, "sinks begin");
    assert!(succeeded && said == "diku: Kafka misses nothing\n", "{said}");
    let (_, said) = run(&setup, "trail list --act sink-begin --output json");
    let acts: Vec<_> =
        rows(&said).iter().map(|it| [it["tenant"].clone(), it["object"].clone()]).collect();
    assert_eq!(acts, [[json!("diku"), json!("relay")]]);
    assert!(serve.terminate().success());
}
