//! Metrics of the subscriptions: readers, delivered events, and each group's lag.
//!
//! `subscribe` counts here; the lags are added when `/metrics` is asked for. A group's label has no
//! tenant, so that the labels are as many as modules, and at most a hundred.

use std::collections::BTreeMap;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled, Seconds};
use crate::store::Lag;

/// The most groups that have a label of their own; those with the greatest lags.
const GROUPS_MAX: usize = 100;

const GROUP: Label =
    Label::described("group", "a group, over all tenants; the 100 groups with the greatest lags");

const READERS: Declared<0> = Declared::replica(
    "event_gateway_subscription_readers",
    "readers",
    "Polls and streams of subscriptions that are open on this replica",
);
const DELIVERED: Declared<0> = Declared::replica(
    "event_gateway_subscription_events",
    "events",
    "Events that this replica has delivered to subscriptions' readers",
);
const ENDED: Declared<1> = Declared::replica(
    "event_gateway_subscription_streams_ended",
    "streams",
    "Streams of subscriptions that this replica has ended, by reason",
)
.by([Label::described(
    "reason",
    "`slow`, `token-expired`, `stopping`, or the problem that the reader was told",
)]);
const LAG_EVENTS: Declared<1> = Declared::store(
    "event_gateway_subscription_lag_events",
    "positions",
    "Positions that a subscription's group has not committed, of all tenants",
)
.by([GROUP]);
const LAG_SECONDS: Declared<1> = Declared::store(
    "event_gateway_subscription_lag_seconds",
    "seconds",
    "Age of the oldest event that a subscription's group has not committed",
)
.by([GROUP])
.note(
    "[Subscriptions](subscriptions.md) says what a group is; how far one may lag, its module knows",
);

/// The metrics of the subscriptions.
pub(super) struct SubscriptionMetrics {
    readers: Gauge,
    delivered: Counter,
    ended: Labelled<1, Counter>,
    lag_events: Labelled<1, Gauge>,
    lag_seconds: Labelled<1, Seconds>,
}

impl SubscriptionMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Subscriptions");
        let ended = all.counters(ENDED);
        drop(ended.with(["slow".into()]));
        Self {
            readers: all.gauge(READERS),
            delivered: all.counter(DELIVERED),
            ended,
            lag_events: all.gauges(LAG_EVENTS),
            lag_seconds: all.each_seconds(LAG_SECONDS),
        }
    }
}

impl Metrics {
    /// Counts that a reader of a subscription has come.
    pub fn reader_came(&self) {
        self.subscriptions.readers.inc();
    }

    /// Counts that a reader of a subscription has left.
    pub fn reader_left(&self) {
        self.subscriptions.readers.dec();
    }

    /// Counts events that are given to a reader.
    pub fn delivered(&self, events: usize) {
        self.subscriptions.delivered.inc_by(events as u64);
    }

    /// Counts a stream that the gateway has ended, for this reason.
    pub fn stream_ended(&self, reason: &'static str) {
        self.subscriptions.ended.with([reason.into()]).inc();
    }

    /// Sets the lag of every group, over all tenants; none while the store is down.
    pub(super) fn groups_lagging(&self, lags: &[(String, Lag)]) {
        let mut by_group = BTreeMap::<&str, Lag>::new();
        for (group, lag) in lags {
            let sum = by_group.entry(group.as_str()).or_default();
            sum.events += lag.events;
            sum.oldest = sum.oldest.max(lag.oldest);
        }
        let mut greatest: Vec<_> = by_group.into_iter().collect();
        greatest.sort_by_key(|(_, lag)| std::cmp::Reverse(lag.events));
        let SubscriptionMetrics { lag_events, lag_seconds, .. } = &self.subscriptions;
        lag_events.clear();
        lag_seconds.clear();
        for (group, lag) in greatest.into_iter().take(GROUPS_MAX) {
            lag_events.with([group.to_owned().into()]).set(lag.events.cast_signed());
            lag_seconds.with([group.to_owned().into()]).set(lag.oldest.as_secs_f64());
        }
    }
}
