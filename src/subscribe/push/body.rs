//! The form in which a handler gets an event: one JSON object with what is known of the delivery,
//! and the event as the subscription's format has it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::window::Attempt;
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
    /// Only Kafka's records have a partition.
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
