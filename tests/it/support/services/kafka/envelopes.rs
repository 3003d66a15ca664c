//! Sealed events made by hand, as the store would return them.
//!
//! The tests of sinks use them; a `Log` counts positions as a tenant's log does.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::event::{EventId, EventType};
use event_gateway::domain::headers::Headers;
use event_gateway::domain::key::Key;
use event_gateway::domain::position::{LogId, Position};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::topic::Topic;
use event_gateway::sink::{KnownCursor, PageSlice, ParkingProof};

use super::Record;

/// 2026-01-31T12:00:00Z.
const NOON_MS: i64 = 1_769_860_800_000;

/// One tenant's log.
pub struct Log {
    pub tenant: TenantId,
    pub id: LogId,
    head: Position,
    last: EventId,
}

impl Log {
    /// Makes a new log.
    pub fn new(tenant: &str) -> Self {
        let id = LogId::parse(&uuid()).unwrap();
        let last = EventId::parse(&uuid()).unwrap();
        Self { tenant: TenantId::parse(tenant).unwrap(), id, head: Position::START, last }
    }

    /// Returns the next event.
    pub fn event(&mut self, name: &str, key: &str, payload: impl Into<Bytes>) -> Envelope {
        self.head = self.head.next();
        self.last = EventId::parse(&uuid()).unwrap();
        let mut headers = Headers::default();
        headers.push("own", "of the module");
        headers.push("x-okapi-request-id", "821257/user;744931/perms");
        Envelope {
            log_id: self.id,
            tenant: self.tenant.clone(),
            position: self.head,
            time: time(self.head),
            last_delete_all: (self.head.number() > 3).then_some(Position::START.next()),
            erased: None,
            event_id: self.last,
            topic: topic(name),
            key: Key::parse(key).unwrap(),
            event_type: EventType::Create,
            headers,
            payload: payload.into(),
        }
    }

    /// Returns the last event's cursor.
    pub fn cursor(&self) -> Cursor {
        let (position, event_id, time) = (self.head, self.last, time(self.head));
        Cursor { log_id: self.id, position, event_id, time }
    }

    /// Returns the last event's cursor in the form that Kafka's cursors have.
    pub fn known(&self) -> KnownCursor {
        KnownCursor { cursor: self.cursor(), proof: ParkingProof::default(), sent: None }
    }

    /// Makes a slice that ends with the last event.
    pub fn slice(&self, events: Vec<Envelope>) -> PageSlice {
        PageSlice {
            tenant: self.tenant.clone(),
            events,
            cursor: self.cursor(),
            proof: ParkingProof::default(),
            sent: None,
        }
    }
}

/// Makes a topic of a name.
pub fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

/// Fails unless the record is that of the event: topic, key, bytes, time and headers.
pub fn assert_same(record: &Record, event: &Envelope) {
    assert_eq!((record.topic.as_str(), record.key()), (event.topic.as_str(), event.key.as_str()));
    assert_eq!(record.value, event.payload, "bytes");
    assert_eq!(record.timestamp_ms, event.time.as_ms(), "time");
    let tenant = event.tenant.as_str();
    let (position, epoch) =
        (event.position.to_string(), event.last_delete_all.map(|epoch| epoch.to_string()));
    let (event_id, log_id) = (event.event_id.to_string(), event.log_id.to_string());
    let mut headers: Vec<(&str, &str)> = event.headers.iter().collect();
    headers.extend([
        ("x-okapi-tenant", tenant),
        ("folio.tenantId", tenant),
        ("type", event.event_type.as_str()),
    ]);
    headers.extend([("event_id", event_id.as_str()), ("log_id", &log_id), ("position", &position)]);
    headers.extend(epoch.as_deref().map(|epoch| ("epoch", epoch)));
    let seen: Vec<_> =
        record.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(seen, headers, "headers");
}

fn uuid() -> String {
    let random = || RandomState::new().hash_one("uuid");
    let text = format!("{:016x}{:016x}", random(), random());
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

/// Returns the time of the event at a position: a millisecond after that of the one before.
fn time(position: Position) -> Time {
    Time::from_ms(NOON_MS + position.as_column())
}
