//! Metrics of the listener for Kafka's clients: connections, requests, and the groups that this
//! replica coordinates.
//!
//! `listen` counts here. The lag of a group is among the metrics of subscriptions, since it is one.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled};

/// The upper bounds of the durations' buckets, in seconds; a fetch waits for what is appended, and
/// a member for its group.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];

/// The reasons for which the gateway ends a connection.
const REASONS: [&str; 13] = [
    "credential-ended",
    "evicted",
    "expired",
    "full",
    "idle",
    "keys-unavailable",
    "malformed",
    "not-enabled",
    "refused",
    "slow",
    "tenant-full",
    "too-long",
    "unsupported",
];

/// The causes for which a client is not let in.
const CAUSES: [&str; 6] = ["malformed", "no-tokens", "password", "permission", "tenant", "token"];

/// The tiers of what is kept for clients.
const TIERS: [&str; 2] = ["file", "memory"];

/// The places where a stretch of a log is found.
const PLACES: [&str; 3] = ["file", "log", "memory"];

const CLIENTS: Declared<0> = Declared::replica(
    "event_gateway_listener_clients",
    "connections",
    "Connections of Kafka's clients that are open",
);
const CLIENTS_ENDED: Declared<1> = Declared::replica(
    "event_gateway_listener_clients_ended",
    "connections",
    "Connections of Kafka's clients that the gateway has ended, by reason",
)
.by([Label::listed("reason", &REASONS)])
.note(
    "`full`: there were `KAFKA_LISTEN_CONNECTIONS_MAX` already; `unsupported`: a request, or a \
     version of one, that the [listener](listener.md) does not support; `refused`: who the client \
     is is not known, or it may not read; `evicted`: it has not said who it is, and others have \
     come; `tenant-full`: its tenant has its share of the connections; `expired`: its token has \
     ended; `credential-ended`: its credential is removed or changed; `keys-unavailable`: its \
     token can't be checked now; `not-enabled`: its tenant is not enabled. Each is logged: \
     `full` and `refused` at `warn`, the others at `debug`",
);
const LOGINS_REFUSED: Declared<1> = Declared::replica(
    "event_gateway_listener_logins_refused",
    "logins",
    "Logins of Kafka's clients that were refused, by cause",
)
.by([Label::listed("cause", &CAUSES)])
.note(
    "`password`: the name or the password of a credential is wrong; `token`: the token is refused; \
     `tenant`: the client names another tenant than its token's; `permission`: it lacks the \
     permission to read; `no-tokens`: its user name is none of a credential, and no token is taken \
     here; `malformed`: its message is none of its mechanism's. Each is logged at `warn`",
)
.alerts(&["EventGatewayLoginsRefused"]);
const REQUESTS: Declared<1> = Declared::replica(
    "event_gateway_listener_request_duration_seconds",
    "seconds",
    "Durations of the requests of Kafka's clients, from the frame to the answer",
)
.by([Label::described("request", "the name that Kafka's protocol has for it, such as `Fetch`")])
.note("A `Fetch` waits for records, a `JoinGroup` and a `SyncGroup` for the other members");
const FETCHED_RECORDS: Declared<0> = Declared::replica(
    "event_gateway_listener_fetched_records",
    "records",
    "Records that Kafka's clients were given",
)
.note(
    "Whole batches are sent, so that a client may pass over the first records. Polls and streams \
     were given `event_gateway_subscription_events_total`",
);
const FETCHED: Declared<0> = Declared::replica(
    "event_gateway_listener_fetched_bytes",
    "bytes",
    "Bytes of records that Kafka's clients were given",
);
const CACHED: Declared<1> = Declared::replica(
    "event_gateway_listener_cached_bytes",
    "bytes",
    "Bytes of records that are kept for Kafka's clients, by where they are",
)
.by([Label::listed("tier", &TIERS)]);
const CHUNKS: Declared<1> = Declared::replica(
    "event_gateway_listener_chunks",
    "chunks",
    "Stretches of a log that Kafka's clients were given records of, by where they were found",
)
.by([Label::listed("place", &PLACES)])
.note(
    "`log`: it was read from the store, and its records were made; one that is read ahead of a \
     client is counted there or in the `file`, and in `memory` when the client comes to it",
);
const CACHE_FILE_ERRORS: Declared<0> = Declared::replica(
    "event_gateway_listener_cache_file_errors",
    "errors",
    "Errors of the file that has records for Kafka's clients",
)
.note("The log is read instead. Each kind is logged at `warn`");
const MEMBERS: Declared<0> = Declared::replica(
    "event_gateway_listener_members",
    "members",
    "Members of the groups of Kafka's clients that this replica coordinates",
)
.alerts(&["EventGatewayRebalances"]);
const REBALANCES: Declared<0> = Declared::replica(
    "event_gateway_listener_rebalances",
    "rebalances",
    "Rebalances of the groups of Kafka's clients",
)
.note("Many in a short time are members that are slower than their session, or that die")
.alerts(&["EventGatewayRebalances"]);

