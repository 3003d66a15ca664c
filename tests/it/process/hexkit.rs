//! A gateway beside a hexkit service: hexkit itself opens the collection, publishes from it and
//! consumes what the gateway and it publish.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use ::mongodb::bson::{Document, doc};
use crash::serve::{Serve, Setup, get, get_until};
use crash::{PATIENCE, until};
use serde_json::{Value, json};

use crate::support::hexkit::{HexkitBed, SERVICE};
use crate::support::serve;
use crate::support::services::kafka::{self, TestTopic, create_topic};
use crate::support::services::mongodb;

const TYPES: [&str; 6] = ["CREATE", "UPDATE", "DELETE", "DELETE_ALL", "DI_COMPLETED", "OWN"];
const SETTINGS: &str = r#"
[hexkit]
service_name = "ifrs"
[entities."inventory.item"]
compacted = true
wire_form = "hexkit"
[entities."circulation.loan"]
wire_form = "hexkit"
[entities."inventory.note"]
stored = false
wire_form = "hexkit"
[process_events."data-import.DI_COMPLETED"]
wire_form = "hexkit"
"#;

/// A gateway, and a hexkit service with the collection that the gateway writes.
struct World {
    env: String,
    bed: HexkitBed,
    setup: Setup,
    serve: Serve,
}

impl World {
    /// Starts the gateway with more variables; its topics exist.
    async fn start(variables: &[(&str, &str)]) -> Self {
        let (env, bed) = (kafka::env(), HexkitBed::at(&mongodb::url()));
        for name in
            ["inventory.item", "circulation.loan", "inventory.note", "data-import.DI_COMPLETED"]
        {
            let name = format!("{env}.diku.{name}");
            let topic = TestTopic { name: &name, partitions: 1, settings: &[] };
            create_topic(&kafka::address(), topic).await;
        }
        let setup = serve::setup(&["diku"])
            .for_all_tenants(SETTINGS)
            .with("ENV", &env)
            .with("HEXKIT_MONGODB_URL", bed.own_url());
        let setup = variables.iter().fold(setup, |setup, (name, value)| setup.with(name, value));
        let serve = setup.serve();
        Self { env, bed, setup, serve }
    }

    fn topic(&self, name: &str) -> String {
        format!("{}.diku.{name}", self.env)
    }

