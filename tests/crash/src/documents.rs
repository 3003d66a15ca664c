//! hexkit's collection, as a plain client of MongoDB sees it.

use ::mongodb::bson::{Bson, Document, doc};
use serde_json::{Number, Value};
use tokio::time::{Instant, sleep};

use crate::PATIENCE;
use crate::evidence::Persisted;
use crate::mongodb::client;
use crate::story::LOOK_AGAIN;

/// The service whose collection it is.
pub const SERVICE: &str = "crash";
/// The database of the collection.
const DATABASE: &str = "crash_hexkit";

/// Returns the URL that names the service's database on a server.
pub fn url(server: &str) -> String {
    server.replacen("/?", &format!("/{DATABASE}?"), 1)
}

/// Reads the collection, once the sink has every event of the log, or patience ends.
pub async fn read(server: &str, gateway: &str) -> Vec<Persisted> {
    let until = Instant::now() + PATIENCE;
    while !is_even(gateway).await && Instant::now() < until {
        sleep(LOOK_AGAIN).await;
    }
    let database = client(server).await.database(DATABASE);
    let collection = database.collection::<Document>(&format!("{SERVICE}PersistedEvents"));
    let mut found = collection.find(doc! {}).await.unwrap();
    let mut all = Vec::new();
    while found.advance().await.unwrap() {
        all.push(persisted(&found.deserialize_current().unwrap()));
    }
    all
}

/// Returns whether the sink has passed the whole log.
async fn is_even(gateway: &str) -> bool {
    let metrics = reqwest::get(format!("{gateway}/metrics")).await.unwrap().text().await.unwrap();
    metrics.lines().any(|line| line == "event_gateway_lag_events{follower=\"hexkit\"} 0")
}

/// Reads a document; what it lacks is empty.
fn persisted(document: &Document) -> Persisted {
    let text = |name: &str| document.get_str(name).unwrap_or_default().to_owned();
    let headers = document.get_document("headers").cloned().unwrap_or_default();
    let headers = headers
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    let event_id = match document.get("event_id") {
        Some(Bson::Binary(binary)) => hyphenated(&binary.bytes),
        _ => String::new(),
    };
    Persisted {
        id: text("_id"),
        topic: text("topic"),
        key: text("key"),
        event_type: text("type_"),
        event_id,
        headers: headers.collect(),
        payload: document.get("payload").map_or(Value::Null, json),
        published: document.get_bool("published").unwrap_or_default(),
    }
}

/// Returns the text of a UUID.
fn hyphenated(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range));
    parts.map(Option::unwrap_or_default).join("-")
}

/// Returns a value as JSON has it; one that JSON does not have becomes a text.
fn json(value: &Bson) -> Value {
    match value {
        Bson::Document(members) => {
            Value::Object(members.iter().map(|(name, it)| (name.clone(), json(it))).collect())
        }
        Bson::Array(elements) => Value::Array(elements.iter().map(json).collect()),
        Bson::String(text) => Value::String(text.clone()),
        Bson::Boolean(truth) => Value::Bool(*truth),
        Bson::Null => Value::Null,
        Bson::Int32(number) => Value::from(*number),
        Bson::Int64(number) => Value::from(*number),
        Bson::Double(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        other => Value::String(format!("{other:?}")),
    }
}
