//! All metrics: their names, kinds and meanings, as `GET /metrics` shows them.
//!
//! `follow`, `http` and `telemetry` count as things happen; the store's event counts are added when
//! metrics are asked for. docs/reliability.md lists all metrics. Counters and `lanes_held` are this
//! replica's own; the store's counts are the same on all replicas.

mod access;
mod http;
mod quota;
mod removal;
mod sinks;
mod subscriptions;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::domain::time::Time;
use crate::store::EventCounts;

use access::AccessMetrics;
use http::Http;
pub use http::Request;
use quota::QuotaMetrics;
use removal::RemovalMetrics;
use sinks::SinkMetrics;
use subscriptions::SubscriptionMetrics;

/// The media type of the metrics' text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Label = [(&'static str, &'static str); 1];

/// All metrics.
pub struct Metrics {
    registry: Registry,
    lanes_held: Gauge,
    task_failures: Family<Label, Counter>,
    troubles: Gauge,
    store_up: Gauge,
    log_events: Gauge,
    events: Family<Label, Gauge>,
    parked_scopes: Gauge,
    purges: Gauge,
    audit_defects: Family<Label, Gauge>,
    audited_time: Gauge,
    log_lines_dropped: Counter,
    log_lines_held_back: Counter,
    access: AccessMetrics,
    http: Http,
    quota: QuotaMetrics,
    sinks: SinkMetrics,
    removal: RemovalMetrics,
    subscriptions: SubscriptionMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("event_gateway");
        let metrics = Self {
            registry: Registry::default(),
            lanes_held: Gauge::default(),
            task_failures: Family::default(),
            troubles: Gauge::default(),
            store_up: Gauge::default(),
            log_events: Gauge::default(),
            events: Family::default(),
            parked_scopes: Gauge::default(),
            purges: Gauge::default(),
            audit_defects: Family::default(),
            audited_time: Gauge::default(),
            log_lines_dropped: Counter::default(),
            log_lines_held_back: Counter::default(),
            access: AccessMetrics::new(&mut registry),
            http: Http::new(&mut registry),
            quota: QuotaMetrics::new(&mut registry),
            sinks: SinkMetrics::new(&mut registry),
            removal: RemovalMetrics::new(&mut registry),
            subscriptions: SubscriptionMetrics::new(&mut registry),
        };
        registry.register(
            "lanes_held",
            "Lanes that this replica works on",
            metrics.lanes_held.clone(),
        );
        let help = "Steps of background tasks that failed and are tried again, by kind of task";
        registry.register("task_failures", help, metrics.task_failures.clone());
        let help = "Degraded components, which /readyz names as troubles";
        registry.register("troubles", help, metrics.troubles.clone());
        let help = "Whether the store answers and takes changes";
        registry.register("store_up", help, metrics.store_up.clone());
        let help = "Events that were ever appended to the logs";
        registry.register("log_events", help, metrics.log_events.clone());
        registry.register(
            "events",
            "Events in the logs by state; without Kafka no state is known",
            metrics.events.clone(),
        );
        registry.register(
            "parked_scopes",
            "Keys and topics that are parked",
            metrics.parked_scopes.clone(),
        );
        let help = "Tenants that are being purged";
        registry.register("purges", help, metrics.purges.clone());
        let help = "Defects that the last audit of this replica's lanes has found, by kind";
        registry.register("audit_defects", help, metrics.audit_defects.clone());
        let help = "Unix time of the last audit of this replica's lanes; 0 before the first";
        registry.register("audited_time_seconds", help, metrics.audited_time.clone());
        let help = "Log lines that were dropped since stderr did not take them";
        registry.register("log_lines_dropped", help, metrics.log_lines_dropped.clone());
        let help = "Log lines that were counted but not written, since an equal line was written \
                    before";
        registry.register("log_lines_held_back", help, metrics.log_lines_held_back.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Counts that this replica took a lane.
    pub fn lane_taken(&self) {
        self.lanes_held.inc();
    }

    /// Counts that this replica let a lane go.
    pub fn lane_left(&self) {
        self.lanes_held.dec();
    }

    /// Sets the number of defects of each kind that an audit has found, at this time.
    pub fn audited(&self, defects: impl IntoIterator<Item = (&'static str, u64)>, time: Time) {
        for (defect, count) in defects {
            self.audit_defects.get_or_create(&[("defect", defect)]).set(count.cast_signed());
        }
        self.audited_time.set(time.as_ms() / 1_000);
    }

    /// Sets the number of purges that are under way.
    pub fn purges(&self, under_way: usize) {
        self.purges.set(i64::try_from(under_way).unwrap_or(i64::MAX));
    }

    /// Counts that a step of a background task of this kind failed.
    pub fn task_failed(&self, kind: &'static str) {
        self.task_failures.get_or_create(&[("task", kind)]).inc();
    }

    /// Sets the number of degraded components.
    pub fn troubled(&self, troubles: usize) {
        self.troubles.set(i64::try_from(troubles).unwrap_or(i64::MAX));
    }

    /// Sets the store's event counts; `None` if the store does not answer.
    pub fn counted(&self, event_counts: Option<&EventCounts>) {
        self.store_up.set(i64::from(event_counts.is_some()));
        self.log_events.set(event_counts.map_or(0, |event_counts| event_counts.head.cast_signed()));
        self.events.clear();
        self.parked_scopes.set(0);
    }

    /// Notes that the store takes no changes, though it may answer.
    pub fn store_down(&self) {
        self.store_up.set(0);
    }

    /// Sets the event counts that need a relay.
    pub fn relayed(&self, event_counts: &EventCounts) {
        for (state, count) in [
            ("published", event_counts.published),
            ("pending", event_counts.pending),
            ("parked", event_counts.parked),
            ("superseded", event_counts.superseded),
            ("discarded", event_counts.discarded),
        ] {
            self.events.get_or_create(&[("state", state)]).set(count.cast_signed());
        }
        self.parked_scopes.set(event_counts.scopes.cast_signed());
    }

    /// Counts log lines that were dropped since stderr did not take them.
    pub fn log_lines_dropped(&self, lines: u64) {
        self.log_lines_dropped.inc_by(lines);
    }

    /// Counts a log line that was held back since an equal one was written before.
    pub fn log_line_held_back(&self) {
        self.log_lines_held_back.inc();
    }

    /// Returns all metrics in their text form.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string never fails");
        text
    }
}
