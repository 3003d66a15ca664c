//! The envelope: a sealed event as it stands in the log, and as it leaves for its topic.
//!
//! Made by `draft::seal` or read by a store; feeds every sink. Its bytes never change again.

use bytes::Bytes;

use super::event::{EventId, EventType};
use super::headers::Headers;
use super::key::Key;
use super::position::{LogId, Position};
use super::tenant::TenantId;
use super::time::Time;
use super::topic::Topic;

/// What a Kafka record costs beside key, value and headers, at the most: the batch's frame and the
/// record's own lengths (record format v2: 61 + 5 variable-length numbers).
const RECORD_FRAME_BYTES: usize = 128;
/// What one header costs beside its name and value: two lengths.
const HEADER_FRAME_BYTES: usize = 10;

/// A sealed event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The log it stands in.
    pub log_id: LogId,
    /// Whose log.
    pub tenant: TenantId,
    /// Its place there.
    pub position: Position,
    /// When it was appended, by the store's clock: the record's time.
    pub time: Time,
    /// The topic's last DELETE_ALL before it.
    pub last_delete_all: Option<Position>,
    /// Its id.
    pub event_id: EventId,
    /// Where it is published.
    pub topic: Topic,
    /// The record's id.
    pub key: Key,
    /// Its type.
    pub event_type: EventType,
    /// The change's own headers, then the request's; what follows from the other fields is not
    /// here.
    pub headers: Headers,
    /// The record's value, in the entity's wire form.
    pub payload: Bytes,
}

impl Envelope {
    /// All headers of its record, in order: own, the request's, then the gateway's.
    pub fn record_headers(&self) -> Headers {
        let mut all = self.headers.clone();
        all.push("x-okapi-tenant", self.tenant.as_str());
        all.push("folio.tenantId", self.tenant.as_str());
        all.push("type", self.event_type.as_str());
        all.push("event_id", self.event_id.to_string());
        all.push("log_id", self.log_id.to_string());
        all.push("position", self.position.to_string());
        if let Some(epoch) = self.last_delete_all {
            all.push("epoch", epoch.to_string());
        }
        all
    }

    /// The bytes that its Kafka record has at the most.
    pub fn record_bytes(&self) -> usize {
        let headers = self.record_headers();
        let headers =
            headers.iter().map(|(name, value)| name.len() + value.len() + HEADER_FRAME_BYTES);
        RECORD_FRAME_BYTES + self.key.as_str().len() + self.payload.len() + headers.sum::<usize>()
    }
}
