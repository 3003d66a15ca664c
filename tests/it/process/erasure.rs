//! Erasures with the real binary: no byte of what was erased is left in SQLite's files, and Kafka's
//! readers are told, whenever the gateway is killed.

use std::collections::BTreeMap;
use std::fs;

use crash::load::Load;
use crash::serve::{Serve, Setup, get};
use crash::{story, until};
use serde_json::{Value, json};

use crate::support::documented;
use crate::support::serve;
use crate::support::services::kafka::{self, consume_at_least};
use crate::support::sqlite::{beside, database};
use crate::support::whole_way;

async fn post(url: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{url}{path}"));
    let answer = request.header("X-Okapi-Tenant", "diku").json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Asks for the erasure of a record, and returns its id.
async fn erase(url: &str, entity: &str, key: &str) -> String {
    let body = json!({"producer": "inventory", "entity": entity, "key": key, "reason": "asked"});
    let (status, answer) = post(url, "/erasures", &body).await;
    assert!([200, 201].contains(&status), "{status}: {answer}");
    answer["id"].as_str().unwrap().to_owned()
}

async fn completed(url: &str, id: &str) -> Value {
    until("the erasure is complete", async || {
        get(&format!("{url}/erasures/{id}"), "diku").await["status"] == "Completed"
    })
    .await;
    get(&format!("{url}/erasures/{id}"), "diku").await
}

/// Returns how often a text stands in the database and its WAL.
fn times_in_files(setup: &Setup, text: &str) -> usize {
    let database = database(setup);
    let count =
        |bytes: Vec<u8>| bytes.windows(text.len()).filter(|it| *it == text.as_bytes()).count();
    [beside(&database, "-wal"), database].iter().map(|it| count(fs::read(it).unwrap())).sum()
}

fn without_broker(setup: &[&str]) -> Setup {
    serve::setup(setup).with("ENV", "folio").with("BROKER", "none")
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_erasure_no_byte_of_the_record_is_in_the_database() {
    let setup = without_broker(&["diku"]);
    let setup = setup.for_all_tenants(
        "[entities.\"inventory.item\"]\n[entities.\"inventory.note\"]\nlog_retention_ms = 500\n",
    );
    let serve = setup.serve();
    let change = async |entity: &str, key: &str, text: &str| {
        // Short ones share a page, long ones have several.
        for long in [10, 300, 9_000] {
            let state = json!({"id": key, "name": format!("{text}{}", "x".repeat(long))});
            let path = format!("/domain-events/inventory/{entity}");
            let body = json!({"old": state, "new": state, "headers": {"name": text}});
            assert_eq!(post(&serve.url, &path, &body).await.0, 201);
        }
    };
    for round in 0..5 {
        change("note", "memo", "Removed-Jones").await;
        change("item", &format!("other-{round}"), "Kept-Smith").await;
        change("item", "jane", "Jane-Doe").await;
    }
    until("the notes are gone", async || {
        let notes = format!("{}/domain-events?entity=note", serve.url);
        get(&notes, "diku").await["events"].as_array().unwrap().is_empty()
    })
    .await;
    assert!(times_in_files(&setup, "Jane-Doe") > 30);
    let id = erase(&serve.url, "item", "jane").await;
    let erasure = completed(&serve.url, &id).await;
    assert_eq!((&erasure["events"], &erasure["waitsFor"]), (&15.into(), &json!([])), "{erasure}");
    assert_eq!(times_in_files(&setup, "Jane-Doe"), 0, "in the log, or where it was");
    assert_eq!(times_in_files(&setup, "Removed-Jones"), 0, "what was removed is gone too");
    assert!(times_in_files(&setup, "Kept-Smith") > 30);
    let log = get(&format!("{}/domain-events?key=jane", serve.url), "diku").await;
    let events = log["events"].as_array().unwrap();
    let (last, emptied) = events.split_last().unwrap();
    assert_eq!(
        (last["type"].as_str(), last["payload"]["type"].as_str()),
        (Some("ERASED"), Some("ERASED"))
    );
    for event in emptied {
        assert!(event["payload"].is_null() && event["erased"].is_string(), "{event}");
        assert!(event["headers"].get("name").is_none() && event["headers"]["tenant"].is_null());
    }
    assert_eq!(emptied.len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_erased_once_though_the_gateway_is_killed_and_its_topics_are_told() {
    let env = kafka::env();
    let setup = whole_way::setup(&env, "sqlite://data/event-gateway.db");
    let setup = setup.for_all_tenants("[entities.\"inventory.note\"]\ncompacted = true\n");
    let mut serve = setup.serve();
    let load = Load::start(&serve.url, &["diku"], 3);
    load.more(150).await;
    let log = story::log(&serve.url, "diku").await;
    let entity_of = |topic: &str| topic.rsplit('.').next().unwrap().to_owned();
    let mut records: BTreeMap<(String, String), Option<String>> =
        log.iter().map(|it| ((entity_of(&it.topic), it.key.clone()), None)).collect();
    assert_eq!(records.len(), 9);
    for (number, ((entity, key), id)) in records.iter_mut().enumerate() {
        *id = Some(erase(&serve.url, entity, key).await);
        if number % 3 == 1 {
            serve.kill();
            serve = setup.serve();
        }
    }
    load.more(100).await;
    load.finish().await;
    let body = json!({"new": {"id": "memo", "name": "Jane-Doe"}});
    assert_eq!(post(&serve.url, "/domain-events/inventory/note", &body).await.0, 201);
    let memo = erase(&serve.url, "note", "memo").await;
    let mut last = 0;
    for id in records.values().flatten().chain([&memo]) {
        let erasure = completed(&serve.url, id).await;
        last = last.max(erasure["position"].as_u64().unwrap());
        assert_eq!(erasure["topics"].as_array().unwrap().len(), 1, "{erasure}");
    }
    let log = story::log(&serve.url, "diku").await;
    let head = log.last().unwrap().position;
    story::published(&serve.url, "diku", head).await;
    // The load was posted again where a kill took the answer; each event has one record at most.
    let records = consume_at_least(&kafka::address(), &format!("{env}.diku.*"), 10);
    let erased: Vec<_> =
        records.iter().filter(|record| record.header("type") == Some("ERASED")).collect();
    assert_eq!(erased.len(), 10, "one for each record");
    for record in &erased {
        let at = |it: &kafka::Record| it.header("position").unwrap().parse::<u64>().unwrap();
        let of_key =
            records.iter().filter(|it| (&it.topic, &it.key) == (&record.topic, &record.key));
        let after = of_key.skip_while(|it| at(it) != at(record)).skip(1);
        assert!(after.clone().all(|it| at(it) > at(record)), "nothing older follows");
        let is_compacted = record.topic.ends_with(".note");
        assert_eq!(record.value.is_empty(), is_compacted, "{}", record.topic);
    }
    let audit = setup.command(&["audit", "--tenant", "diku", "--output", "json"]).output().unwrap();
    let said: Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert!(audit.status.success(), "{said}");
    let listed = setup.command(&["erasures", "list", "--tenant", "diku"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.matches("Completed").count(), 10, "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subcommands_start_and_show_erasures() {
    let setup = without_broker(&["diku"]);
    let serve: Serve = setup.serve();
    let body = json!({"new": {"id": "jane", "name": "Jane-Doe"}});
    assert_eq!(post(&serve.url, "/domain-events/inventory/item", &body).await.0, 201);
    let start = ["erasures", "start", "--tenant", "diku", "--producer", "mod-inventory-storage"];
    let of = ["--entity", "item", "--key", "jane", "--reason", "asked"];
    let done = setup.command(&[&start[..], &of].concat()).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && said.contains("Completed: 1 event erased"), "{said}");
    let id = said.split_whitespace().nth(2).unwrap();
    let watch = ["erasures", "watch", "--tenant", "diku", id, "--output", "json"];
    let watched = String::from_utf8(setup.command(&watch).output().unwrap().stdout).unwrap();
    let watched = documented::objects("erasures watch", &watched);
    assert!(watched[0]["status"] == "Completed" && watched[0]["topics"].is_array(), "{watched:?}");
    let unknown = ["--entity", "nothing", "--key", "jane", "--reason", "asked"];
    let before = setup.log().len();
    let refused = setup.command(&[&start[..], &unknown].concat()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(setup.log()[before..].contains("`mod-inventory-storage.nothing` is not known"));
    drop(serve);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_erased_is_refused_with_what_is_wrong() {
    let setup = without_broker(&["diku"]);
    let serve = setup.serve();
    let refused = async |body: Value| post(&serve.url, "/erasures", &body).await;
    let (status, said) = refused(json!({"producer": "inventory", "name": "item"})).await;
    assert_eq!((status, said["type"].as_str()), (422, Some("/problems/illegal-request")), "{said}");
    let whole = json!({"producer": "inventory", "entity": "no", "key": "a", "reason": "asked"});
    let (status, said) = refused(whole).await;
    assert_eq!(status, 404, "{said}");
    assert!(said["detail"].as_str().unwrap().contains("known are"), "{said}");
    let client = reqwest::Client::new();
    for (path, expected) in [("019ac0de-0000-7000-8000-000000000001", 404), ("not-an-id", 400)] {
        let request = client.get(format!("{}/erasures/{path}", serve.url));
        let answer = request.header("X-Okapi-Tenant", "diku").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected);
    }
    let (status, first) =
        refused(json!({"producer": "inventory", "entity": "item", "key": "a", "reason": "x"}))
            .await;
    assert_eq!((status, &first["events"]), (201, &0.into()), "nobody has posted it: {first}");
    let warning = first["warning"].as_str().unwrap();
    assert!(warning.contains("inventory.item with the key `a`"), "{warning}");
}
