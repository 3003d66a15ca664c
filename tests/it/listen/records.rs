//! A reader gets of the listener what a Kafka would give it: both are read from one gateway, so that
//! each record can be compared whole.

use std::collections::BTreeSet;

use crash::evidence::Logged;
use crash::kafka::{Isolation, Record, consume, consume_at_least};
use crash::serve::get;
use crash::{story, until};
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::kafka_clients::setup;
use crate::support::services::kafka;

/// Entities with several partitions, of both wire forms, with both kinds of DELETE_ALL, and one
/// that is compacted; and a process event.
const RULES: &str = r#"
[entities."inventory.item"]
partitions = 5
[entities."inventory.holdings-record"]
partitions = 3
delete_all = "expand"
[entities."inventory.instance"]
partitions = 2
wire_form = "hexkit"
[entities."circulation.loan"]
compacted = true
[process_events."data-import.DI_COMPLETED"]
topic = "{env}.Default.{tenant}.{event}"
partitions = 3
"#;

/// Keys whose bytes are of all kinds.
const KEYS: [&str; 11] = [
    "a",
    "b",
    "key 3",
    "é",
    "ÿ",
    "日本語",
    "😀",
    "Ключ",
    "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39",
    "a/b?c=%20",
    "\"",
];

/// Whoever posts to a gateway for `diku`.
struct Poster<'a> {
    client: Client,
    url: &'a str,
}

impl Poster<'_> {
    /// Posts to a path; returns the answer.
    async fn post(&self, path: &str, body: Option<&Value>) -> Value {
        let post = self.client.post(format!("{}{path}", self.url)).header("X-Okapi-Tenant", "diku");
        let post = post.header("X-Okapi-User-Id", "9eb67301-6f6e-468f-9b1a-6134dc39a684");
        let post = body.into_iter().fold(post, reqwest::RequestBuilder::json);
        let answer = post.send().await.unwrap();
        assert_eq!(answer.status(), 201, "{path} {body:?}");
        answer.json().await.unwrap()
    }

    /// Posts changes of several kinds, and events of a process.
    async fn post_mixed(&self) {
        for number in 0..60 {
            for entity in ["item", "holdings-record", "instance"] {
                let ascii = format!("key-{}", number % 7);
                let id: &str = if entity == "instance" { &ascii } else { KEYS[number % 11] };
                let change = match number % 3 {
                    0 => json!({"new": {"id": id, "title": "é ü 漢", "number": number}}),
                    1 => json!({"old": {"id": id}, "new": {"id": id, "number": number}}),
                    _ => json!({"old": {"id": id, "number": number}, "headers": {"own": "yes"}}),
                };
                self.post(&format!("/domain-events/inventory/{entity}"), Some(&change)).await;
            }
            let event = json!({"key": KEYS[number % 7], "payload": {"number": number, "ü": null}});
            self.post("/process-events/data-import/DI_COMPLETED", Some(&event)).await;
            if number == 40 {
                self.post("/domain-events/inventory/item/delete-all", None).await;
            }
        }
        self.post("/domain-events/inventory/holdings-record/delete-all", None).await;
        for id in [ERASED, "stays"] {
            let change = json!({"new": {"id": id, "name": "a person's"}});
            self.post("/domain-events/circulation/loan", Some(&change)).await;
        }
    }

    /// Erases the record of a key whose event is published.
    async fn erase(&self) {
        let (key, reason) = (ERASED, "asked");
        let asked =
            json!({"producer": "circulation", "entity": "loan", "key": key, "reason": reason});
        let id = self.post("/erasures", Some(&asked)).await["id"].take();
        let shown = format!("{}/erasures/{}", self.url, id.as_str().unwrap());
        until("the erasure is complete", async || {
            get(&shown, "diku").await["status"] == "Completed"
        })
        .await;
    }
}

/// The key of a record of the compacted topic that is erased.
const ERASED: &str = "gone";

/// Returns the records without their offsets, and without those that were published before they
/// were erased, which a Kafka has until it compacts the topic.
fn comparable(records: &[Record]) -> Vec<Record> {
    let is_left = |it: &&Record| it.key != ERASED.as_bytes() || it.value.is_empty();
    records.iter().filter(is_left).map(|it| Record { offset: 0, ..it.clone() }).collect()
}

/// Checks that a topic's records are the same in both places; returns them.
async fn compared(listener: &str, topic: &str, log: &[Logged]) -> Vec<Record> {
    let its = log.iter().filter(|it| it.topic == topic && it.is_sent() && it.erased.is_none());
    let count = its.count();
    let records = consume_at_least(listener, topic, count);
    assert_eq!(records.len(), count, "{topic}");
    for record in &records {
        let position: i64 = record.header("position").unwrap().parse().unwrap();
        assert_eq!(record.offset, position);
    }
    let of_listener = comparable(&records);
    assert_eq!(of_listener.len(), records.len(), "nothing of what was erased");
    let mut of_kafka = Vec::new();
    // A transaction may be seen some time after its commit.
    until("all records are in Kafka", async || {
        of_kafka = comparable(&consume(&kafka::address(), topic, Isolation::ReadCommitted));
        of_kafka.len() >= of_listener.len()
    })
    .await;
    assert_eq!(of_listener, of_kafka, "{topic}");
    of_listener
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_those_of_a_kafka_in_partitions_keys_values_headers_and_order() {
    let env = kafka::env();
    let setup = setup(&["diku"], 1).for_each_tenant(RULES).with("ENV", &env);
    let setup = setup.with("KAFKA_HOST", kafka::address());
    let serve = setup.serve();
    let poster = Poster { client: Client::new(), url: &serve.url };
    poster.post_mixed().await;
    story::published_log(&serve.url, "diku").await;
    poster.erase().await;
    let log = story::published_log(&serve.url, "diku").await;
    assert!(log.iter().all(|it| it.published == Some(true)), "{log:?}");
    let topics: BTreeSet<_> = log.iter().map(|it| it.topic.as_str()).collect();
    let mut all = Vec::new();
    for topic in &topics {
        all.extend(compared(serve.broker(), topic, &log).await);
    }
    let item = format!("{env}.diku.inventory.item");
    let of_item = all.iter().filter(|it| it.topic == item);
    let partitions: BTreeSet<_> = of_item.map(|it| it.partition).collect();
    let types: BTreeSet<_> = all.iter().filter_map(|it| it.header("type")).collect();
    let kinds = ["CREATE", "DELETE", "DELETE_ALL", "DI_COMPLETED", "ERASED", "UPDATE"];
    assert_eq!((topics.len(), partitions.len(), types), (5, 5, BTreeSet::from(kinds)));
    assert!(all.iter().any(|it| it.value.is_empty()), "the key that is erased has no value");
    assert!(serve.terminate().success(), "{}", setup.log());
}
