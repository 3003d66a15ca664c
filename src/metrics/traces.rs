//! Metrics of traces: the spans that the collector took, and those that it did not.
//!
//! `traces` counts here as it sends them.

use prometheus_client::metrics::counter::Counter;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled};

const RESULTS: &[&str] = &["taken", "lost"];

const SPANS: Declared<1> = Declared::replica(
    "event_gateway_spans",
    "spans",
    "Spans of traces that were sent to the collector, by what became of them",
)
.by([Label::listed("result", RESULTS)])
.note("It stays at 0 unless [traces](traces.md) are sent. What is lost is not sent again");

/// The metrics of traces.
pub(super) struct TraceMetrics {
    spans: Labelled<1, Counter>,
}

impl TraceMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Traces");
        Self { spans: all.counters(SPANS) }
    }
}

impl Metrics {
    /// Counts spans that the collector was sent, and whether it took them.
    pub fn spans_sent(&self, spans: u64, taken: bool) {
        let result = if taken { "taken" } else { "lost" };
        self.traces.spans.with([result.into()]).inc_by(spans);
    }
}
