//! Names and numbers that stories share.

use event_gateway::domain::event::EventId;
use event_gateway::domain::key::Key;
use event_gateway::domain::position::{LogId, Position};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::topic::Topic;
use uuid::Uuid;

pub fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub fn diku() -> TenantId {
    tenant("diku")
}

pub fn college() -> TenantId {
    tenant("college")
}

pub fn log_id(number: u128) -> LogId {
    LogId::new(Uuid::from_u128(number))
}

pub fn position(number: u64) -> Position {
    Position::new(number).unwrap()
}

pub fn event_id(number: u128) -> EventId {
    EventId::new(Uuid::from_u128(number))
}

pub fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

pub fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}
