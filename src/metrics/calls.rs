//! Metrics of the calls of the store's ports and of the sinks: how long each took, and which
//! failed.
//!
//! `store` and `follow` count here, by the name of the call. Most calls carry many events.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::catalogue::{Catalogue, Declared, Label, Labelled};
use super::{FOLLOWER, Metrics};
use crate::domain::follower::Follower;
use crate::store::Calls;

/// The calls of a sink.
const SINK_CALLS: &[&str] = &["take_over", "ensure", "publish", "forget", "check"];
/// The errors of a sink, by what is done next.
const SINK_ERRORS: &[&str] =
    &["retry", "away", "early", "isolate", "topic", "fenced", "denied", "cursors"];
/// The errors of a store.
const STORE_ERRORS: &[&str] = &["unavailable", "unknown", "refused", "corrupt", "gone"];

const OPERATION: Label = Label::described("operation", "a call of the store's ports");
const SINK_OPERATION: Label = Label::listed("operation", SINK_CALLS);

const STORE_SECONDS: Declared<1> = Declared::replica(
    "event_gateway_store_call_duration_seconds",
    "seconds",
    "Durations of calls of the store, by call",
)
.by([OPERATION])
.note("A call that has failed counts too, as do its repetitions within an adapter");
const STORE_FAILURES: Declared<2> = Declared::replica(
    "event_gateway_store_call_errors",
    "calls",
    "Calls of the store that failed, by call and by kind of error",
)
.by([OPERATION, Label::listed("error", STORE_ERRORS)])
.alerts(&["EventGatewayStoreErrors"]);
const SINK_SECONDS: Declared<2> = Declared::replica(
    "event_gateway_sink_call_duration_seconds",
    "seconds",
    "Durations of calls of a sink, by the sink's follower and by call",
)
.by([FOLLOWER, SINK_OPERATION])
.note("`publish` is the time of a page");
const SINK_FAILURES: Declared<3> = Declared::replica(
    "event_gateway_sink_call_errors",
    "calls",
    "Calls of a sink that failed, by the sink's follower, by call, and by what is done next",
)
.by([FOLLOWER, SINK_OPERATION, Label::listed("error", SINK_ERRORS)])
.note(
    "`denied` and `cursors` stop a lane until somebody acts; a takeover that finds cursors that \
     were lost or went back is among `cursors`",
)
.alerts(&["EventGatewaySinkDenied", "EventGatewaySinkErrors"]);

/// The metrics of the calls.
pub(super) struct CallMetrics {
    store: Labelled<1, Histogram>,
    store_failures: Labelled<2, Counter>,
    sink: Labelled<2, Histogram>,
    sink_failures: Labelled<3, Counter>,
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0])
}

impl CallMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Calls of the store and the sinks");
        let store_failures = all.counters(STORE_FAILURES);
        for error in STORE_ERRORS {
            drop(store_failures.with(["append".into(), (*error).into()]));
        }
        Self {
            store: all.histograms(STORE_SECONDS, seconds),
            store_failures,
            sink: all.histograms(SINK_SECONDS, seconds),
            sink_failures: all.counters(SINK_FAILURES),
        }
    }

    /// Makes the metrics of this follower, which begin at 0.
    pub(super) fn follows(&self, follower: &Follower) {
        for call in SINK_CALLS {
            drop(self.sink.with([follower.into(), (*call).into()]));
            for error in SINK_ERRORS {
                drop(self.sink_failures.with([follower.into(), (*call).into(), (*error).into()]));
            }
        }
    }
}

impl Calls for Metrics {
    fn called(&self, operation: &'static str, took: Duration, error: Option<&'static str>) {
        self.calls.store.with([operation.into()]).observe(took.as_secs_f64());
        if let Some(error) = error {
            self.calls.store_failures.with([operation.into(), error.into()]).inc();
        }
    }
}

impl Metrics {
    /// Counts a call of a sink, with the word for its error if it failed.
    pub fn sink_called(
        &self,
        follower: &Follower,
        operation: &'static str,
        took: Duration,
        error: Option<&'static str>,
    ) {
        let labels = [follower.into(), operation.into()];
        self.calls.sink.with(labels).observe(took.as_secs_f64());
        if let Some(error) = error {
            let labels = [follower.into(), operation.into(), error.into()];
            self.calls.sink_failures.with(labels).inc();
        }
    }

    /// Counts a takeover that found cursors from which the lane can't go on.
    pub fn cursors_lost(&self, follower: &Follower) {
        let labels = [follower.into(), "take_over".into(), "cursors".into()];
        self.calls.sink_failures.with(labels).inc();
    }
}
