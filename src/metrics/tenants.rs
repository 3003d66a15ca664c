//! The metrics of single tenants, of which an operator says how many have a label: by default none.
//!
//! `intake` counts here, and each scrape sets the ends of the tenants' logs. A tenant costs a few
//! bytes of memory, and a label only if it is among those that have posted most.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;

const TENANT: Label = Label::described("tenant", "a tenant, of `METRICS_TENANTS_MAX` at most");

const EVENTS: Declared<1> = Declared::replica(
    "event_gateway_tenant_events",
    "events",
    "Events of accepted batches by tenant",
)
.by([TENANT])
.note(
    "Only the `METRICS_TENANTS_MAX` tenants with the most events since this replica's start have a \
     series; a tenant that is purged has none. Absent while `METRICS_TENANTS_MAX` is 0, as it is \
     by default",
);
const HEAD: Declared<1> = Declared::store(
    "event_gateway_tenant_head_position",
    "position",
    "Last position of a tenant's log",
)
.by([TENANT])
.note(
    "The tenants are those that `event_gateway_tenant_events_total` names on the same replica. \
     Absent while the store is away",
);
const FLOOR: Declared<1> = Declared::store(
    "event_gateway_tenant_floor_position",
    "position",
    "Highest floor of the topics in a tenant's log",
)
.by([TENANT])
.note(
    "From there on [nothing is missing](retention.md#readers-the-floor) but what compaction \
     replaced; 0 if nothing was ever removed. The tenants are those of the head",
);

/// The ends of a tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantPositions {
    /// The tenant.
    pub tenant: TenantId,
    /// The last position.
    pub head: Position,
    /// The highest floor of the topics.
    pub floor: Position,
}

/// The metrics of single tenants.
pub(super) struct TenantMetrics {
    max: AtomicUsize,
    accepted: RwLock<HashMap<TenantId, AtomicU64>>,
    events: Labelled<1, Counter>,
    heads: Labelled<1, Gauge>,
    floors: Labelled<1, Gauge>,
}

impl TenantMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Tenants");
        Self {
            max: AtomicUsize::new(0),
            accepted: RwLock::default(),
            events: all.counters(EVENTS),
            heads: all.gauges(HEAD),
            floors: all.gauges(FLOOR),
        }
    }

    /// Counts events of a tenant, if any tenant has a label.
    pub(super) fn accepted(&self, tenant: &TenantId, events: u64) {
        if self.max.load(Ordering::Relaxed) == 0 {
            return;
        }
        let known = self.accepted.read().unwrap_or_else(|lock| lock.into_inner());
        if let Some(count) = known.get(tenant) {
            count.fetch_add(events, Ordering::Relaxed);
            return;
        }
        drop(known);
        let mut known = self.accepted.write().unwrap_or_else(|lock| lock.into_inner());
        let count = known.entry(tenant.clone()).or_default();
        count.fetch_add(events, Ordering::Relaxed);
    }

    /// Forgets a tenant.
    fn forget(&self, tenant: &TenantId) {
        self.accepted.write().unwrap_or_else(|lock| lock.into_inner()).remove(tenant);
    }

    /// Gives labels to the tenants that have posted most.
    pub(super) fn show(&self) {
        self.events.clear();
        for (tenant, count) in self.most() {
            self.events.with([tenant.to_string().into()]).inc_by(count);
        }
    }

    /// Sets the ends of these tenants' logs, and forgets all others.
    pub(super) fn positions(&self, all: &[TenantPositions]) {
        self.heads.clear();
        self.floors.clear();
        for TenantPositions { tenant, head, floor } in all {
            self.heads.with([tenant.to_string().into()]).set(head.number().cast_signed());
            self.floors.with([tenant.to_string().into()]).set(floor.number().cast_signed());
        }
    }

    /// Returns the tenants that have posted most, as many as may have a label, with their events.
    fn most(&self) -> Vec<(TenantId, u64)> {
        let max = self.max.load(Ordering::Relaxed);
        let known = self.accepted.read().unwrap_or_else(|lock| lock.into_inner());
        let mut counts: Vec<_> =
            known.iter().map(|(tenant, count)| (count.load(Ordering::Relaxed), tenant)).collect();
        counts.sort_unstable_by_key(|(count, tenant)| (Reverse(*count), tenant.as_str()));
        let most = counts.into_iter().take(max);
        most.map(|(count, tenant)| (tenant.clone(), count)).collect()
    }
}

impl Metrics {
    /// Sets how many tenants may have a label.
    pub fn limit_tenants(&self, max: usize) {
        self.tenants.max.store(max, Ordering::Relaxed);
    }

    /// Returns the tenants that have a label.
    pub fn named_tenants(&self) -> Vec<TenantId> {
        self.tenants.most().into_iter().map(|(tenant, _)| tenant).collect()
    }

    /// Forgets a tenant that is being purged, so that its label goes to the next one.
    pub fn tenant_purged(&self, tenant: &TenantId) {
        self.tenants.forget(tenant);
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::tenant::TenantId;
    use crate::metrics::Metrics;

    fn labelled(metrics: &Metrics) -> Vec<String> {
        let text = metrics.text();
        let lines =
            text.lines().filter_map(|line| line.strip_prefix("event_gateway_tenant_events"));
        let mut lines: Vec<_> = lines.map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }

    fn posted(metrics: &Metrics) {
        for number in 0..1_000 {
            let tenant = TenantId::parse(&format!("tenant{number}")).unwrap();
            metrics.batch_accepted(&tenant, number + 1, false);
        }
    }

    #[test]
    fn a_thousand_tenants_have_no_label_unless_an_operator_wants_some() {
        let metrics = Metrics::default();
        posted(&metrics);
        let lines = labelled(&metrics);
        assert!(lines.is_empty(), "{lines:?}");
    }

    #[test]
    fn of_a_thousand_tenants_those_that_have_posted_most_have_a_label() {
        let metrics = Metrics::default();
        metrics.limit_tenants(2);
        posted(&metrics);
        assert_eq!(
            labelled(&metrics),
            [r#"_total{tenant="tenant998"} 999"#, r#"_total{tenant="tenant999"} 1000"#]
        );
        metrics.batch_accepted(&TenantId::parse("tenant0").unwrap(), 5_000, false);
        assert_eq!(
            labelled(&metrics),
            [r#"_total{tenant="tenant0"} 5001"#, r#"_total{tenant="tenant999"} 1000"#]
        );
        metrics.tenant_purged(&TenantId::parse("tenant0").unwrap());
        assert_eq!(
            labelled(&metrics),
            [r#"_total{tenant="tenant998"} 999"#, r#"_total{tenant="tenant999"} 1000"#]
        );
    }
}
