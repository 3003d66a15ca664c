//! Events, as the tests of what handlers get have them.

use bytes::Bytes;
use uuid::Uuid;

use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::headers::Headers;
use crate::domain::key::Key;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// Returns the position of a number.
pub(super) fn at(number: u64) -> Position {
    Position::new(number).unwrap()
}

/// Returns an event of an entity's record.
pub(super) fn event(position: u64, entity: &str, key: &str) -> Envelope {
    Envelope {
        log_id: LogId::new(Uuid::from_u128(1)),
        tenant: TenantId::parse("diku").unwrap(),
        position: at(position),
        time: Time::from_ms(1_700_000_000_000 + position.cast_signed()),
        last_delete_all: None,
        erased: None,
        event_id: EventId::new(Uuid::from_u128(position.into())),
        topic: Topic::parse(&format!("folio.diku.inventory.{entity}")).unwrap(),
        key: Key::parse(key).unwrap(),
        event_type: EventType::Create,
        headers: Headers::default(),
        payload: Bytes::from(format!("{{\"new\":{{\"id\":\"{key}\",\"n\":{position}}}}}")),
    }
}

/// Returns the DELETE_ALL of an entity.
pub(super) fn delete_all(position: u64, entity: &str) -> Envelope {
    let (key, event_type) = (Key::delete_all(), EventType::DeleteAll);
    Envelope { key, event_type, ..event(position, entity, "a") }
}
