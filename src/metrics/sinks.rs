//! Metrics of the sinks: lanes that were taken over, pages that failed, and each sink's lag.
//!
//! The lanes of `follow` count here; each sink's lag is added when `/metrics` is asked for. The
//! number of labels is bounded: one follower a sink, however many tenants there are.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::domain::follower::Follower;
use crate::domain::replay::Outcome;
use crate::store::Lag;

/// The label of a metric of one sink.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FollowerLabel {
    follower: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    cause: &'static str,
    follower: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The metrics of the sinks.
pub(super) struct SinkMetrics {
    takeovers: Family<FollowerLabel, Counter>,
    page_failures: Family<FailureLabels, Counter>,
    lag_events: Family<FollowerLabel, Gauge>,
    lag_seconds: Family<FollowerLabel, Gauge<f64, AtomicU64>>,
    replayed_events: Counter,
    replayed_bytes: Counter,
    replays_ended: Family<OutcomeLabel, Counter>,
}

impl SinkMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let sinks = Self {
            takeovers: Family::default(),
            page_failures: Family::default(),
            lag_events: Family::default(),
            lag_seconds: Family::default(),
            replayed_events: Counter::default(),
            replayed_bytes: Counter::default(),
            replays_ended: Family::default(),
        };
        let help = "Lanes that this replica took over, by the sink's follower";
        registry.register("takeovers", help, sinks.takeovers.clone());
        let help = "Pages that were not published, by what is done next and by the sink's follower";
        registry.register("page_failures", help, sinks.page_failures.clone());
        let help = "Events in the logs that a sink's follower has not reached";
        registry.register("lag_events", help, sinks.lag_events.clone());
        let help = "Age of the oldest event that a sink's follower has not reached";
        registry.register("lag_seconds", help, sinks.lag_seconds.clone());
        let help = "Events that replays have published";
        registry.register("replayed_events", help, sinks.replayed_events.clone());
        let help = "Bytes of the payloads that replays have published";
        registry.register("replayed_bytes", help, sinks.replayed_bytes.clone());
        let help = "Replays that have ended on this replica, by their outcome";
        registry.register("replays_ended", help, sinks.replays_ended.clone());
        sinks
    }
}

pub(super) fn label(follower: &Follower) -> FollowerLabel {
    FollowerLabel { follower: follower.to_string() }
}

impl Metrics {
    /// Makes the takeovers of this follower count from 0.
    pub fn follows(&self, follower: &Follower) {
        self.sinks.takeovers.get_or_create(&label(follower)).inc_by(0);
    }

    /// Counts that a lane was fenced and verified, so that this replica publishes its pages.
    pub fn taken_over(&self, follower: &Follower) {
        self.sinks.takeovers.get_or_create(&label(follower)).inc();
    }

    /// Counts that a page was not published; `cause` is a word for what is done next.
    pub fn page_failed(&self, follower: &Follower, cause: &'static str) {
        let labels = FailureLabels { cause, follower: follower.to_string() };
        self.sinks.page_failures.get_or_create(&labels).inc();
    }

    /// Counts the events of a replay's page, and the bytes of their payloads.
    pub fn replayed(&self, events: u64, bytes: u64) {
        self.sinks.replayed_events.inc_by(events);
        self.sinks.replayed_bytes.inc_by(bytes);
    }

    /// Counts that a replay has ended.
    pub fn replay_ended(&self, outcome: Outcome) {
        let label = OutcomeLabel { outcome: outcome.as_str() };
        self.sinks.replays_ended.get_or_create(&label).inc();
    }

    /// Sets the lag of every follower, as the store counts it; none while the store is down.
    pub fn lagging<'f>(&self, lags: impl IntoIterator<Item = (&'f Follower, &'f Lag)>) {
        let SinkMetrics { lag_events, lag_seconds, .. } = &self.sinks;
        lag_events.clear();
        lag_seconds.clear();
        for (follower, lag) in lags {
            lag_events.get_or_create(&label(follower)).set(lag.events.cast_signed());
            lag_seconds.get_or_create(&label(follower)).set(lag.oldest.as_secs_f64());
        }
    }
}
