//! All metrics: what is counted and measured, as `GET /metrics` shows it.
//!
//! Whoever does something counts it here as it happens; the store's counts are added when metrics
//! are asked for. Each metric is declared once, in a file of this room, and registered from its
//! declaration (`catalogue`); docs/metrics.md is made of the list. The values of labels are bounded
//! in number: there are no ids among them, and tenants only as far as an operator asks for them.

mod access;
mod calls;
mod catalogue;
mod handlers;
mod http;
mod intake;
mod listener;
mod log;
mod pages;
mod process;
mod quota;
mod removal;
mod replays;
mod scrape;
mod sinks;
mod subscriptions;
mod tasks;
mod tenants;
mod traces;

use std::sync::Mutex;

use access::AccessMetrics;
use calls::CallMetrics;
use catalogue::Catalogue;
pub use catalogue::{Entry, Label, Scope, Values};
use handlers::HandlerMetrics;
pub use handlers::{CountedCall, CountedUnreached};
use http::Http;
pub use http::Request;
use intake::IntakeMetrics;
pub use listener::Connected;
use listener::ListenerMetrics;
use log::LogMetrics;
pub use log::{Scrape, StoreCounts};
use pages::PageMetrics;
use process::ProcessMetrics;
use quota::QuotaMetrics;
use removal::RemovalMetrics;
pub use replays::OpenReplays;
use replays::ReplayMetrics;
use sinks::SinkMetrics;
use subscriptions::SubscriptionMetrics;
pub use subscriptions::{CountedReader, GroupLag};
use tasks::TaskMetrics;
use tenants::TenantMetrics;
pub use tenants::TenantPositions;
use traces::TraceMetrics;

use crate::domain::follower::Follower;

/// The media type of the metrics' text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The label of a metric of one sink.
const FOLLOWER: Label = Label::described("follower", "a sink's follower: `relay` is the broker's");

/// All metrics.
pub struct Metrics {
    catalogue: Catalogue,
    /// Held from the first value that a scrape sets until its text is made.
    scrapes: Mutex<()>,
    intake: IntakeMetrics,
    tenants: TenantMetrics,
    http: Http,
    quota: QuotaMetrics,
    access: AccessMetrics,
    log: LogMetrics,
    sinks: SinkMetrics,
    pages: PageMetrics,
    replays: ReplayMetrics,
    subscriptions: SubscriptionMetrics,
    handlers: HandlerMetrics,
    listener: ListenerMetrics,
    removal: RemovalMetrics,
    calls: CallMetrics,
    tasks: TaskMetrics,
    traces: TraceMetrics,
    process: ProcessMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Catalogue::default();
        Self {
            intake: IntakeMetrics::new(&mut all),
            tenants: TenantMetrics::new(&mut all),
            http: Http::new(&mut all),
            quota: QuotaMetrics::new(&mut all),
            access: AccessMetrics::new(&mut all),
            log: LogMetrics::new(&mut all),
            sinks: SinkMetrics::new(&mut all),
            pages: PageMetrics::new(&mut all),
            replays: ReplayMetrics::new(&mut all),
            subscriptions: SubscriptionMetrics::new(&mut all),
            handlers: HandlerMetrics::new(&mut all),
            listener: ListenerMetrics::new(&mut all),
            removal: RemovalMetrics::new(&mut all),
            calls: CallMetrics::new(&mut all),
            tasks: TaskMetrics::new(&mut all),
            traces: TraceMetrics::new(&mut all),
            process: ProcessMetrics::new(&mut all),
            scrapes: Mutex::default(),
            catalogue: all,
        }
    }
}

impl Metrics {
    /// Makes the metrics of this sink's follower, which begin at 0.
    pub fn follows(&self, follower: &Follower) {
        self.sinks.follows(follower);
        self.pages.follows(follower);
        self.calls.follows(follower);
        self.held_back([]);
    }

    /// Returns the list of all metrics.
    pub fn entries(&self) -> &[Entry] {
        self.catalogue.entries()
    }
}
