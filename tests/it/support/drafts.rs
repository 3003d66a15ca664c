//! Drafts to append: plain ones, which tests vary with `Draft { …, ..create(1) }`.

use std::sync::Arc;

use bytes::Bytes;
use event_gateway::domain::draft::{Content, Draft, Origin, Place};
use event_gateway::domain::headers::Headers;
use event_gateway::domain::json::Raw;
use event_gateway::domain::parked::{Parked, State};
use event_gateway::domain::states::States;
use event_gateway::domain::subject::Subject;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::wire_form::WireForm;

use crate::support::ids::{diku, event_id, key, log_id, position, topic};

pub fn raw(text: &str) -> Raw {
    Raw::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

pub fn headers(pairs: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    pairs.iter().for_each(|(name, value)| headers.push(name, *value));
    headers
}

pub fn origin(tenant: TenantId, context: &[(&str, &str)]) -> Origin {
    Origin { tenant, headers: Arc::new(headers(context)) }
}

pub fn created(new: &str) -> Content {
    Content::Change { states: States::Create { new: raw(new) }, wire_form: WireForm::Convention }
}

pub fn updated(old: &str, new: &str) -> Content {
    let states = States::Update { old: raw(old), new: raw(new) };
    Content::Change { states, wire_form: WireForm::Convention }
}

pub fn deleted(old: &str) -> Content {
    Content::Change { states: States::Delete { old: raw(old) }, wire_form: WireForm::Convention }
}

/// Makes a CREATE of `diku`'s item.
pub fn create(id: u128) -> Draft {
    Draft {
        event_id: event_id(id),
        subject: Subject::new("inventory", "item"),
        topic: topic("folio.diku.inventory.item"),
        key: key("k"),
        content: created(r#"{"id":"k"}"#),
        own_headers: Headers::default(),
        origin: origin(diku(), &[]),
        act: None,
    }
}

/// Makes the CREATE of another record, under the same event id.
pub fn other(id: u128) -> Draft {
    Draft { key: key("other"), content: created(r#"{"id":"other"}"#), ..create(id) }
}

/// Makes the same in another tenant.
pub fn create_in(tenant: &TenantId, id: u128) -> Draft {
    Draft { origin: origin(tenant.clone(), &[]), ..create(id) }
}

/// Makes the same on another topic.
pub fn create_on(name: &str, id: u128) -> Draft {
    Draft { topic: topic(name), ..create(id) }
}

/// Makes the DELETE_ALL of `diku`'s topic.
pub fn delete_all(name: &str, id: u128) -> Draft {
    let place = Place { subject: Subject::new("inventory", "item"), topic: topic(name) };
    Draft::delete_all(place, WireForm::Convention, event_id(id), &origin(diku(), &[]))
}

/// Makes a key of a tenant's topic that is parked at a position.
pub fn parked(tenant: &TenantId, at: u64) -> Parked {
    Parked {
        event_id: event_id(at.into()),
        tenant: tenant.clone(),
        log_id: log_id(1),
        position: position(at),
        topic: topic("folio.diku.inventory.item"),
        key: Some(key("$k: \"ü\"")),
        cause: "$too large: 'x'".to_owned(),
        time: Time::ZERO,
        state: State::Parked,
        released_to: position(at - 1),
        counted_to: position(at + 2),
        events: 3,
        requested: None,
        reason: None,
        ledger: 1,
    }
}
