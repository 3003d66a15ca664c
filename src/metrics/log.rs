//! Metrics of the logs: events by state, what is parked, and the store that has them.
//!
//! `http` sets them from the store's counts, when metrics are asked for.

use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled};
use crate::store::EventCounts;

const STORE_UP: Declared<0> = Declared::replica(
    "event_gateway_store_up",
    "boolean",
    "Whether the store answers and takes changes",
)
.alerts(&["EventGatewayStoreDown"]);
const EVENTS_EVER: Declared<0> = Declared::store(
    "event_gateway_log_events",
    "events",
    "Events that were ever appended to the logs",
);
const BYTES: Declared<0> =
    Declared::store("event_gateway_log_bytes", "bytes", "Bytes that the store has on disk")
        .note("Indexes and free pages are among them. 0 where the store does not tell");
const EVENTS: Declared<1> = Declared::store(
    "event_gateway_events",
    "events",
    "Events in the logs by state; without Kafka no state is known",
)
.by([Label::listed("state", &["published", "pending", "parked", "superseded", "discarded"])])
.note("Their sum is `event_gateway_log_events`. Absent without a relay");
const PARKED: Declared<0> =
    Declared::store("event_gateway_parked_scopes", "scopes", "Keys and topics that are parked")
        .alerts(&["EventGatewayParked"]);

/// The metrics of the logs.
pub(super) struct LogMetrics {
    store_up: Gauge,
    events_ever: Gauge,
    bytes: Gauge,
    events: Labelled<1, Gauge>,
    parked_scopes: Gauge,
}

impl LogMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Log");
        Self {
            store_up: all.gauge(STORE_UP),
            events_ever: all.gauge(EVENTS_EVER),
            bytes: all.gauge(BYTES),
            events: all.gauges(EVENTS),
            parked_scopes: all.gauge(PARKED),
        }
    }
}

impl Metrics {
    /// Sets the store's event counts; `None` if the store does not answer.
    pub fn counted(&self, event_counts: Option<&EventCounts>) {
        let log = &self.log;
        log.store_up.set(i64::from(event_counts.is_some()));
        let head = event_counts.map_or(0, |event_counts| event_counts.head.cast_signed());
        log.events_ever.set(head);
        log.events.clear();
        log.parked_scopes.set(0);
    }

    /// Notes that the store takes no changes, though it may answer.
    pub fn store_down(&self) {
        self.log.store_up.set(0);
    }

    /// Sets how many bytes the store has on disk; `None` if it does not tell.
    pub fn sized(&self, bytes: Option<u64>) {
        self.log.bytes.set(bytes.unwrap_or_default().cast_signed());
    }

    /// Sets the event counts that need a relay.
    pub fn relayed(&self, event_counts: &EventCounts) {
        for (state, count) in [
            ("published", event_counts.published),
            ("pending", event_counts.pending),
            ("parked", event_counts.parked),
            ("superseded", event_counts.superseded),
            ("discarded", event_counts.discarded),
        ] {
            self.log.events.with([state.into()]).set(count.cast_signed());
        }
        self.log.parked_scopes.set(event_counts.scopes.cast_signed());
    }
}
