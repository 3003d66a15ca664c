//! The envelope: a sealed event as it stands in the log, and as it leaves for its topic.
//!
//! `Draft::seal` makes it, or a store reads it; every sink publishes it. Its bytes never change
//! again.

use bytes::Bytes;

use super::event::{EventId, EventType};
use super::headers::Headers;
use super::key::Key;
use super::position::{LogId, Position};
use super::replay_id::ReplayId;
use super::tenant::TenantId;
use super::time::Time;
use super::topic::Topic;
use super::wire_form::WireForm;

/// The most bytes that a Kafka record needs besides key, value and headers: the batch's frame and
/// the record's own lengths (record format v2: 61 bytes and 5 variable-length numbers).
const RECORD_FRAME_BYTES: usize = 128;
/// The most bytes that one header needs besides its name and value: two lengths.
const HEADER_FRAME_BYTES: usize = 10;
/// The bytes that the gateway's headers have, about.
const GATEWAYS_BYTES: usize = 256;
/// The bytes of a UUID in its hyphenated form.
const UUID_BYTES: usize = 36;
/// The number of digits of the greatest position.
const POSITION_BYTES_MAX: usize = 19;

/// A sealed event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The log that it stands in.
    pub log_id: LogId,
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The position in that log.
    pub position: Position,
    /// The time of its append by the store's clock, which is the record's timestamp.
    pub time: Time,
    /// The position of the topic's last DELETE_ALL before it.
    pub last_delete_all: Option<Position>,
    /// The time at which its content was erased, if it was: then it has neither a payload but
    /// `null`, nor headers.
    pub erased: Option<Time>,
    /// The id of the event.
    pub event_id: EventId,
    /// The topic that it is published to.
    pub topic: Topic,
    /// The record's id.
    pub key: Key,
    /// The type of the event.
    pub event_type: EventType,
    /// The change's own headers, then the request's. Headers that follow from the other fields are
    /// not here.
    pub headers: Headers,
    /// The record's value, in the entity's wire form.
    pub payload: Bytes,
}

/// All headers of an event's record.
pub struct RecordHeaders<'a> {
    stored: &'a Headers,
    /// Those that follow from the event's other fields.
    gateways: Headers,
}

impl RecordHeaders<'_> {
    /// Returns the names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.stored.iter().chain(self.gateways.iter())
    }

    /// Returns the value of the header `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Returns the same, kept for themselves.
    pub fn to_headers(&self) -> Headers {
        let mut all = Headers::default();
        self.iter().for_each(|(name, value)| all.push(name, value));
        all
    }
}

impl Envelope {
    /// Returns all headers of its record, in order: the change's own, the request's, the gateway's.
    pub fn record_headers(&self) -> RecordHeaders<'_> {
        let mut gateways = Headers::with_room(GATEWAYS_BYTES);
        gateways.push("x-okapi-tenant", self.tenant.as_str());
        gateways.push("folio.tenantId", self.tenant.as_str());
        gateways.push("type", self.event_type.as_str());
        gateways.push("event_id", self.event_id);
        gateways.push("log_id", self.log_id);
        gateways.push("position", self.position);
        if let Some(epoch) = self.last_delete_all {
            gateways.push("epoch", epoch);
        }
        RecordHeaders { stored: &self.headers, gateways }
    }

    /// Marks it as sent by a replay: its record gets the header `replay_id`.
    pub fn mark_replayed(&mut self, id: ReplayId) {
        self.headers.push("replay_id", id);
    }

    /// Returns whether it is one that sinks are sent. A DELETE_ALL that is expanded is not: the
    /// DELETEs are that follow it.
    pub fn is_sent(&self) -> bool {
        self.event_type != EventType::DeleteAllExpanded
    }

    /// Returns whether it is one that sinks are sent, and still has the content that it was
    /// appended with.
    pub fn has_content(&self) -> bool {
        self.is_sent() && self.erased.is_none()
    }

    /// Returns the value of its record; `None` if the record has none: it tells a compacted topic
    /// that the record of the key is gone.
    pub fn value(&self) -> Option<&Bytes> {
        let is_tombstone =
            self.event_type == EventType::Erased && self.payload == WireForm::TOMBSTONE;
        (!is_tombstone).then_some(&self.payload)
    }

    /// Returns the most bytes that its Kafka record can have.
    pub fn record_bytes(&self) -> usize {
        let headers = self.record_headers();
        let headers = headers.iter().map(|(name, value)| (name, value.len()));
        record_bytes(&self.key, self.payload.len(), headers)
    }
}

/// Returns the most bytes that a Kafka record can have, from the lengths of its parts. A header is
/// given as its name and the length of its value.
pub(super) fn record_bytes<'a>(
    key: &Key,
    payload_bytes: usize,
    headers: impl Iterator<Item = (&'a str, usize)>,
) -> usize {
    RECORD_FRAME_BYTES + key.as_str().len() + payload_bytes + header_bytes(headers)
}

fn header_bytes<'a>(headers: impl Iterator<Item = (&'a str, usize)>) -> usize {
    headers.map(|(name, value_bytes)| name.len() + value_bytes + HEADER_FRAME_BYTES).sum()
}

/// Returns the most bytes that the headers added by [`Envelope::record_headers`] can have, and that
/// of a replay.
pub(super) fn gateway_header_bytes_max(tenant: &TenantId, event_type: &EventType) -> usize {
    let tenant = tenant.as_str().len();
    let event_type = EventType::DeleteAll.as_str().len() + event_type.as_str().len();
    header_bytes(
        [
            ("x-okapi-tenant", tenant),
            ("folio.tenantId", tenant),
            ("type", event_type),
            ("event_id", UUID_BYTES),
            ("log_id", UUID_BYTES),
            ("position", POSITION_BYTES_MAX),
            ("epoch", POSITION_BYTES_MAX),
            ("replay_id", UUID_BYTES),
        ]
        .into_iter(),
    )
}
