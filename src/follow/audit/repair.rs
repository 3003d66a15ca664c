//! The repair of holes: the replay that brings the events that an audit has missed to their topic.
//!
//! `audit --repair` submits it. Since it goes to the events' own topic, it also sends the newer
//! events of their keys.

use std::collections::BTreeSet;

use super::finding::TopicAudit;
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::position::Position;
use crate::domain::replay::{Positions, ReplayRequest};
use crate::domain::tenant::TenantId;
use crate::follow::page_scan;
use crate::store::{Error, Scan, Store};

/// The most missing events whose keys are named; with more, the whole topic is replayed from the
/// first one on.
const KEYS_MAX: u64 = 100;

/// Returns the request for the replay of a topic's missing events; `None` if none is missing.
pub async fn repair(
    store: &dyn Store,
    tenant: &TenantId,
    audited: &TopicAudit,
) -> Result<Option<ReplayRequest>, Error> {
    let TopicAudit { topic, missing, .. } = audited;
    let first = missing.min().and_then(|first| Position::new(first).ok());
    let Some(first) = first else { return Ok(None) };
    let mut keys = BTreeSet::new();
    if missing.len() <= KEYS_MAX {
        let filter = Filter { topics: vec![TopicPattern::exact(topic)], ..Filter::default() };
        let scan = Scan { filter, ..page_scan(1) };
        for position in missing.iter().filter_map(|position| Position::new(position).ok()) {
            let from = [(tenant.clone(), position.back(1).into())];
            let slices = store.read(&from, &scan).await?;
            let event = slices.into_iter().flat_map(|slice| slice.events).next();
            keys.extend(event.filter(|event| event.position == position).map(|event| event.key));
        }
    }
    Ok(Some(ReplayRequest {
        topics: vec![TopicPattern::exact(topic)],
        keys: keys.into_iter().collect(),
        positions: Positions { from: Some(first), to: None },
        ..ReplayRequest::default()
    }))
}
