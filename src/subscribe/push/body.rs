//! The form in which a handler gets an event: one JSON object with what is known of the delivery,
//! and the event as the subscription's format has it. `partition` is null, and `offset` the
//! position, as long as events come from the log.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::slot::Attempt;
use crate::domain::claim::Deduplicate;
use crate::domain::envelope::Envelope;
use crate::domain::subscription::{Format, Group};

/// The form of a group's deliveries.
pub(super) struct BodyForm {
    pub(super) group: Group,
    pub(super) format: Format,
    /// The deduplication, whose headers an event is given.
    pub(super) deduplicate: Option<Deduplicate>,
}

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
    headers: &'a [(&'a str, &'a str)],
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
pub(super) fn body(attempt: &Attempt, form: &BodyForm) -> Result<Vec<u8>, serde_json::Error> {
    let event: &Envelope = &attempt.event;
    let (recorded, claimed) = (event.record_headers(), form.deduplicate.as_ref());
    let claimed: Vec<_> = claimed.into_iter().flat_map(|it| it.headers(event)).collect();
    let is_replaced = |name: &str| claimed.iter().any(|(its, _)| *its == name);
    let headers = recorded.iter().filter(|(name, _)| !is_replaced(name));
    let claimed = claimed.iter().map(|(name, value)| (*name, value.as_str()));
    let headers: Vec<_> = headers.chain(claimed).collect();
    let content = match form.format {
        Format::Envelope => Content::Data(serde_json::from_slice(&event.payload)?),
        Format::Bytes => Content::Bytes(BASE64_STANDARD.encode(&event.payload)),
        Format::Record => {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
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
        group: form.group.as_str(),
        topic: event.topic.as_str(),
        partition: None,
        offset: event.position.number(),
        position: event.position.number(),
        key: event.key.as_str(),
        r#type: event.event_type.as_str(),
        time: event.time.to_string(),
        attempt: attempt.number,
        headers: &headers,
        erased: event.erased.map(|time| time.to_string()),
        content,
    })
}

fn object<S: Serializer>(headers: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().copied())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::{BodyForm, body};
    use crate::domain::event::EventType;
    use crate::domain::subscription::{Form, Format, Group};
    use crate::subscribe::push::fixture::event;
    use crate::subscribe::push::slot::Attempt;

    fn delivered(format: Format) -> Value {
        let mut event = event(7, "item", "a");
        event.headers.push("x-okapi-request-id", "r");
        let attempt = Attempt { event: event.into(), number: 2, read: Instant::now() };
        let body = body(&attempt, &form(format)).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    fn form(format: Format) -> BodyForm {
        BodyForm { group: Group::parse("cg.search").unwrap(), format, deduplicate: None }
    }

    #[test]
    fn a_claimed_event_has_hexa_s_headers_in_every_format() {
        let deduplicate = r#"{"handler":{"exec":["a"]},"deduplicate":{"action":"index"}}"#;
        let deduplicate = Form::from_column(deduplicate).unwrap().deduplicate;
        let sent_on = "5BF370E0-8CCA-4D9C-82E4-5170AB2A0A39";
        for (named, root) in [
            (None, event(7, "item", "a").event_id.to_string()),
            (Some(sent_on), sent_on.to_lowercase()),
            (Some("Order-7"), "Order-7".to_owned()),
            (Some("no id"), event(7, "item", "a").event_id.to_string()),
        ] {
            let mut event = event(7, "item", "a");
            named.into_iter().for_each(|id| event.headers.push("HEXA_ROOT_EVENT_ID", id));
            event.headers.push("HEXA_EVENT_ID", "of another attempt");
            let own = event.event_id.to_string();
            let attempt = Attempt { event: event.into(), number: 1, read: Instant::now() };
            for format in Format::ALL {
                let form = BodyForm { deduplicate: deduplicate.clone(), ..form(format) };
                let body: Value = serde_json::from_slice(&body(&attempt, &form).unwrap()).unwrap();
                let headers = &body["headers"];
                assert_eq!(headers["HEXA_EVENT_ID"], *own, "{format:?}");
                assert_eq!(headers["HEXA_EVENT_HANDLER_ACTION_NAME"], "index");
                assert_eq!(headers["HEXA_ROOT_EVENT_ID"], *root);
                assert_eq!(headers["HEXA_ROOT_EVENT_HANDLER_ACTION_NAME"], "index");
                if format == Format::Record {
                    let headers = body["record"]["headers"].as_array().unwrap();
                    assert!(headers.contains(&json!(["HEXA_ROOT_EVENT_ID", root])), "{headers:?}");
                }
            }
        }
        let plain = delivered(Format::Envelope);
        assert!(plain["headers"].get("HEXA_EVENT_ID").is_none(), "{plain}");
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
        assert_eq!(delivered(Format::Envelope)["data"], payload);
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
        let attempt = Attempt { event: event.into(), number: 1, read: Instant::now() };
        let body = body(&attempt, &form(Format::Envelope)).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(body["data"].is_null() && body["erased"].is_string(), "{body}");
    }
}
