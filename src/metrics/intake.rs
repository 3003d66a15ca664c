//! Metrics of the intake: batches by outcome, their sizes, and the commits that they share.
//!
//! `intake` counts here: once for each batch and each commit, whatever number of events they have.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled};
use crate::domain::tenant::TenantId;

/// The outcomes of a batch: that it is accepted, or the problem that is answered.
const OUTCOMES: &[&str] = &[
    "accepted",
    "repeated",
    "record-too-large",
    "outcome-unknown",
    "queue-full",
    "tenant-queue-full",
    "event-id-conflict",
    "tenant-not-enabled",
    "unstorable",
    "store-unavailable",
];

const BATCHES: Declared<1> =
    Declared::replica("event_gateway_intake_batches", "batches", "Batches of events by outcome")
        .by([Label::listed("outcome", OUTCOMES)])
        .note(
            "A batch is the changes of one request. `repeated`: at least one event was in the log \
             already. Any other outcome is the problem answered; then nothing of the batch is in \
             the log, but for `outcome-unknown`. What is refused before it is a batch is among the \
             problems of HTTP",
        )
        .alerts(&["EventGatewayIntakeRefused"]);
const EVENTS: Declared<0> =
    Declared::replica("event_gateway_intake_events", "events", "Events of accepted batches")
        .note("Those that were repeated are among them");
const BATCH_EVENTS: Declared<0> = Declared::replica(
    "event_gateway_intake_batch_events",
    "events",
    "Events of each accepted batch",
);
const COMMIT_BATCHES: Declared<0> = Declared::replica(
    "event_gateway_intake_commit_batches",
    "batches",
    "Batches that shared a commit of the store",
);
const COMMIT_SECONDS: Declared<0> = Declared::replica(
    "event_gateway_intake_commit_duration_seconds",
    "seconds",
    "Durations of commits, from the call of the store to its last answer",
)
.note("A commit of unknown outcome is asked for again within its duration");

/// The metrics of the intake.
pub(super) struct IntakeMetrics {
    batches: Labelled<1, Counter>,
    /// The counter of the frequent outcome, which nobody has to look up.
    accepted: Counter,
    events: Counter,
    batch_events: Histogram,
    commit_batches: Histogram,
    commit_seconds: Histogram,
}

impl IntakeMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Intake");
        let batches = all.counters(BATCHES);
        let accepted = batches.with(["accepted".into()]).clone();
        let seconds =
            [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
        Self {
            batches,
            accepted,
            events: all.counter(EVENTS),
            batch_events: all
                .histogram(BATCH_EVENTS, &[1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1_000.0]),
            commit_batches: all
                .histogram(COMMIT_BATCHES, &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0]),
            commit_seconds: all.histogram(COMMIT_SECONDS, &seconds),
        }
    }
}

impl Metrics {
    /// Counts a batch of so many events that is in the tenant's log.
    pub fn batch_accepted(&self, tenant: &TenantId, events: usize, repeated: bool) {
        if repeated {
            self.intake.batches.with(["repeated".into()]).inc();
        } else {
            self.intake.accepted.inc();
        }
        self.intake.events.inc_by(events as u64);
        self.intake.batch_events.observe(events as f64);
        self.tenants.accepted(tenant, events as u64);
    }

    /// Counts a batch that was refused with this problem.
    pub fn batch_refused(&self, problem: &'static str) {
        self.intake.batches.with([problem.into()]).inc();
    }

    /// Counts a commit of so many batches.
    pub fn committed(&self, batches: usize, took: Duration) {
        self.intake.commit_batches.observe(batches as f64);
        self.intake.commit_seconds.observe(took.as_secs_f64());
    }
}
