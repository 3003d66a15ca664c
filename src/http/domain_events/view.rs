//! The JSON of an event, as clients see it.
//!
//! `list`, `get` and `http::subscriptions` pass in envelopes; the payload goes out byte for byte as
//! it was stored.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::envelope::Envelope;
use crate::domain::headers::Headers;
use crate::follow::published::PublishedUpTo;
use crate::http::problem::Problem;
use crate::store;

/// One event of the log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Event<'a> {
    position: u64,
    #[schema(format = "uuid")]
    event_id: String,
    topic: &'a str,
    key: &'a str,
    r#type: &'a str,
    #[schema(format = DateTime)]
    time: String,
    /// The headers of the event's record.
    #[serde(serialize_with = "object")]
    #[schema(value_type = BTreeMap<String, String>)]
    headers: Headers,
    /// The bytes that were published; `null` if they were erased.
    #[schema(value_type = serde_json::Value, required)]
    payload: &'a RawValue,
    /// The time at which the content was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    erased: Option<String>,
    /// `null` if nothing publishes to a broker; absent where a subscription delivers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<bool>)]
    published: Option<Option<bool>>,
}

impl<'a> Event<'a> {
    /// Shows an event, and whether it is published.
    pub(super) fn new(envelope: &'a Envelope, up_to: &PublishedUpTo) -> Result<Self, Problem> {
        let Envelope { log_id, topic, key, position, .. } = envelope;
        let published = if envelope.is_sent() {
            up_to.covers(*log_id, topic, key, *position)
        } else {
            up_to.covers_expansion(*log_id, *position)
        };
        Ok(Self { published: Some(published), ..Self::delivered(envelope)? })
    }

    /// Returns the event's position.
    pub(in crate::http) fn position(&self) -> u64 {
        self.position
    }

    /// Shows an event that a subscription delivers.
    pub(in crate::http) fn delivered(envelope: &'a Envelope) -> Result<Self, Problem> {
        let payload = serde_json::from_slice(&envelope.payload).map_err(|e| {
            store::Error::Corrupt(format!("the payload at {}: {e}", envelope.position))
        })?;
        Ok(Self {
            position: envelope.position.number(),
            event_id: envelope.event_id.to_string(),
            topic: envelope.topic.as_str(),
            key: envelope.key.as_str(),
            r#type: envelope.event_type.as_str(),
            time: envelope.time.to_string(),
            headers: envelope.record_headers().to_headers(),
            payload,
            erased: envelope.erased.map(|time| time.to_string()),
            published: None,
        })
    }
}

fn object<S: Serializer>(headers: &Headers, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter())
}
