//! The JSON of a subscription: its form as it was put, and where the group stands.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::filter::Filter;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::store::{FoundSubscription, Lag};

/// A subscription, as clients see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    group: String,
    topics: Vec<String>,
    keys: Vec<String>,
    types: Vec<String>,
    /// The headers that the events' records have.
    headers: BTreeMap<String, String>,
    auto_commit: bool,
    lease_seconds: u64,
    hold_seconds: u64,
    position: u64,
    /// The positions, by topic, up to which the group has accepted that events are missing.
    #[schema(value_type = BTreeMap<String, u64>)]
    gaps_to: serde_json::Value,
    generation: u64,
    /// The present reader, and the end of its lease.
    #[schema(required)]
    reader: Option<String>,
    #[schema(required, format = DateTime)]
    reader_until: Option<String>,
    /// The position from which a restore of the log has moved the group back.
    #[schema(required)]
    went_back_from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    lag: Option<LagView>,
    /// Whether what was put may be mistaken, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    warning: Option<String>,
}

/// The positions that the group has not committed, and the age of the oldest event there.
#[derive(Serialize, ToSchema)]
#[schema(as = Lag)]
struct LagView {
    events: u64,
    seconds: f64,
}

impl Subscription {
    pub(super) fn new(found: &FoundSubscription, lag: Option<Lag>) -> Self {
        let FoundSubscription { group, subscription, now, .. } = found;
        let form = &subscription.form;
        let Filter { topics, keys, types, headers } = &form.filter;
        let lease = subscription.holder(*now);
        Self {
            group: group.to_string(),
            topics: topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
            keys: keys.iter().map(Key::to_string).collect(),
            types: types.clone(),
            headers: headers.iter().cloned().collect(),
            auto_commit: form.auto_commit,
            lease_seconds: form.lease_seconds,
            hold_seconds: form.hold_seconds,
            position: subscription.position.number(),
            gaps_to: subscription.gaps_to.to_json(),
            generation: subscription.generation,
            reader: lease.map(|lease| lease.reader.clone()),
            reader_until: lease.map(|lease| lease.expires.to_string()),
            went_back_from: subscription.went_back_from.map(Position::number),
            lag: lag.map(|lag| LagView { events: lag.events, seconds: lag.oldest.as_secs_f64() }),
            warning: None,
        }
    }

    pub(super) fn with_warning(self, warning: Option<String>) -> Self {
        Self { warning, ..self }
    }
}
