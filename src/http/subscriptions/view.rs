//! The JSON of a subscription: its form as it was put, and where the group stands.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::position::Position;
use crate::store::{FoundSubscription, Lag};

/// A subscription, as clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    group: String,
    #[serde(flatten)]
    form: Map<String, Value>,
    position: u64,
    /// The positions, by topic, up to which the group has accepted that events are missing.
    gaps_to: Value,
    generation: u64,
    /// The present reader, and the end of its lease.
    reader: Option<String>,
    reader_until: Option<String>,
    /// The position from which a restore of the log has moved the group back.
    went_back_from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<LagView>,
    /// Whether what was put may be mistaken, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// The positions that the group has not committed, and the age of the oldest event there.
#[derive(Serialize)]
struct LagView {
    events: u64,
    seconds: f64,
}

impl Subscription {
    pub(super) fn new(found: &FoundSubscription, lag: Option<Lag>) -> Self {
        let FoundSubscription { group, subscription, now, .. } = found;
        let form = match subscription.form.to_json() {
            Value::Object(form) => form,
            _ => Map::new(),
        };
        let lease = subscription.holder(*now);
        Self {
            group: group.to_string(),
            form,
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