/// The metrics of the listener.
pub(super) struct ListenerMetrics {
    clients: Gauge,
    clients_ended: Labelled<1, Counter>,
    logins_refused: Labelled<1, Counter>,
    requests: Labelled<1, Histogram>,
    fetched_records: Counter,
    fetched: Counter,
    cached: Labelled<1, Gauge>,
    chunks: Labelled<1, Counter>,
    cache_file_errors: Counter,
    members: Gauge,
    rebalances: Counter,
}

impl ListenerMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Kafka's clients");
        let requests = all.histograms(REQUESTS, || Histogram::new(SECONDS));
        drop(requests.with(["Fetch".into()]));
        let metrics = Self {
            clients: all.gauge(CLIENTS),
            clients_ended: all.counters(CLIENTS_ENDED),
            logins_refused: all.counters(LOGINS_REFUSED),
            requests,
            fetched_records: all.counter(FETCHED_RECORDS),
            fetched: all.counter(FETCHED),
            cached: all.gauges(CACHED),
            chunks: all.counters(CHUNKS),
            cache_file_errors: all.counter(CACHE_FILE_ERRORS),
            members: all.gauge(MEMBERS),
            rebalances: all.counter(REBALANCES),
        };
        for tier in TIERS {
            drop(metrics.cached.with([tier.into()]));
        }
        metrics
    }
}

/// A connection that is counted.
#[must_use]
pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Counts a connection of a Kafka client for as long as the answer lives.
    pub fn client_came(&self) -> Connected {
        self.listener.clients.inc();
        Connected(self.listener.clients.clone())
    }

    /// Counts a connection that the gateway has ended, for one of the listed reasons.
    pub fn client_ended(&self, reason: &'static str) {
        self.listener.clients_ended.with([reason.into()]).inc();
    }

    /// Counts a login of a Kafka client that was refused, for one of the listed causes.
    pub fn login_refused(&self, cause: &'static str) {
        self.listener.logins_refused.with([cause.into()]).inc();
    }

    /// Counts a request of a Kafka client that took so long.
    pub fn client_answered(&self, request: &'static str, took: Duration) {
        self.listener.requests.with([request.into()]).observe(took.as_secs_f64());
    }

    /// Counts records that a Kafka client is given, and their bytes.
    pub fn fetched(&self, records: usize, bytes: usize) {
        self.listener.fetched_records.inc_by(records as u64);
        self.listener.fetched.inc_by(bytes as u64);
    }

    /// Sets the bytes that are kept in one of the listed tiers.
    pub fn listener_caches(&self, tier: &'static str, bytes: u64) {
        self.listener.cached.with([tier.into()]).set(bytes.cast_signed());
    }

    /// Counts a stretch of a log that was found in one of the listed places.
    pub fn chunk_found(&self, place: &'static str) {
        self.listener.chunks.with([place.into()]).inc();
    }

    /// Counts an error of the cache's file.
    pub fn cache_file_failed(&self) {
        self.listener.cache_file_errors.inc();
    }

    /// Adds to the members of groups, or takes from them.
    pub fn members_changed(&self, by: i64) {
        self.listener.members.inc_by(by);
    }

    /// Counts rebalances of a group.
    pub fn rebalanced(&self, count: u64) {
        self.listener.rebalances.inc_by(count);
    }
}