    /// Lets hexkit do something, and returns what it consumed.
    async fn hexkit(&self, verb: &str, more: Value) -> Vec<Value> {
        let mut asked = json!({
            "verb": verb,
            "service_name": SERVICE,
            "kafka": kafka::address(),
            "mongo_dsn": self.bed.url,
            "db_name": self.bed.database,
            "compacted": [self.topic("inventory.item")],
            "not_stored": [self.topic("inventory.note")],
            "within_s": PATIENCE.as_secs(),
        });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let python = std::env::var("EVENT_GATEWAY_TEST_HEXKIT_PYTHON").expect(
            "EVENT_GATEWAY_TEST_HEXKIT_PYTHON isn't set: run ./test, or `scripts/services start` \
             and `. .services/env`",
        );
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/process/hexkit/service.py");
        let mut command = Command::new(python);
        command.arg(script).arg(asked.to_string());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb}: {error}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Lets hexkit consume the first events of a topic.
    async fn consumed(&self, name: &str, count: usize) -> Vec<Value> {
        let more = json!({ "topics": [self.topic(name)], "types": TYPES, "count": count });
        let mut own_group = more.as_object().unwrap().clone();
        own_group.insert("service_name".into(), format!("{}-{name}-{count}", self.env).into());
        self.hexkit("consume", own_group.into()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let post = reqwest::Client::new().post(format!("{}{path}", self.serve.url));
        let post = post.header("X-Okapi-Tenant", "diku").header("Content-Type", "application/json");
        let answer = post.body(body.to_string()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 201, "{path}");
        answer.json().await.unwrap()
    }

    /// Posts events of every kind; returns the ids of those that hexkit publishes from the
    /// collection, in its order.
    async fn post_all(&self) -> Vec<String> {
        let (items, loans) = ("/domain-events/inventory/item", "/domain-events/circulation/loan");
        let item = |id: &str, title: &str| json!({ "id": id, "title": title });
        let posts = [
            (items, json!({ "new": item("a", "é") })),
            (loans, json!({ "new": { "id": "l", "days": [1, 2.5, null] } })),
            (items, json!({ "old": item("a", "é"), "new": item("a", "Détente 😀") })),
            ("/domain-events/inventory/note", json!({ "new": { "id": "n" } })),
            (
                "/process-events/data-import/DI_COMPLETED",
                json!({ "key": "j", "payload": { "ü": 1 } }),
            ),
            (items, json!({ "old": item("b", "x") })),
            (loans, json!({ "old": { "id": "l" }, "new": { "id": "l", "é": true } })),
        ];
        let mut ids = Vec::new();
        for (path, body) in &posts {
            let receipt = self.post(path, body).await;
            ids.push(receipt["eventId"].as_str().unwrap().to_owned());
        }
        for id in &ids {
            assert_eq!(id.as_bytes()[14], b'4', "hexkit takes only version 4: {id}");
        }
        // An item has its document where its first event had it, and a note has none.
        let [_, loan, item, _, import, deleted, renewed] = &ids[..] else { panic!() };
        [item, loan, import, deleted, renewed].map(Clone::clone).to_vec()
    }

    /// Waits until the collection has so many documents, and the sink the whole log.
    async fn kept(&self, documents: usize) {
        let lag = "lag_events{follower=\"hexkit\"} 0";
        until("hexkit's collection has the log", async || {
            self.bed.all().await.len() == documents && self.metrics().await.contains(lag)
        })
        .await;
    }

    async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("{}/metrics", self.serve.url)).await.unwrap();
        answer.text().await.unwrap()
    }

    async fn marks(&self) -> Vec<bool> {
        self.bed.all().await.iter().map(|it| it.get_bool("published").unwrap()).collect()
    }
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event_id"].as_str().unwrap()).collect()
}

