//! Metrics of the quotas: what they refuse, and how many replicas share them.
//!
//! `http` counts refusals, and `app` the replicas.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled};

const REFUSALS: Declared<1> = Declared::replica(
    "event_gateway_quota_refusals",
    "requests",
    "Posts that were refused since the tenant had used up a quota, by quota",
)
.by([Label::listed("quota", &["events", "bytes"])])
.note("[Quotas](quotas.md) says what a tenant may post");
const REPLICAS: Declared<0> = Declared::store(
    "event_gateway_quota_replicas",
    "replicas",
    "Replicas that share the tenants' quotas; 0 if there are no quotas",
);

/// The metrics of the quotas.
pub(super) struct QuotaMetrics {
    refusals: Labelled<1, Counter>,
    replicas: Gauge,
}

impl QuotaMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Quotas");
        Self { refusals: all.counters(REFUSALS), replicas: all.gauge(REPLICAS) }
    }
}

impl Metrics {
    /// Counts a post that was refused since this quota was used up.
    pub fn quota_refused(&self, quota: &'static str) {
        self.quota.refusals.with([quota.into()]).inc();
    }

    /// Sets the number of replicas that share the quotas.
    pub fn quotas_shared(&self, replicas: usize) {
        self.quota.replicas.set(i64::try_from(replicas).unwrap_or(i64::MAX));
    }
}
