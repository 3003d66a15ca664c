//! Records that a real Kafka refuses, from the POST to the release: they are shown over HTTP, and
//! published in the end.

use std::process::Stdio;
use std::time::Duration;

use crash::serve::{Serve, Setup, get, get_until};
use crash::story;
use serde_json::{Value, json};

use crate::support::documented;
use crate::support::serve;
use crate::support::services::kafka::{self, TestTopic, create_topic};
const NOBODY: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a31";

/// Posts as `diku`; returns the status and the answer.
async fn post(serve: &Serve, path: &str, body: &str) -> (u16, Value) {
    let post = reqwest::Client::new()
        .post(format!("{}{path}", serve.url))
        .header("X-Okapi-Tenant", "diku");
    let answer =
        post.header("Content-Type", "application/json").body(body.to_owned()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn posted(serve: &Serve, entity: &str, key: &str, bytes: usize) {
    let body = format!(r#"{{"new":{{"id":"{key}","x":"{}"}}}}"#, "x".repeat(bytes));
    let (status, answer) = post(serve, &format!("/domain-events/inventory/{entity}"), &body).await;
    assert_eq!(status, 201, "{answer}");
}

/// Returns each position of the log, and whether it is published.
async fn published(serve: &Serve) -> Vec<bool> {
    let log = get(&format!("{}/domain-events", serve.url), "diku").await;
    log["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["published"].as_bool().unwrap())
        .collect()
}

async fn metrics(serve: &Serve) -> String {
    // The store's counts are cached for a second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    reqwest::get(format!("{}/metrics", serve.url)).await.unwrap().text().await.unwrap()
}

/// Returns the positions of a topic's records, in order.
fn records(topic: &str, count: usize) -> Vec<String> {
    let records = kafka::consume_at_least(&kafka::address(), topic, count);
    records.iter().map(|record| record.header("position").unwrap().to_owned()).collect()
}

async fn state(serve: &Serve, wanted: &'static str) -> Value {
    let is = |told: &Value| told["parked"][0]["state"] == wanted;
    get_until(&format!("{}/parked", serve.url), is).await["parked"][0].clone()
}

/// Starts a gateway whose topic of items takes no record of more than 2 kB.
async fn narrow() -> (Setup, Serve, String) {
    let (env, address) = (kafka::env(), kafka::address());
    let topic = format!("{env}.diku.inventory.item");
    let settings = [("max.message.bytes", "2000")];
    create_topic(&address, TestTopic { name: &topic, partitions: 1, settings: &settings }).await;
    let (host, port) = address.split_once(':').unwrap();
    let setup =
        serve::setup(&["diku"]).with("ENV", &env).with("KAFKA_HOST", host).with("KAFKA_PORT", port);
    let serve = setup.serve();
    (setup, serve, topic)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_kafka_refuses_is_parked_until_it_is_released() {
    let (setup, serve, topic) = narrow().await;
    for (entity, key, bytes) in [
        ("item", "a", 10),
        ("item", "b", 4_000),
        ("item", "a", 20),
        ("instance", "b", 4_000),
        ("item", "b", 5),
    ] {
        posted(&serve, entity, key, bytes).await;
    }
    let parked = state(&serve, "parked").await;
    assert_eq!((&parked["key"], &parked["position"]), (&json!("b"), &json!(2)), "{parked}");
    story::published(&serve.url, "diku", 4).await;
    get_until(&format!("{}/parked", serve.url), |told| told["parked"][0]["events"] == 2).await;
    assert_eq!(published(&serve).await, [true, false, true, true, false]);
    assert_eq!(records(&topic, 2), ["1", "3"]);
    let told = metrics(&serve).await;
    for line in [
        "event_gateway_log_events 5",
        "event_gateway_events{state=\"published\"} 3",
        "event_gateway_events{state=\"pending\"} 0",
        "event_gateway_events{state=\"parked\"} 2",
        "event_gateway_parked_scopes 1",
        "event_gateway_lanes_held 8",
        "event_gateway_store_up 1",
        "event_gateway_lag_events{follower=\"relay\"} 0",
        "event_gateway_lag_seconds{follower=\"relay\"} 0.0",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} is not in {told}");
    }
    let failures = "event_gateway_page_failures_total{cause=\"isolate\",follower=\"relay\"} ";
    let failures = told.lines().find_map(|line| line.strip_prefix(failures));
    assert!(failures.is_some_and(|failures| failures != "0"), "{told}");
    assert!(told.contains("event_gateway_parks_total{follower=\"relay\"} 1\n"), "{told}");

    kafka::set(&kafka::address(), &topic, "max.message.bytes", "1048588").await;
    let id = parked["id"].as_str().unwrap().to_owned();
    let (status, asked) = post(&serve, &format!("/parked/{id}/release"), "").await;
    assert_eq!((status, &asked["requested"]), (202, &json!("release")), "{asked}");
    let resolved = state(&serve, "resolved").await;
    assert_eq!((&resolved["events"], &resolved["ended"]), (&json!(0), &json!(5)), "{resolved}");
    posted(&serve, "item", "b", 1).await;
    story::published(&serve.url, "diku", 6).await;
    assert_eq!(published(&serve).await, [true; 6]);
    assert_eq!(records(&topic, 5), ["1", "3", "2", "5", "6"]);
    let (status, refused) = post(&serve, &format!("/parked/{id}/release"), "").await;
    assert_eq!((status, &refused["type"]), (409, &json!("/problems/not-parked")), "{refused}");
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_discarded_is_never_published_and_says_why() {
    let (_setup, serve, topic) = narrow().await;
    posted(&serve, "item", "b", 4_000).await;
    let id = state(&serve, "parked").await["id"].as_str().unwrap().to_owned();
    for (path, body, status, problem) in [
        (format!("/parked/{NOBODY}/release"), "", 404, "unknown-parked"),
        ("/parked/x/release".to_owned(), "", 400, "bad-path"),
        (format!("/parked/{id}/discard"), "", 422, "missing-reason"),
        (format!("/parked/{id}/discard"), r#"{"why":"x"}"#, 422, "illegal-request"),
        (format!("/parked/{id}/discard"), "{", 400, "invalid-json"),
    ] {
        let (got, answer) = post(&serve, &path, body).await;
        assert_eq!(
            (got, &answer["type"]),
            (status, &json!(format!("/problems/{problem}"))),
            "{answer}"
        );
    }
    let (status, _) =
        post(&serve, &format!("/parked/{id}/discard"), r#"{"reason":"test data"}"#).await;
    assert_eq!(status, 202);
    let over = state(&serve, "discarded").await;
    assert_eq!((&over["events"], &over["reason"]), (&json!(1), &json!("test data")), "{over}");
    posted(&serve, "item", "b", 1).await;
    story::published(&serve.url, "diku", 2).await;
    assert_eq!(published(&serve).await, [false, true]);
    assert_eq!(records(&topic, 1), ["2"]);
}

/// Runs `parked` with these arguments; returns its status, and what it printed on both.
fn parked(setup: &Setup, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = setup.command(&[&["parked"][..], arguments].concat());
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn tenants(setup: &Setup) -> String {
    let list = setup.command(&["tenants", "list", "--output", "json"]).output().unwrap();
    String::from_utf8(list.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_what_is_parked_and_releases_or_discards_it() {
    let (setup, serve, topic) = narrow().await;
    for key in ["a", "b", "c"] {
        posted(&serve, "item", key, 4_000).await;
    }
    // The event that a scope is parked for is counted once the lane has passed over it.
    let all = |told: &Value| (0..3).all(|scope| told["parked"][scope]["events"] == 1);
    let shown = get_until(&format!("{}/parked", serve.url), all).await["parked"].clone();
    let (status, listed, _) = parked(&setup, &["list", "--open", "--output", "json"]);
    let lines = documented::objects("parked list", &listed).into_iter();
    let without_tenant = lines.map(|mut line| {
        assert_eq!(line.as_object_mut().unwrap().remove("tenant"), Some(json!("diku")));
        line
    });
    assert_eq!((status, Value::Array(without_tenant.collect())), (Some(0), shown.clone()));
    assert!(tenants(&setup).contains(r#""parked":3,"#), "{}", tenants(&setup));
    let ids = [0, 1, 2].map(|index| shown[index]["id"].as_str().unwrap().to_owned());

    let diku = ["--tenant", "diku"];
    for (arguments, expected, told) in [
        (&["release", NOBODY][..], 1, "no scope is parked under that id"),
        (&["release", &ids[0], "--sink", "hexkit"], 1, "no scope is parked under that id"),
        (&["release", "x"], 2, "<ID> is `x`"),
        (&["discard", &ids[0]], 2, "reason"),
        (&["discard", &ids[0], "--reason", ""], 2, "reason"),
    ] {
        let (status, _, stderr) = parked(&setup, &[arguments, &diku].concat());
        assert_eq!(status, Some(expected), "{arguments:?}: {stderr}");
        assert!(stderr.contains(told), "{arguments:?}: {stderr}");
    }
    let discard = ["discard", &ids[1], "--reason", "test data"];
    let (status, told, _) = parked(&setup, &[&discard[..], &diku].concat());
    assert_eq!(status, Some(0));
    assert!(told.starts_with(&format!("diku: {}: discard requested; ", ids[1])), "{told}");
    let in_json = ["--tenant", "diku", "--output", "json"];
    let discard = ["discard", &ids[2], "--reason", "test data"];
    let (status, told, _) = parked(&setup, &[&discard[..], &in_json].concat());
    let asked = documented::objects("parked discard", &told);
    assert_eq!((status, &asked[0]["requested"]), (Some(0), &json!("discard")), "{told}");
    kafka::set(&kafka::address(), &topic, "max.message.bytes", "1048588").await;
    let (status, told, _) = parked(&setup, &[&["release", &ids[0]][..], &in_json].concat());
    let asked = documented::objects("parked release", &told);
    assert_eq!((status, &asked[0]["requested"]), (Some(0), &json!("release")), "{told}");
    state(&serve, "resolved").await;
    let over = |told: &Value| (1..3).all(|at| told["parked"][at]["state"] == "discarded");
    let over = get_until(&format!("{}/parked", serve.url), over).await;
    assert_eq!(over["parked"][1]["reason"], "test data", "{over}");
    assert_eq!(published(&serve).await, [true, false, false]);
    assert_eq!(parked(&setup, &["list", "--open", "--output", "json"]).1, "");
    assert_eq!(parked(&setup, &["list", "--output", "json"]).1.lines().count(), 3);
    assert!(tenants(&setup).contains(r#""parked":0,"#), "{}", tenants(&setup));
    let (status, _, stderr) = parked(&setup, &[&["release", &ids[0]][..], &diku].concat());
    assert!(status == Some(1) && stderr.contains("its state is resolved"), "{stderr}");

    let acts = setup.command(&["trail", "list", "--output", "json"]).output().unwrap().stdout;
    let acts = String::from_utf8(acts).unwrap();
    for (act, id) in [("parked-discard", &ids[1]), ("parked-release", &ids[0])] {
        let is = |line: &&str| line.contains(act) && line.contains(&format!("{id} of relay"));
        assert_eq!(acts.lines().filter(is).count(), 1, "{acts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_listed_beside_kafka_s_and_a_difference_is_warned() {
    let (setup, serve, topic) = narrow().await;
    get_until(&format!("{}/readyz", serve.url), |answer| answer["status"] == "ready").await;
    let loan = topic.replace("inventory.item", "circulation.loan");
    kafka::assert_partitions(&kafka::address(), &[(loan.clone(), 1)]);
    kafka::add_partitions(&kafka::address(), &loan, 5).await;
    let listed = setup.command(&["topics", "list"]).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    let line = |topic: &str| {
        listed.lines().find(|line| line.starts_with(topic)).unwrap_or_else(|| panic!("{listed}"))
    };
    assert!(line(&loan).ends_with(" 5") && line(&topic).ends_with(" 1"), "{listed}");
    assert!(setup.log().contains("it has 5 partitions, the file says 1"), "{}", setup.log());
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
    let serve = setup.serve();
    let told = "it has 5 partitions, the file says 1";
    let twice = || setup.log().matches(told).count() >= 2;
    crash::until("serve warns too", async || twice()).await;
    drop(serve);
}