/// Returns events by id, as hexkit's consumer has them.
fn by_id(events: &[Value]) -> BTreeMap<&str, &Value> {
    events.iter().map(|event| (event["event_id"].as_str().unwrap(), event)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hexkit_consumes_what_the_gateway_publishes_and_republishes_it_as_it_was() {
    let address = kafka::address();
    let (host, port) = address.split_once(':').unwrap();
    let world = World::start(&[("KAFKA_HOST", host), ("KAFKA_PORT", port)]).await;
    let posted = world.post_all().await;
    world.kept(5).await;
    assert_eq!(world.marks().await, [true; 5], "the relay publishes them");
    let items = world.consumed("inventory.item", 3).await;
    assert_eq!(items[1]["payload"]["new"]["title"], "Détente 😀");
    let loans = world.consumed("circulation.loan", 2).await;
    let imports = world.consumed("data-import.DI_COMPLETED", 1).await;
    assert_eq!(imports[0]["payload"], json!({ "ü": 1 }));
    assert_eq!(imports[0]["type"], "DI_COMPLETED");
    assert_eq!(world.consumed("inventory.note", 1).await[0]["key"], "n");

    world.hexkit("republish", json!({})).await;
    let items_again = world.consumed("inventory.item", 5).await;
    let loans_again = world.consumed("circulation.loan", 4).await;
    let imports_again = world.consumed("data-import.DI_COMPLETED", 2).await;
    let again = [&items_again[3..], &loans_again[2..], &imports_again[1..]].concat();
    let first = [items, loans, imports].concat();
    let (first, again) = (by_id(&first), by_id(&again));
    assert!(
        again.keys().eq(posted
            .iter()
            .map(String::as_str)
            .collect::<std::collections::BTreeSet<_>>()
            .iter())
    );
    for (id, event) in &again {
        assert_eq!(event, &first[id], "payload, key, type and both ids are the same");
    }

    // What hexkit has done to the documents, or published itself, confuses nobody.
    let own = json!({ "topic": world.topic("inventory.item"), "key": "a" });
    world.hexkit("publish", own).await;
    let newer = json!({ "new": { "id": "a", "title": "newer" } });
    world.post("/domain-events/inventory/item", &newer).await;
    world.kept(5).await;
    let id = format!("{}:a", world.topic("inventory.item"));
    let kept: Document =
        world.bed.documents().await.find_one(doc! { "_id": id }).await.unwrap().unwrap();
    assert_eq!(kept.get_document("headers").unwrap().get_str("position").unwrap(), "8");
    let ready = get(&format!("{}/readyz", world.serve.url), "diku").await;
    assert_eq!(ready["degraded"], Value::Null, "{ready}");
    assert_eq!(world.serve.terminate().code(), Some(0), "{}", world.setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_hexkit_publishes_what_is_pending_in_order_and_once() {
    let world = World::start(&[("BROKER", "none")]).await;
    let posted = world.post_all().await;
    world.kept(5).await;
    assert_eq!(world.marks().await, [false; 5]);
    world.hexkit("publish-pending", json!({})).await;
    assert_eq!(world.marks().await, [true; 5]);
    let items = world.consumed("inventory.item", 2).await;
    let loans = world.consumed("circulation.loan", 2).await;
    let imports = world.consumed("data-import.DI_COMPLETED", 1).await;
    let [item, loan, import, deleted, renewed] = &posted[..] else { panic!() };
    assert_eq!(ids(&items), [item, deleted]);
    assert_eq!(items[0]["payload"]["new"]["title"], "Détente 😀");
    assert_eq!(ids(&loans), [loan, renewed], "in order");
    assert_eq!(ids(&imports), [import]);

    let newer = json!({ "new": { "id": "b", "title": "newer" } });
    let newer = world.post("/domain-events/inventory/item", &newer).await;
    until("only the newer one is pending", async || {
        world.marks().await.iter().filter(|published| !**published).count() == 1
    })
    .await;
    world.hexkit("publish-pending", json!({})).await;
    let items = world.consumed("inventory.item", 3).await;
    assert_eq!(ids(&items)[2], newer["eventId"].as_str().unwrap(), "nothing is published twice");
    let told = world.metrics().await;
    assert!(told.contains("takeovers_total{follower=\"hexkit\"}"), "{told}");
    assert!(!told.contains("follower=\"relay\""), "{told}");
}

/// An event that hexkit could not publish is parked, and shown as the sink's.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_hexkit_can_t_have_is_parked_alone_and_listed_by_its_sink() {
    let world = World::start(&[("BROKER", "none")]).await;
    let path = "/process-events/data-import/DI_COMPLETED";
    world.post(path, &json!({ "key": "j", "payload": { "fine": 1 } })).await;
    world.post(path, &json!({ "key": "k", "payload": [1] })).await;
    world.post(path, &json!({ "key": "l", "payload": { "fine": 2 } })).await;
    world.kept(2).await;
    let is_there = |told: &Value| told["parked"][0]["key"] == "k";
    let parked = get_until(&format!("{}/parked", world.serve.url), is_there).await;
    let parked = &parked["parked"][0];
    assert_eq!(parked["sink"], "hexkit");
    assert!(parked["cause"].as_str().unwrap().contains("only JSON objects"), "{parked}");
    let id = parked["id"].as_str().unwrap();
    let discard = format!("{}/parked/{id}/discard?sink=hexkit", world.serve.url);
    let post = reqwest::Client::new().post(discard).header("X-Okapi-Tenant", "diku");
    let post = post.header("Content-Type", "application/json").body(r#"{"reason":"no object"}"#);
    assert_eq!(post.send().await.unwrap().status().as_u16(), 202);
    let is_over = |told: &Value| told["parked"][0]["state"] == "discarded";
    get_until(&format!("{}/parked", world.serve.url), is_over).await;
}
