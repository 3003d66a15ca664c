//! Metrics of the way in: requests by their outcomes, and their durations.
//!
//! `http` counts every answer. The number of labels is bounded: routes by their patterns, known
//! methods, problems by their permanent ids.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled};

/// The upper bounds of the durations' buckets, in seconds; a request may wait for a minute.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];

const ROUTE: Label =
    Label::described("route", "the pattern of a route; an unknown path has the route `none`");
const STATUS: Label = Label::described("status", "the answer's status");

const REQUESTS: Declared<3> =
    Declared::replica("event_gateway_http_requests", "requests", "Requests that were answered")
        .by([
            ROUTE,
            Label::listed("method", &["GET", "HEAD", "POST", "PUT", "DELETE", "other"]),
            STATUS,
        ])
        .alerts(&["EventGatewayErrors"]);
const PROBLEMS: Declared<2> = Declared::replica(
    "event_gateway_http_problems",
    "requests",
    "Requests that were refused, by problem",
)
.by([STATUS, Label::described("problem", "the problem's permanent id")])
.note("Each is a log line at `debug`")
.alerts(&["EventGatewayOverload"]);
const DURATIONS: Declared<1> = Declared::replica(
    "event_gateway_http_request_duration_seconds",
    "seconds",
    "Durations of requests, from the head to the answer",
)
.by([ROUTE])
.note("`Prefer: wait` is included");
const WAITS_REFUSED: Declared<1> = Declared::replica(
    "event_gateway_http_waits_refused",
    "requests",
    "Posts that were answered without the wait that they asked for, by the limit that was reached",
)
.by([Label::listed("limit", &["all", "tenant"])]);

/// A request that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The pattern of its route.
    pub route: &'static str,
    /// The request's method.
    pub method: &'static str,
    /// The answer's status.
    pub status: u16,
    /// The problem's id, if it was refused.
    pub problem: Option<&'static str>,
    /// The time from its head to its answer.
    pub took: Duration,
}

/// The metrics of the way in.
pub(super) struct Http {
    requests: Labelled<3, Counter>,
    problems: Labelled<2, Counter>,
    durations: Labelled<1, Histogram>,
    waits_refused: Labelled<1, Counter>,
}

impl Http {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("HTTP");
        Self {
            requests: all.counters(REQUESTS),
            problems: all.counters(PROBLEMS),
            durations: all.histograms(DURATIONS, || Histogram::new(SECONDS)),
            waits_refused: all.counters(WAITS_REFUSED),
        }
    }
}

impl Metrics {
    /// Counts a request that was answered.
    pub fn answered(&self, request: &Request) {
        let Request { route, method, status, problem, took } = *request;
        self.http.requests.with([route.into(), method.into(), status.into()]).inc();
        self.http.durations.with([route.into()]).observe(took.as_secs_f64());
        if let Some(problem) = problem {
            self.http.problems.with([status.into(), problem.into()]).inc();
        }
    }

    /// Counts a post that asked to wait and was answered at once; `limit` is the limit that was
    /// reached.
    pub fn wait_refused(&self, limit: &'static str) {
        self.http.waits_refused.with([limit.into()]).inc();
    }
}
