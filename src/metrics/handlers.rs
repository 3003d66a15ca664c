//! Metrics of the handlers: the events that are brought to them, the calls, and what they took.
//!
//! `subscribe` counts here. No handler has a label: tenants name as many as they like.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::Metrics;
use super::catalogue::{Catalogue, Declared};

const RECEIVED: Declared<0> = Declared::replica(
    "event_gateway_handler_received",
    "events",
    "Events that this replica has read to bring them to handlers",
);
const DELIVERED: Declared<0> = Declared::replica(
    "event_gateway_handler_delivered",
    "events",
    "Events that handlers of this replica have done",
);
const SUPPRESSED: Declared<0> = Declared::replica(
    "event_gateway_handler_suppressed",
    "events",
    "Events that were not brought to a handler, since they were claimed before",
);
const FAILED: Declared<0> = Declared::replica(
    "event_gateway_handler_failed",
    "attempts",
    "Attempts at events that have failed: refused, unanswered in time, or answered by an error",
);
const RETRIED: Declared<0> = Declared::replica(
    "event_gateway_handler_retried",
    "attempts",
    "Attempts at events that had failed before",
);
const DURATION: Declared<0> = Declared::replica(
    "event_gateway_handler_duration_seconds",
    "seconds",
    "Durations of attempts at events, from the call of the handler to its answer",
)
.note("One that is given up counts with the time that it had");
const IN_FLIGHT: Declared<0> = Declared::replica(
    "event_gateway_handler_in_flight",
    "events",
    "Events that handlers of this replica are working on",
);
const UNREACHED: Declared<0> = Declared::replica(
    "event_gateway_handler_unreached",
    "groups",
    "Groups whose handler this replica does not reach: no connection is made, or no program starts",
)
.note("Such attempts use up none; after an hour the group halts");

/// The metrics of the handlers.
pub(super) struct HandlerMetrics {
    received: Counter,
    delivered: Counter,
    suppressed: Counter,
    failed: Counter,
    retried: Counter,
    duration: Histogram,
    in_flight: Gauge,
    unreached: Gauge,
}

impl HandlerMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Handlers");
        let bounds =
            [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 600.0];
        Self {
            received: all.counter(RECEIVED),
            delivered: all.counter(DELIVERED),
            suppressed: all.counter(SUPPRESSED),
            failed: all.counter(FAILED),
            retried: all.counter(RETRIED),
            duration: all.histogram(DURATION, &bounds),
            in_flight: all.gauge(IN_FLIGHT),
            unreached: all.gauge(UNREACHED),
        }
    }
}

/// A handler that is not reached, for as long as this lives.
#[must_use]
pub struct CountedUnreached(Gauge);

impl Drop for CountedUnreached {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A call of a handler that is counted, under way for as long as this lives.
#[must_use]
pub struct CountedCall {
    begun: Instant,
    delivered: Counter,
    failed: Counter,
    duration: Histogram,
    in_flight: Gauge,
}

impl CountedCall {
    /// Counts that the handler has done the event.
    pub fn delivered(self) {
        self.delivered.inc();
    }

    /// Counts that the attempt has failed.
    pub fn failed(self) {
        self.failed.inc();
    }
}

impl Drop for CountedCall {
    fn drop(&mut self) {
        self.duration.observe(self.begun.elapsed().as_secs_f64());
        self.in_flight.dec();
    }
}

impl Metrics {
    /// Counts events that are read for a handler.
    pub fn handler_received(&self, events: usize) {
        self.handlers.received.inc_by(events as u64);
    }

    /// Counts events that a handler does not get, since they are claimed.
    pub fn handler_suppressed(&self, events: usize) {
        self.handlers.suppressed.inc_by(events as u64);
    }

    /// Counts a group whose handler is not reached.
    pub fn handler_unreached(&self) -> CountedUnreached {
        self.handlers.unreached.inc();
        CountedUnreached(self.handlers.unreached.clone())
    }

    /// Counts a call of a handler, which may be one of several at the event.
    pub fn handler_called(&self, is_again: bool) -> CountedCall {
        let HandlerMetrics { delivered, failed, retried, duration, in_flight, .. } = &self.handlers;
        retried.inc_by(is_again.into());
        in_flight.inc();
        CountedCall {
            begun: Instant::now(),
            delivered: delivered.clone(),
            failed: failed.clone(),
            duration: duration.clone(),
            in_flight: in_flight.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[test]
    fn a_call_counts_as_under_way_until_it_is_answered_or_given_up() {
        let metrics = Metrics::default();
        let has =
            |line: &str| metrics.text().contains(&format!("\nevent_gateway_handler_{line}\n"));
        let [done, failed] = [false, true].map(|is_again| metrics.handler_called(is_again));
        let given_up = metrics.handler_called(false);
        assert!(has("in_flight 3") && has("retried_total 1"));
        done.delivered();
        failed.failed();
        drop(given_up);
        assert!(has("in_flight 0") && has("delivered_total 1") && has("failed_total 1"));
        assert!(has("duration_seconds_count 3"));
        let unreached = metrics.handler_unreached();
        assert!(has("unreached 1"));
        drop(unreached);
        assert!(has("unreached 0"));
    }
}
