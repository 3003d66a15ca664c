//! Metrics of the quotas: what they refuse, and how many replicas share them.
//!
//! `http` counts refusals, and `app` the replicas.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Label, Metrics};

/// The metrics of the quotas.
pub(super) struct QuotaMetrics {
    refusals: Family<Label, Counter>,
    replicas: Gauge,
}

impl QuotaMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let quota = Self { refusals: Family::default(), replicas: Gauge::default() };
        let help = "Posts that were refused since the tenant had used up a quota, by quota";
        registry.register("quota_refusals", help, quota.refusals.clone());
        let help = "Replicas that share the tenants' quotas; 0 if there are no quotas";
        registry.register("quota_replicas", help, quota.replicas.clone());
        quota
    }
}

impl Metrics {
    /// Counts a post that was refused since this quota was used up.
    pub fn quota_refused(&self, quota: &'static str) {
        self.quota.refusals.get_or_create(&[("quota", quota)]).inc();
    }

    /// Sets the number of replicas that share the quotas.
    pub fn quotas_shared(&self, replicas: usize) {
        self.quota.replicas.set(i64::try_from(replicas).unwrap_or(i64::MAX));
    }
}
