//! Metrics of the lanes and the sinks: lanes that are held, taken over and lost, and each sink's
//! lag.
//!
//! The lanes of `follow` count here; each sink's lag is added when `/metrics` is asked for. The
//! number of labels is bounded: one follower a sink, however many tenants there are.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::catalogue::{Catalogue, Declared, Labelled, Seconds};
use super::{FOLLOWER, Metrics};
use crate::domain::follower::Follower;
use crate::store::Lag;

const LANES: Declared<0> = Declared::store(
    "event_gateway_lanes",
    "lanes",
    "Lanes that the store has; 0 if no sink is configured",
)
.alerts(&["EventGatewayLaneWithoutHolder"]);
const HELD: Declared<0> =
    Declared::replica("event_gateway_lanes_held", "lanes", "Lanes that this replica works on")
        .note("The sum is `LANES`")
        .alerts(&["EventGatewayLaneWithoutHolder"]);
const LEASES_LOST: Declared<0> = Declared::replica(
    "event_gateway_leases_lost",
    "leases",
    "Leases of lanes that this replica could not renew in time",
)
.alerts(&["EventGatewayFenced"]);
const TAKEOVERS: Declared<1> = Declared::replica(
    "event_gateway_takeovers",
    "takeovers",
    "Lanes that this replica took over, by the sink's follower",
)
.by([FOLLOWER])
.note(
    "A lane of its own after an error is among them, and a lane whose producer is replaced: when \
     nothing is pending, and at least 100 of the producer's topics, and most of them, were idle \
     for 5 minutes",
);
const TAKEOVER_SECONDS: Declared<1> = Declared::replica(
    "event_gateway_takeover_duration_seconds",
    "seconds",
    "Durations of takeovers, from the fence to the state from which pages are published",
)
.by([FOLLOWER]);
const FENCED: Declared<1> = Declared::replica(
    "event_gateway_fenced",
    "sessions",
    "Times that this replica was fenced on a lane, since another one has taken it",
)
.by([FOLLOWER])
.note("A few are meant to happen when lanes move")
.alerts(&["EventGatewayFenced"]);
const LAG_EVENTS: Declared<1> = Declared::store(
    "event_gateway_lag_events",
    "events",
    "Events in the logs that a sink's follower has not reached",
)
.by([FOLLOWER])
.note("Parked events are not among them");
const LAG_SECONDS: Declared<1> = Declared::store(
    "event_gateway_lag_seconds",
    "seconds",
    "Age of the oldest event that a sink's follower has not reached",
)
.by([FOLLOWER])
.alerts(&["EventGatewayLag"]);

/// The metrics of the sinks.
pub(super) struct SinkMetrics {
    followers: Mutex<BTreeSet<Follower>>,
    lanes: Gauge,
    held: Gauge,
    leases_lost: Counter,
    takeovers: Labelled<1, Counter>,
    takeover_seconds: Labelled<1, Histogram>,
    fenced: Labelled<1, Counter>,
    lag_events: Labelled<1, Gauge>,
    lag_seconds: Labelled<1, Seconds>,
}

impl SinkMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Lanes and sinks");
        let seconds = || Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        Self {
            followers: Mutex::default(),
            lanes: all.gauge(LANES),
            held: all.gauge(HELD),
            leases_lost: all.counter(LEASES_LOST),
            takeovers: all.counters(TAKEOVERS),
            takeover_seconds: all.histograms(TAKEOVER_SECONDS, seconds),
            fenced: all.counters(FENCED),
            lag_events: all.gauges(LAG_EVENTS),
            lag_seconds: all.each_seconds(LAG_SECONDS),
        }
    }
}

impl SinkMetrics {
    /// Makes the metrics of this follower, which begin at 0.
    pub(super) fn follows(&self, follower: &Follower) {
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.insert(follower.clone());
        drop(self.takeovers.with([follower.into()]));
        drop(self.takeover_seconds.with([follower.into()]));
        drop(self.fenced.with([follower.into()]));
    }
}

impl Metrics {
    /// Returns the followers of this replica's sinks.
    pub(super) fn followers(&self) -> BTreeSet<Follower> {
        self.sinks.followers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the number of lanes that are to be held.
    pub fn lanes(&self, lanes: u16) {
        self.sinks.lanes.set(lanes.into());
    }

    /// Counts that this replica took a lane.
    pub fn lane_taken(&self) {
        self.sinks.held.inc();
    }

    /// Counts that this replica let a lane go.
    pub fn lane_left(&self) {
        self.sinks.held.dec();
    }

    /// Counts that the lease of a lane was lost.
    pub fn lease_lost(&self) {
        self.sinks.leases_lost.inc();
    }

    /// Counts that a lane was fenced and verified, so that this replica publishes its pages.
    pub fn taken_over(&self, follower: &Follower, took: Duration) {
        self.sinks.takeovers.with([follower.into()]).inc();
        self.sinks.takeover_seconds.with([follower.into()]).observe(took.as_secs_f64());
    }

    /// Counts that another publisher has fenced this replica's.
    pub fn fenced(&self, follower: &Follower) {
        self.sinks.fenced.with([follower.into()]).inc();
    }

    /// Sets the lag of every follower, as the store counts it; none while the store is down.
    pub(super) fn lagging(&self, lags: &[(Follower, Lag)]) {
        let SinkMetrics { lag_events, lag_seconds, .. } = &self.sinks;
        lag_events.clear();
        lag_seconds.clear();
        for (follower, lag) in lags {
            lag_events.with([follower.into()]).set(lag.events.cast_signed());
            lag_seconds.with([follower.into()]).set(lag.oldest.as_secs_f64());
        }
    }
}
