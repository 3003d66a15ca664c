//! Metrics of background tasks: steps that failed, troubles, purges, audits, and lines of the log.
//!
//! `follow` and `telemetry` count here as things happen; each scrape sets the troubles.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Known, Label, Labelled};
use crate::domain::time::Time;

const KINDS: &[&str] = &[
    "lane",
    "lease",
    "lanes",
    "topics",
    "retention_check",
    "audit",
    "removal",
    "expansion",
    "erasure",
    "tenant-jobs",
    "lifetimes",
];
/// The kinds of defects that an audit finds.
const DEFECTS: &[&str] = &["missing", "duplicated", "reordered", "altered", "unknown"];

const FAILURES: Declared<1> = Declared::replica(
    "event_gateway_task_failures",
    "steps",
    "Steps of background tasks that failed and are tried again, by kind of task",
)
.by([Label::listed("task", KINDS)]);
const TROUBLES: Declared<0> = Declared::replica(
    "event_gateway_troubles",
    "components",
    "Degraded components, which /readyz names as troubles",
)
.alerts(&["EventGatewayTrouble"]);
const PURGES: Declared<0> =
    Declared::store("event_gateway_purges", "tenants", "Tenants that are being purged")
        .note(
            "One that stays waits for a sink, which its job names. Absent while the store is away",
        )
        .alerts(&["EventGatewayPurgeStuck"]);
const DEFECT_COUNTS: Declared<1> = Declared::replica(
    "event_gateway_audit_defects",
    "defects",
    "Defects that audits of this replica's lanes have found, by kind",
)
.by([Label::listed("defect", DEFECTS)])
.note(
    "A tenant's stay until an audit of the same events finds none. [Audit](audit.md) says what \
     they are",
)
.alerts(&["EventGatewayAuditDefects"]);
const AUDITED: Declared<0> = Declared::replica(
    "event_gateway_audited_time_seconds",
    "Unix time",
    "Unix time of the last audit of all of this replica's lanes; 0 without one, or without lanes",
);
const LINES_DROPPED: Declared<0> = Declared::replica(
    "event_gateway_log_lines_dropped",
    "lines",
    "Log lines that were dropped since stderr did not take them",
)
.alerts(&["EventGatewayLogLinesDropped"]);
const LINES_HELD_BACK: Declared<0> = Declared::replica(
    "event_gateway_log_lines_held_back",
    "lines",
    "Log lines that were counted but not written, since an equal line was written before",
)
.note(
    "They are ERROR or WARN: one place in the code writes the same line once a minute, and at most \
     32 different lines",
);

/// The metrics of background tasks.
pub(super) struct TaskMetrics {
    failures: Labelled<1, Counter>,
    troubles: Gauge,
    purges: Known,
    defects: Labelled<1, Gauge>,
    audited: Gauge,
    lines_dropped: Counter,
    lines_held_back: Counter,
}

impl TaskMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Background tasks");
        let (failures, defects) = (all.counters(FAILURES), all.gauges(DEFECT_COUNTS));
        for defect in DEFECTS {
            drop(defects.with([(*defect).into()]));
        }
        Self {
            failures,
            troubles: all.gauge(TROUBLES),
            purges: all.known(PURGES),
            defects,
            audited: all.gauge(AUDITED),
            lines_dropped: all.counter(LINES_DROPPED),
            lines_held_back: all.counter(LINES_HELD_BACK),
        }
    }
}

impl Metrics {
    /// Sets the number of defects of each kind that audits have found.
    pub fn defects(&self, defects: impl IntoIterator<Item = (&'static str, u64)>) {
        for (defect, count) in defects {
            self.tasks.defects.with([defect.into()]).set(count.cast_signed());
        }
    }

    /// Sets the time of the last audit of all lanes; `None` if the replica has no lane.
    pub fn audited(&self, time: Option<Time>) {
        self.tasks.audited.set(time.map_or(0, |time| time.as_ms() / 1_000));
    }

    /// Sets the number of purges that are under way; `None` if that is unknown.
    pub fn purges(&self, under_way: Option<usize>) {
        let under_way = under_way.map(|purges| i64::try_from(purges).unwrap_or(i64::MAX));
        self.tasks.purges.set(under_way);
    }

    /// Counts that a step of a background task of this kind failed.
    pub fn task_failed(&self, kind: &'static str) {
        self.tasks.failures.with([kind.into()]).inc();
    }

    /// Sets the number of degraded components.
    pub(super) fn troubled(&self, troubles: usize) {
        self.tasks.troubles.set(i64::try_from(troubles).unwrap_or(i64::MAX));
    }

    /// Counts log lines that were dropped since stderr did not take them.
    pub fn log_lines_dropped(&self, lines: u64) {
        self.tasks.lines_dropped.inc_by(lines);
    }

    /// Counts a log line that was held back since an equal one was written before.
    pub fn log_line_held_back(&self) {
        self.tasks.lines_held_back.inc();
    }
}
