//! Metrics of the way in: requests by their outcomes, and their durations.
//!
//! `http` counts every answer. The number of labels is bounded: routes by their patterns, known
//! methods, problems by their permanent ids.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Label, Metrics};

/// The upper bounds of the durations' buckets, in seconds; a request may wait for a minute.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];

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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemLabels {
    status: u32,
    problem: &'static str,
}

/// The metrics of the way in.
pub(super) struct Http {
    requests: Family<RequestLabels, Counter>,
    problems: Family<ProblemLabels, Counter>,
    durations: Family<Label, Histogram>,
    waits_refused: Family<Label, Counter>,
}

impl Http {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let http = Self {
            requests: Family::default(),
            problems: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            waits_refused: Family::default(),
        };
        registry.register("http_requests", "Requests that were answered", http.requests.clone());
        registry.register(
            "http_problems",
            "Requests that were refused, by problem",
            http.problems.clone(),
        );
        let help = "Durations of requests, from the head to the answer";
        registry.register("http_request_duration_seconds", help, http.durations.clone());
        let help = "Posts that were answered without the wait that they asked for, by the limit \
                    that was reached";
        registry.register("http_waits_refused", help, http.waits_refused.clone());
        http
    }
}

impl Metrics {
    /// Counts a request that was answered.
    pub fn answered(&self, request: &Request) {
        let Request { route, method, status, problem, took } = *request;
        let status = u32::from(status);
        self.http.requests.get_or_create(&RequestLabels { route, method, status }).inc();
        self.http.durations.get_or_create(&[("route", route)]).observe(took.as_secs_f64());
        if let Some(problem) = problem {
            self.http.problems.get_or_create(&ProblemLabels { status, problem }).inc();
        }
    }

    /// Counts a post that asked to wait and was answered at once; `limit` is the limit that was
    /// reached.
    pub fn wait_refused(&self, limit: &'static str) {
        self.http.waits_refused.get_or_create(&[("limit", limit)]).inc();
    }
}
