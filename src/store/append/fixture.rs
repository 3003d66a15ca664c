//! Drafts and a log, as the tests of an append post and find them.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::domain::draft::{Content, Draft, Origin, Place};
use crate::domain::event::EventId;
use crate::domain::headers::Headers;
use crate::domain::json::Raw;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::states::States;
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::wire_form::WireForm;
use crate::store::{Batch, Head};

/// The topic of drafts that name none.
pub(super) const ITEM: &str = "diku.inventory.item";

/// The tenant of the log.
pub(super) fn diku() -> TenantId {
    TenantId::parse("diku").unwrap()
}

/// The tenant's drafts.
pub(super) fn batch(drafts: Vec<Draft>) -> Batch {
    Batch { tenant: diku(), drafts }
}

/// Makes a CREATE with an event id and content.
pub(super) fn create(id: u128, content: &'static str) -> Draft {
    let new = Raw::parse(&Bytes::from_static(content.as_bytes())).unwrap();
    let content =
        Content::Change { states: States::Create { new }, wire_form: WireForm::Convention };
    Draft { key: Key::parse("k").unwrap(), content, ..delete_all(id, ITEM) }
}

/// A DELETE_ALL whose event id and topic are given.
pub(super) fn delete_all(id: u128, topic: &str) -> Draft {
    let origin = Origin { tenant: diku(), headers: Arc::new(Headers::default()) };
    let topic = Topic::parse(topic).unwrap();
    let place = Place { subject: Subject::new("inventory", "item"), topic };
    Draft::delete_all(place, WireForm::Convention, EventId::new(Uuid::from_u128(id)), &origin)
}

/// The head of the tenant's log at a position.
pub(super) fn head(position: i64, time_ms: i64) -> Head {
    Head {
        tenant: diku(),
        log_id: LogId::new(Uuid::nil()),
        lane: Lane::new(3),
        position: Position::from_column(position),
        time: Time::from_ms(time_ms),
        is_enabled: true,
    }
}
