//! Metrics of removal: the events that were taken out of the logs, those that a sink keeps in them,
//! the DELETEs of expanded DELETE_ALLs, and erasures.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::sinks::{FollowerLabel, label};
use super::{Label, Metrics};
use crate::domain::follower::Follower;

/// The metrics of removal.
pub(super) struct RemovalMetrics {
    removed: Family<Label, Counter>,
    held_back: Family<FollowerLabel, Gauge>,
    oldest_seconds: Gauge,
    expanded: Counter,
    erased: Counter,
    erasures_open: Gauge,
}

impl RemovalMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let removal = Self {
            removed: Family::default(),
            held_back: Family::default(),
            oldest_seconds: Gauge::default(),
            expanded: Counter::default(),
            erased: Counter::default(),
            erasures_open: Gauge::default(),
        };
        let help = "Events that this replica removed from the logs, by reason";
        registry.register("removed_events", help, removal.removed.clone());
        let help = "Events that a sink's follower has kept from being removed for more than an \
                    hour, in the logs of this replica's lanes";
        registry.register("removal_held_back_events", help, removal.held_back.clone());
        let help = "Age of the oldest event in the logs of this replica's lanes, while events are \
                    removed from logs";
        registry.register("oldest_event_seconds", help, removal.oldest_seconds.clone());
        let help = "DELETEs that this replica appended for DELETE_ALLs that are expanded";
        registry.register("expanded_deletes", help, removal.expanded.clone());
        let help = "Events that this replica erased";
        registry.register("erased_events", help, removal.erased.clone());
        let help = "Erasures of all tenants that are in progress";
        registry.register("erasures_in_progress", help, removal.erasures_open.clone());
        removal
    }
}

impl Metrics {
    /// Counts events that were removed from a log for this reason.
    pub fn removed(&self, reason: &'static str, events: u64) {
        self.removal.removed.get_or_create(&[("reason", reason)]).inc_by(events);
    }

    /// Counts DELETEs that were appended for a DELETE_ALL that is expanded.
    pub fn expanded(&self, deletes: u64) {
        self.removal.expanded.inc_by(deletes);
    }

    /// Counts events that were erased.
    pub fn erased(&self, events: u64) {
        self.removal.erased.inc_by(events);
    }

    /// Sets how many erasures are in progress.
    pub fn erasures_open(&self, erasures: usize) {
        self.removal.erasures_open.set(i64::try_from(erasures).unwrap_or(i64::MAX));
    }

    /// Sets how many events each sink's follower keeps from being removed.
    pub fn held_back<'f>(&self, held: impl IntoIterator<Item = (&'f Follower, u64)>) {
        self.removal.held_back.clear();
        for (follower, events) in held {
            self.removal.held_back.get_or_create(&label(follower)).set(events.cast_signed());
        }
    }

    /// Sets the age of the oldest event in the logs of this replica's lanes.
    pub fn oldest_event(&self, seconds: i64) {
        self.removal.oldest_seconds.set(seconds);
    }
}
