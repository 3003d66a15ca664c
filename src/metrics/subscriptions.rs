//! Metrics of the subscriptions: readers, delivered events, and each group's lag.
//!
//! `subscribe` counts here; the lags are added when `/metrics` is asked for. A group's label has no
//! tenant, so that the labels are as many as modules, and at most a hundred.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::store::Lag;

/// The most groups that have a label of their own; those with the greatest lags.
const GROUPS_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupLabel {
    group: String,
}

/// The metrics of the subscriptions.
pub(super) struct SubscriptionMetrics {
    readers: Gauge,
    delivered: Counter,
    cut: Family<[(&'static str, &'static str); 1], Counter>,
    lag_events: Family<GroupLabel, Gauge>,
    lag_seconds: Family<GroupLabel, Gauge<f64, AtomicU64>>,
}

impl SubscriptionMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let all = Self {
            readers: Gauge::default(),
            delivered: Counter::default(),
            cut: Family::default(),
            lag_events: Family::default(),
            lag_seconds: Family::default(),
        };
        let help = "Polls and streams of subscriptions that are open on this replica";
        registry.register("subscription_readers", help, all.readers.clone());
        let help = "Events that this replica has delivered to subscriptions' readers";
        registry.register("subscription_events", help, all.delivered.clone());
        let help = "Streams of subscriptions that this replica has ended, by reason";
        registry.register("subscription_streams_ended", help, all.cut.clone());
        let help = "Positions that a subscription's group has not committed, of all tenants";
        registry.register("subscription_lag_events", help, all.lag_events.clone());
        let help = "Age of the oldest event that a subscription's group has not committed";
        registry.register("subscription_lag_seconds", help, all.lag_seconds.clone());
        all
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
        self.subscriptions.cut.get_or_create(&[("reason", reason)]).inc();
    }

    /// Sets the lag of every group, over all tenants; none while the store is down.
    pub fn groups_lagging<'g>(&self, lags: impl IntoIterator<Item = (&'g str, Lag)>) {
        let mut by_group = BTreeMap::<&str, Lag>::new();
        for (group, lag) in lags {
            let sum = by_group.entry(group).or_default();
            sum.events += lag.events;
            sum.oldest = sum.oldest.max(lag.oldest);
        }
        let mut greatest: Vec<_> = by_group.into_iter().collect();
        greatest.sort_by_key(|(_, lag)| std::cmp::Reverse(lag.events));
        let SubscriptionMetrics { lag_events, lag_seconds, .. } = &self.subscriptions;
        lag_events.clear();
        lag_seconds.clear();
        for (group, lag) in greatest.into_iter().take(GROUPS_MAX) {
            let label = GroupLabel { group: group.to_owned() };
            lag_events.get_or_create(&label).set(lag.events.cast_signed());
            lag_seconds.get_or_create(&label).set(lag.oldest.as_secs_f64());
        }
    }
}
