//! The form in which a handler gets an event: one JSON object with what is known of the delivery,
//! and the event as the subscription's format has it. `partition` is null, and `offset` the
//! position, as long as events come from the log.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::slot::Attempt;
use crate::domain::envelope::{Envelope, RecordHeaders};
use crate::domain::subscription::{Format, Group};

/// A delivery as a handler gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    event_id: String,
    log_id: String,
    tenant: &'a str,
    group: &'a str,
    topic: &'a str,
    partition: Option<i32>,
    offset: u64,
    position: u64,
    key: &'a str,
    r#type: &'a str,
    time: String,
    attempt: u64,
    #[serde(serialize_with = "object")]
    headers: RecordHeaders<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<String>,
    #[serde(flatten)]
    content: Content<'a>,
}

/// The event, in one of the formats, under the format's name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Content<'a> {
    /// The payload as JSON.
    Data(&'a RawValue),
    /// The payload's bytes in base64.
    Bytes(String),
    /// The record as Kafka has it.
    Record(Record),
}

/// A record: key and value in base64.
#[derive(Serialize)]
struct Record {
    timestamp: i64,
    key: String,
    value: Option<String>,
    headers: Vec<(String, String)>,
}

/// Returns the bytes of a delivery; an error if the payload is none of JSON.
pub(super) fn body(
    attempt: &Attempt,
    group: &Group,
    format: Format,
) -> Result<Vec<u8>, serde_json::Error> {
    let event: &Envelope = &attempt.event;
    let headers = event.record_headers();
    let content = match format {
        Format::Data | Format::Envelope => Content::Data(serde_json::from_slice(&event.payload)?),
        Format::Bytes => Content::Bytes(BASE64_STANDARD.encode(&event.payload)),
        Format::Record => {
            let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            Content::Record(Record {
                timestamp: event.time.as_ms(),
                key: BASE64_STANDARD.encode(event.key.as_str()),
                value: event.value().map(|value| BASE64_STANDARD.encode(value)),
                headers: headers.iter().map(pair).collect(),
            })
        }
    };
    serde_json::to_vec(&Body {
        event_id: event.event_id.to_string(),
        log_id: event.log_id.to_string(),
        tenant: event.tenant.as_str(),
        group: group.as_str(),
        topic: event.topic.as_str(),
        partition: None,
        offset: event.position.number(),
        position: event.position.number(),
        key: event.key.as_str(),
        r#type: event.event_type.as_str(),
        time: event.time.to_string(),
        attempt: attempt.number,
        headers,
        erased: event.erased.map(|time| time.to_string()),
        content,
    })
}

fn object<S: Serializer>(headers: &RecordHeaders, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::body;
    use crate::domain::event::EventType;
    use crate::domain::subscription::{Format, Group};
    use crate::subscribe::push::fixture::event;
    use crate::subscribe::push::slot::Attempt;

    fn delivered(format: Format) -> Value {
        let mut event = event(7, "item", "a");
        event.headers.push("x-okapi-request-id", "r");
        let attempt = Attempt { event: event.into(), number: 2 };
        let body = body(&attempt, &Group::parse("cg.search").unwrap(), format).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn every_format_has_what_is_known_of_the_delivery() {
        for format in Format::ALL {
            let body = delivered(format);
            for (name, value) in [
                ("tenant", json!("diku")),
                ("group", json!("cg.search")),
                ("topic", json!("folio.diku.inventory.item")),
                ("partition", Value::Null),
                ("offset", json!(7)),
                ("position", json!(7)),
                ("key", json!("a")),
                ("type", json!("CREATE")),
                ("attempt", json!(2)),
            ] {
                assert_eq!(body[name], value, "{format:?} {name}");
            }
            assert!(body["eventId"].is_string() && body["logId"].is_string(), "{body}");
            assert!(body["time"].is_string() && body.get("erased").is_none(), "{body}");
            assert_eq!(body["headers"]["x-okapi-request-id"], "r");
            assert_eq!(body["headers"]["position"], "7");
        }
    }

    #[test]
    fn each_format_has_the_event_in_its_own_way() {
        let payload = json!({ "new": { "id": "a", "n": 7 } });
        for format in [Format::Data, Format::Envelope] {
            assert_eq!(delivered(format)["data"], payload);
        }
        let bytes = delivered(Format::Bytes);
        let base64 = "eyJuZXciOnsiaWQiOiJhIiwibiI6N319";
        assert_eq!((&bytes["bytes"], bytes.get("data")), (&json!(base64), None));
        let record = &delivered(Format::Record)["record"];
        assert_eq!((&record["key"], &record["value"]), (&json!("YQ=="), &json!(base64)));
        let headers = record["headers"].as_array().unwrap();
        assert!(headers.contains(&json!(["x-okapi-request-id", "r"])), "{record}");
    }

    #[test]
    fn an_erased_event_says_so() {
        let mut event = event(7, "item", "a");
        event.payload = "null".into();
        event.event_type = EventType::Create;
        event.erased = Some(event.time);
        let attempt = Attempt { event: event.into(), number: 1 };
        let body = body(&attempt, &Group::parse("cg.a").unwrap(), Format::Envelope).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(body["data"].is_null() && body["erased"].is_string(), "{body}");
    }
}
