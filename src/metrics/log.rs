//! Metrics of the logs: events by state, what is parked, and the store that has them.
//!
//! Each scrape sets them from the store's counts. What only the store knows is absent while it is
//! away.

use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Known, Label, Labelled};
use super::subscriptions::GroupLag;
use super::tenants::TenantPositions;
use crate::domain::follower::Follower;
use crate::store::{EventCounts, Lag};

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
)
.note("Absent while the store is away, as is whatever is only known by it");
const BYTES: Declared<0> =
    Declared::store("event_gateway_log_bytes", "bytes", "Bytes that the store has on disk")
        .note("Indexes and free pages are among them. Absent where the store does not tell");
const EVENTS: Declared<1> = Declared::store(
    "event_gateway_events",
    "events",
    "Events in the logs by state; without Kafka no state is known",
)
.by([Label::listed("state", &["published", "pending", "parked", "superseded", "discarded"])])
.note("Their sum is `event_gateway_log_events`. Absent without a relay");
const PARKED: Declared<0> = Declared::store(
    "event_gateway_parked_scopes",
    "scopes",
    "Keys and topics that a sink has parked",
)
.note("Absent while the store is away")
.alerts(&["EventGatewayParked"]);

/// The store's counts, which a few scrapes share.
#[derive(Debug, Clone)]
pub struct StoreCounts {
    /// The events by state.
    pub events: EventCounts,
    /// The bytes that the store has on disk; `None` if it does not tell.
    pub disk_bytes: Option<u64>,
    /// The lag of each follower.
    pub lags: Vec<(Follower, Lag)>,
    /// The lag of each group, of every tenant.
    pub groups: Vec<GroupLag>,
    /// The ends of the logs of the tenants that have a label.
    pub tenants: Vec<TenantPositions>,
}

/// The answers that a scrape got.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// The store's counts; `None` if it does not answer.
    pub counts: Option<StoreCounts>,
    /// Whether the store takes changes.
    pub takes_changes: bool,
    /// Whether there is a relay, without which the states of events are unknown.
    pub has_relay: bool,
    /// The number of degraded components.
    pub troubles: usize,
}

/// The metrics of the logs.
pub(super) struct LogMetrics {
    store_up: Gauge,
    events_ever: Known,
    bytes: Known,
    events: Labelled<1, Gauge>,
    parked_scopes: Known,
}

impl LogMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Log");
        Self {
            store_up: all.gauge(STORE_UP),
            events_ever: all.known(EVENTS_EVER),
            bytes: all.known(BYTES),
            events: all.gauges(EVENTS),
            parked_scopes: all.known(PARKED),
        }
    }
}

impl Metrics {
    /// Sets the values that the store has told a scrape.
    pub(super) fn stored(&self, scrape: &Scrape) {
        let (log, counts) = (&self.log, scrape.counts.as_ref());
        // Counts that are late, or fail, are no reason to say that the store is down.
        log.store_up.set(i64::from(scrape.takes_changes));
        log.events_ever.set(counts.map(|counts| counts.events.head.cast_signed()));
        log.bytes.set(counts.and_then(|counts| counts.disk_bytes).map(u64::cast_signed));
        log.events.clear();
        log.parked_scopes.set(counts.map(|counts| counts.events.scopes.cast_signed()));
        let events = counts.filter(|_| scrape.has_relay).map(|counts| &counts.events);
        let Some(events) = events else { return };
        for (state, count) in [
            ("published", events.published),
            ("pending", events.pending),
            ("parked", events.parked),
            ("superseded", events.superseded),
            ("discarded", events.discarded),
        ] {
            log.events.with([state.into()]).set(count.cast_signed());
        }
    }
}
