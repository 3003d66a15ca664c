//! Metrics of removal: the events that were taken out of the logs, those that a sink keeps in them,
//! the DELETEs of expanded DELETE_ALLs, and erasures.

use std::collections::BTreeMap;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::catalogue::{Catalogue, Declared, Known, Label, Labelled};
use super::{FOLLOWER, Metrics};
use crate::domain::follower::Follower;

const REMOVED: Declared<1> = Declared::replica(
    "event_gateway_removed_events",
    "events",
    "Events that this replica removed from the logs, by reason",
)
.by([Label::listed("reason", &["retention", "not_stored", "compaction"])])
.note("[Retention](retention.md) says which events are removed");
const HELD_BACK: Declared<1> = Declared::replica(
    "event_gateway_removal_held_back_events",
    "events",
    "Events that a sink's follower has kept from being removed for more than an hour, in the logs \
     of this replica's lanes",
)
.by([FOLLOWER])
.alerts(&["EventGatewayRemovalHeldBack"]);
const OLDEST: Declared<0> = Declared::replica(
    "event_gateway_oldest_event_seconds",
    "seconds",
    "Age of the oldest event in the logs of this replica's lanes, while events are removed from \
     logs",
)
.note("It tells how far back the floor of the logs is");
const EXPANDED: Declared<0> = Declared::replica(
    "event_gateway_expanded_deletes",
    "events",
    "DELETEs that this replica appended for DELETE_ALLs that are expanded",
)
.note("[DELETE_ALL](delete-all.md) says which are");
const ERASED: Declared<0> =
    Declared::replica("event_gateway_erased_events", "events", "Events that this replica erased");
const ERASURES_OPEN: Declared<0> = Declared::store(
    "event_gateway_erasures_in_progress",
    "erasures",
    "Erasures of all tenants that are in progress",
)
.note("[Erasure](erasure.md) says what one waits for. Absent while the store is away");

/// The metrics of removal.
pub(super) struct RemovalMetrics {
    removed: Labelled<1, Counter>,
    held_back: Labelled<1, Gauge>,
    oldest_seconds: Gauge,
    expanded: Counter,
    erased: Counter,
    erasures_open: Known,
}

impl RemovalMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Removal");
        Self {
            removed: all.counters(REMOVED),
            held_back: all.gauges(HELD_BACK),
            oldest_seconds: all.gauge(OLDEST),
            expanded: all.counter(EXPANDED),
            erased: all.counter(ERASED),
            erasures_open: all.known(ERASURES_OPEN),
        }
    }
}

impl Metrics {
    /// Counts events that were removed from a log for this reason.
    pub fn removed(&self, reason: &'static str, events: u64) {
        self.removal.removed.with([reason.into()]).inc_by(events);
    }

    /// Counts DELETEs that were appended for a DELETE_ALL that is expanded.
    pub fn expanded(&self, deletes: u64) {
        self.removal.expanded.inc_by(deletes);
    }

    /// Counts events that were erased.
    pub fn erased(&self, events: u64) {
        self.removal.erased.inc_by(events);
    }

    /// Sets how many erasures are in progress; `None` if that is unknown.
    pub fn erasures_open(&self, erasures: Option<usize>) {
        let erasures = erasures.map(|erasures| i64::try_from(erasures).unwrap_or(i64::MAX));
        self.removal.erasures_open.set(erasures);
    }

    /// Sets how many events each sink's follower keeps from being removed; 0 for those not named.
    pub fn held_back<'f>(&self, held: impl IntoIterator<Item = (&'f Follower, u64)>) {
        let mut all: BTreeMap<_, _> =
            self.followers().into_iter().map(|follower| (follower, 0)).collect();
        all.extend(held.into_iter().map(|(follower, events)| (follower.clone(), events)));
        // Each is set once, or a scrape would see the 0 of one that holds events back.
        for (follower, events) in &all {
            self.removal.held_back.with([follower.into()]).set(events.cast_signed());
        }
    }

    /// Sets the age of the oldest event in the logs of this replica's lanes.
    pub fn oldest_event(&self, seconds: i64) {
        self.removal.oldest_seconds.set(seconds);
    }
}
