//! Metrics of the ways out: lanes that were taken over, and pages that failed.
//!
//! Fed by the lanes of `follow`. Labels are bounded: one follower a sink, however many tenants there are.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::domain::follower::Follower;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FollowerLabel {
    follower: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    cause: &'static str,
    follower: String,
}

/// Those of the ways out.
pub(super) struct SinkMetrics {
    takeovers: Family<FollowerLabel, Counter>,
    page_failures: Family<FailureLabels, Counter>,
}

impl SinkMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let sinks = Self { takeovers: Family::default(), page_failures: Family::default() };
        let help = "Lanes that this replica took over, by the sink's follower";
        registry.register("takeovers", help, sinks.takeovers.clone());
        let help = "Pages that were not published, by what is done next and by the sink's follower";
        registry.register("page_failures", help, sinks.page_failures.clone());
        sinks
    }
}

fn label(follower: &Follower) -> FollowerLabel {
    FollowerLabel { follower: follower.to_string() }
}

impl Metrics {
    /// Has the takeovers of this follower count from 0.
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
}
