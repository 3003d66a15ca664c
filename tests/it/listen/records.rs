//! A reader gets of the listener what a Kafka would give it.

use std::collections::BTreeMap;

use crash::kafka::Record;
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::kafka_clients::setup;
use crate::support::services::kafka::{self, consume_at_least};

/// Posts changes of several kinds to a gateway.
async fn post_mixed(url: &str) {
    let client = Client::new();
    let send = async |change: Value, headers: &[(&str, &str)]| {
        let request = client.post(format!("{url}/domain-events/inventory/item"));
        let mut request = request.header("X-Okapi-Tenant", "diku");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert_eq!(request.json(&change).send().await.unwrap().status(), 201);
    };
    for number in 0..60 {
        let id = format!("key-{}", number % 11);
        let change = match number % 3 {
            0 => json!({"new": {"id": id, "title": "é ü 漢", "number": number}}),
            1 => json!({"old": {"id": id}, "new": {"id": id, "number": number}}),
            _ => json!({"old": {"id": id, "number": number}, "headers": {"own": "yes"}}),
        };
        send(change, &[("X-Okapi-User-Id", "9eb67301-6f6e-468f-9b1a-6134dc39a684")]).await;
    }
    let all = client.post(format!("{url}/domain-events/inventory/item/delete-all"));
    let all = all.header("X-Okapi-Tenant", "diku").send().await.unwrap();
    assert_eq!(all.status(), 201);
    send(json!({"new": {"id": "after"}}), &[]).await;
}

/// The key, value and headers of a record.
type Content = (String, Value, Vec<(String, String)>);

/// The records of each partition in their order, without what differs from gateway to gateway.
fn by_partition(records: &[Record]) -> BTreeMap<i32, Vec<Content>> {
    let mut all: BTreeMap<i32, Vec<_>> = BTreeMap::new();
    for record in records {
        let mut value: Value = serde_json::from_slice(&record.value).unwrap_or(Value::Null);
        for name in ["ts", "timestamp", "eventId", "id"] {
            value.as_object_mut().map(|it| it.remove(name));
        }
        let own = ["log_id", "event_id", "correlation_id", "traceparent"];
        let headers = record.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let key = record.key().to_owned();
        all.entry(record.partition).or_default().push((key, value, headers.cloned().collect()));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_those_of_a_kafka_in_partitions_keys_values_headers_and_order() {
    const TOPIC: &str = "inventory.item";
    let env = kafka::env();
    let of_listener = setup(&["diku"], 5).with("ENV", &env);
    let of_kafka = setup(&["diku"], 5).with("ENV", &env).with("KAFKA_HOST", kafka::address());
    let topic = format!("{env}.diku.{TOPIC}");
    let mut read = Vec::new();
    for (setup, address) in [(&of_listener, None), (&of_kafka, Some(kafka::address()))] {
        let serve = setup.serve();
        post_mixed(&serve.url).await;
        let address = address.unwrap_or_else(|| serve.broker().to_owned());
        let records = consume_at_least(&address, &topic, 62);
        for record in &records {
            let position: i64 = record.header("position").unwrap().parse().unwrap();
            assert!(setup.path() != of_listener.path() || record.offset == position);
            assert!(record.timestamp_ms > 1_700_000_000_000);
        }
        read.push(by_partition(&records));
        serve.kill();
    }
    assert_eq!(read[0], read[1]);
}
