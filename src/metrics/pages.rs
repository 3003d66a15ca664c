//! Metrics of the pages: how large those are that were published, why others were not, and what was
//! parked.
//!
//! The lanes of `follow` count here, once for each page.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::catalogue::{Catalogue, Declared, Label, Labelled};
use super::{FOLLOWER, Metrics};
use crate::domain::follower::Follower;

const CAUSES: &[&str] =
    &["retry", "away", "early", "isolate", "topic", "fenced", "denied", "cursors"];

const EVENTS: Declared<1> = Declared::replica(
    "event_gateway_page_events",
    "events",
    "Events of each page that was published, by the sink's follower",
)
.by([FOLLOWER])
.note("Pages of replays and of releases are among them; `_sum` are the events that were published");
const BYTES: Declared<1> = Declared::replica(
    "event_gateway_page_bytes",
    "bytes",
    "Bytes of the payloads of each page that was published, by the sink's follower",
)
.by([FOLLOWER]);
const FAILURES: Declared<2> = Declared::replica(
    "event_gateway_page_failures",
    "pages",
    "Pages that were not published, by what is done next and by the sink's follower",
)
.by([Label::listed("cause", CAUSES), FOLLOWER]);
const PARKED: Declared<1> = Declared::replica(
    "event_gateway_parks",
    "scopes",
    "Keys and topics that this replica parked, by the sink's follower",
)
.by([FOLLOWER])
.note("Those whose release was refused are counted again");

/// The metrics of the pages.
pub(super) struct PageMetrics {
    events: Labelled<1, Histogram>,
    bytes: Labelled<1, Histogram>,
    failures: Labelled<2, Counter>,
    parked: Labelled<1, Counter>,
}

impl PageMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        let bytes = || Histogram::new([1e3, 1e4, 1e5, 2.5e5, 5e5, 1e6, 2e6, 4e6]);
        Self {
            events: all.histograms(EVENTS, || {
                Histogram::new([0.0, 1.0, 5.0, 10.0, 50.0, 100.0, 250.0, 499.0])
            }),
            bytes: all.histograms(BYTES, bytes),
            failures: all.counters(FAILURES),
            parked: all.counters(PARKED),
        }
    }

    /// Makes the metrics of this follower, which begin at 0.
    pub(super) fn follows(&self, follower: &Follower) {
        drop(self.events.with([follower.into()]));
        drop(self.bytes.with([follower.into()]));
        drop(self.parked.with([follower.into()]));
        for cause in CAUSES {
            drop(self.failures.with([(*cause).into(), follower.into()]));
        }
    }
}

impl Metrics {
    /// Counts a page that was published, with so many events and bytes of payloads.
    pub fn page_published(&self, follower: &Follower, events: usize, bytes: usize) {
        self.pages.events.with([follower.into()]).observe(events as f64);
        self.pages.bytes.with([follower.into()]).observe(bytes as f64);
    }

    /// Counts that a page was not published; `cause` is a word for what is done next.
    pub fn page_failed(&self, follower: &Follower, cause: &'static str) {
        self.pages.failures.with([cause.into(), follower.into()]).inc();
    }

    /// Counts scopes that were parked.
    pub fn parked(&self, follower: &Follower, scopes: usize) {
        self.pages.parked.with([follower.into()]).inc_by(scopes as u64);
    }
}
