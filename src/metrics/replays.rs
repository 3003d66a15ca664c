//! Metrics of the replays: those that are open, what they have published, and how they ended.
//!
//! The lanes of `follow` count here.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled, Values};
use crate::domain::replay::Outcome;

const OPEN: Declared<0> = Declared::replica(
    "event_gateway_replays_open",
    "replays",
    "Replays that this replica carries out, paused ones included",
);
const EVENTS: Declared<0> = Declared::replica(
    "event_gateway_replayed_events",
    "events",
    "Events that replays have published",
);
const BYTES: Declared<0> = Declared::replica(
    "event_gateway_replayed_bytes",
    "bytes",
    "Bytes of the payloads that replays have published",
);
const ENDED: Declared<1> = Declared::replica(
    "event_gateway_replays_ended",
    "replays",
    "Replays that have ended on this replica, by their outcome",
)
.by([Label {
    name: "outcome",
    values: Values::ListedElsewhere(|| {
        [Outcome::Completed, Outcome::Failed, Outcome::Cancelled].map(Outcome::as_str).into()
    }),
}])
.alerts(&["EventGatewayReplayFailed"]);

/// The metrics of the replays.
pub(super) struct ReplayMetrics {
    open: Gauge,
    events: Counter,
    bytes: Counter,
    ended: Labelled<1, Counter>,
}

impl ReplayMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Replays");
        Self {
            open: all.gauge(OPEN),
            events: all.counter(EVENTS),
            bytes: all.counter(BYTES),
            ended: all.counters(ENDED),
        }
    }
}

/// One lane's part of the number of open replays, which is taken back when it is dropped.
#[derive(Debug)]
pub struct OpenReplays {
    all: Gauge,
    counted: i64,
}

impl OpenReplays {
    /// Sets how many replays the lane has.
    pub fn set(&mut self, replays: usize) {
        let replays = i64::try_from(replays).unwrap_or(i64::MAX);
        self.all.inc_by(replays - self.counted);
        self.counted = replays;
    }
}

impl Drop for OpenReplays {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Metrics {
    /// Returns a lane's part of the number of open replays.
    pub fn open_replays(&self) -> OpenReplays {
        OpenReplays { all: self.replays.open.clone(), counted: 0 }
    }

    /// Counts the events of a replay's page, and the bytes of their payloads.
    pub fn replayed(&self, events: u64, bytes: u64) {
        self.replays.events.inc_by(events);
        self.replays.bytes.inc_by(bytes);
    }

    /// Counts that a replay has ended.
    pub fn replay_ended(&self, outcome: Outcome) {
        self.replays.ended.with([outcome.as_str().into()]).inc();
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[test]
    fn open_replays_of_a_lane_that_is_gone_count_no_longer() {
        let metrics = Metrics::default();
        let is = |open: usize| {
            let line = format!("event_gateway_replays_open {open}\n");
            assert!(metrics.text().contains(&line), "{open}: {}", metrics.text());
        };
        let (mut one, mut other) = (metrics.open_replays(), metrics.open_replays());
        one.set(3);
        other.set(2);
        is(5);
        one.set(1);
        is(3);
        drop(one);
        is(2);
    }
}
