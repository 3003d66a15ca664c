//! Metrics of the subscriptions: readers, delivered events, and each group's lag, halt and dead
//! letters.
//!
//! `subscribe` counts here; the lags are added when `/metrics` is asked for. A group's label has no
//! tenant, and Kafka's clients give any name to their groups: so only names of modules that nobody
//! has generated are labels, a hundred at most, and all other groups share one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled, Seconds};
use crate::domain::subscription::Group;
use crate::store::Lag;

/// The most groups that have a label of their own.
const GROUPS_MAX: usize = 100;
/// The label of all groups that have none of their own.
const OTHER: &str = "other";
/// The fewest digits at the end of a name's part that nobody has chosen.
const DIGITS_MIN: usize = 5;
/// The fewest characters of a hexadecimal number that nobody has chosen.
const HEX_MIN: usize = 8;

const GROUP: Label = Label::described(
    "group",
    "a group that is named for its module (`cg.`), over all tenants: at most 100, of which those \
     that are read come first, and then those that have lagged for the shortest time; `other` is \
     the sum of all others, and of those whose names look generated",
);

const READERS: Declared<0> = Declared::replica(
    "event_gateway_subscription_readers",
    "readers",
    "Polls and streams of subscriptions that are open on this replica",
)
.note("Kafka's clients are counted by `event_gateway_listener_clients`");
const DELIVERED: Declared<0> = Declared::replica(
    "event_gateway_subscription_events",
    "events",
    "Events that this replica has delivered to polls and streams of subscriptions",
)
.note("Kafka's clients were given `event_gateway_listener_fetched_records_total`");
const ENDED: Declared<1> = Declared::replica(
    "event_gateway_subscription_streams_ended",
    "streams",
    "Streams of subscriptions that this replica has ended, by reason",
)
.by([Label::described(
    "reason",
    "`slow`, `token-expired`, `stopping`, or the problem that the reader was told",
)]);
const LAG_EVENTS: Declared<1> = Declared::store(
    "event_gateway_subscription_lag_events",
    "positions",
    "Positions that a subscription's group has not committed, of all tenants",
)
.by([GROUP]);
const LAG_SECONDS: Declared<1> = Declared::store(
    "event_gateway_subscription_lag_seconds",
    "seconds",
    "Age of the oldest event that a subscription's group has not committed",
)
.by([GROUP])
.note(
    "[Subscriptions](subscriptions.md) says what a group is; how far one may lag, its module knows",
);
const HALTED: Declared<1> = Declared::store(
    "event_gateway_subscription_halted",
    "subscriptions",
    "Subscriptions of a group that are paused, or have stopped at an event or for good, of all \
     tenants",
)
.by([GROUP])
.note("[Handlers](handlers.md) says what stops one, and how it goes on")
.alerts(&["EventGatewaySubscriptionHalted"]);
const DEAD: Declared<1> = Declared::store(
    "event_gateway_handler_dead_letters",
    "events",
    "Dead letters of a group, of all tenants",
)
.by([GROUP]);
const DEAD_SECONDS: Declared<1> = Declared::store(
    "event_gateway_handler_dead_letter_seconds",
    "seconds",
    "Time since the oldest dead letter of a group failed; 0 without one",
)
.by([GROUP])
.alerts(&["EventGatewayDeadLetters"]);

/// The lag of one tenant's group, and what is not well with it.
#[derive(Debug, Clone)]
pub struct GroupLag {
    /// The group.
    pub group: Group,
    /// Whether somebody reads for it.
    pub is_read: bool,
    /// The lag.
    pub lag: Lag,
    /// Whether it has halted.
    pub is_halted: bool,
    /// The number of its dead letters.
    pub dead: u64,
    /// The time since the oldest one failed.
    pub dead_for: Duration,
}

/// The sum of several groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    lag: Lag,
    halted: u64,
    dead: u64,
    dead_for: Duration,
}

/// The metrics of the subscriptions.
pub(super) struct SubscriptionMetrics {
    readers: Gauge,
    delivered: Counter,
    ended: Labelled<1, Counter>,
    lag_events: Labelled<1, Gauge>,
    lag_seconds: Labelled<1, Seconds>,
    halted: Labelled<1, Gauge>,
    dead: Labelled<1, Gauge>,
    dead_seconds: Labelled<1, Seconds>,
}

impl SubscriptionMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Subscriptions");
        let ended = all.counters(ENDED);
        drop(ended.with(["slow".into()]));
        Self {
            readers: all.gauge(READERS),
            delivered: all.counter(DELIVERED),
            ended,
            lag_events: all.gauges(LAG_EVENTS),
            lag_seconds: all.each_seconds(LAG_SECONDS),
            halted: all.gauges(HALTED),
            dead: all.gauges(DEAD),
            dead_seconds: all.each_seconds(DEAD_SECONDS),
        }
    }
}

/// A reader that is counted.
#[must_use]
pub struct CountedReader(Gauge);

impl Drop for CountedReader {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Counts a poll or a stream of a subscription for as long as the answer lives.
    pub fn reader_came(&self) -> CountedReader {
        self.subscriptions.readers.inc();
        CountedReader(self.subscriptions.readers.clone())
    }

    /// Counts events that are given to a reader.
    pub fn delivered(&self, events: usize) {
        self.subscriptions.delivered.inc_by(events as u64);
    }

    /// Counts a stream that the gateway has ended, for this reason.
    pub fn stream_ended(&self, reason: &'static str) {
        self.subscriptions.ended.with([reason.into()]).inc();
    }

    /// Sets the lag of every group, its halts and dead letters, over all tenants; none while the
    /// store is down.
    pub(super) fn groups_lagging(&self, lags: &[GroupLag]) {
        let SubscriptionMetrics { lag_events, lag_seconds, halted, dead, dead_seconds, .. } =
            &self.subscriptions;
        for gauge in [lag_events, halted, dead] {
            gauge.clear();
        }
        for gauge in [lag_seconds, dead_seconds] {
            gauge.clear();
        }
        for (group, sum) in labelled(lags) {
            let counts = [(lag_events, sum.lag.events), (halted, sum.halted), (dead, sum.dead)];
            for (gauge, count) in counts {
                gauge.with([group.to_owned().into()]).set(count.cast_signed());
            }
            for (gauge, time) in [(lag_seconds, sum.lag.oldest), (dead_seconds, sum.dead_for)] {
                gauge.with([group.to_owned().into()]).set(time.as_secs_f64());
            }
        }
    }
}

/// Returns the groups that have a label, with their sums over all tenants, and the sum of all
/// others.
fn labelled(lags: &[GroupLag]) -> Vec<(&str, Sum)> {
    let (mut by_group, mut other) = (BTreeMap::<&str, (bool, Sum)>::new(), None::<Sum>);
    for one in lags {
        if has_label(&one.group) {
            let (is_read_at_all, sum) = by_group.entry(one.group.as_str()).or_default();
            *is_read_at_all |= one.is_read;
            sum.add(of(one));
        } else {
            other.get_or_insert_default().add(of(one));
        }
    }
    let mut ranked: Vec<_> = by_group.into_iter().collect();
    ranked.sort_by_key(|(_, (is_read, sum))| rank(*is_read, sum.lag));
    for (_, (_, sum)) in ranked.iter().skip(GROUPS_MAX) {
        other.get_or_insert_default().add(*sum);
    }
    ranked.truncate(GROUPS_MAX);
    let own = ranked.into_iter().map(|(group, (_, sum))| (group, sum));
    own.chain(other.map(|sum| (OTHER, sum))).collect()
}

fn of(GroupLag { lag, is_halted, dead, dead_for, .. }: &GroupLag) -> Sum {
    Sum { lag: *lag, halted: u64::from(*is_halted), dead: *dead, dead_for: *dead_for }
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.lag.events += other.lag.events;
        self.lag.oldest = self.lag.oldest.max(other.lag.oldest);
        self.halted += other.halted;
        self.dead += other.dead;
        self.dead_for = self.dead_for.max(other.dead_for);
    }
}

/// Returns the rank of a group. An abandoned one lags for longer and longer, so that it comes last.
fn rank(is_read: bool, lag: Lag) -> (bool, Duration, Reverse<u64>) {
    let lags_for = if is_read { Duration::ZERO } else { lag.oldest };
    (!is_read, lags_for, Reverse(lag.events))
}

/// Returns whether a group may have a label of its own: its name has the form of those that are
/// named for a module, and no part of it is a number or an id that was generated.
fn has_label(group: &Group) -> bool {
    let name = group.as_str();
    Group::parse(name).is_ok() && !name.split(['-', '_', '.']).any(is_generated)
}

/// Returns whether a part of a name looks like one of a UUID, a time, a hash or a random number.
fn is_generated(part: &str) -> bool {
    let digits = part.bytes().rev().take_while(u8::is_ascii_digit).count();
    let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
    digits >= DIGITS_MIN || is_hex && has_digit && part.len() >= HEX_MIN
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{GROUPS_MAX, GroupLag, Lag, Sum, labelled};
    use crate::domain::subscription::Group;

    fn lag(name: &str, is_read: bool, events: u64) -> GroupLag {
        let (group, oldest) = (Group::of_kafka(name).unwrap(), Duration::from_secs(events));
        let (lag, dead_for) = (Lag { events, oldest }, Duration::ZERO);
        GroupLag { group, is_read, lag, is_halted: false, dead: 0, dead_for }
    }

    #[test]
    fn halts_and_dead_letters_of_all_tenants_are_summed() {
        let well = lag("cg.a", true, 1);
        let dead_for = Duration::from_secs(7);
        let halted = GroupLag { is_halted: true, dead: 3, dead_for, ..well.clone() };
        let all = [well, halted.clone(), halted];
        let shown = labelled(&all);
        let lag = Lag { events: 3, oldest: Duration::from_secs(1) };
        assert_eq!(shown, [("cg.a", Sum { lag, halted: 2, dead: 6, dead_for })]);
    }

    #[test]
    fn only_names_of_modules_are_labels_and_generated_ones_are_summed() {
        let own = ["cg.a", "cg.decade", "cg.export-2024", "cg.mod-search-4.1.0", "cg.search_2"];
        let other = [
            "cg.47132",
            "cg.mod-search-3f0c2a9d-5a63-4c1e-9a70-fedcbaabcdef",
            "cg.search-7d9f8b6c5d-x2x4z",
            "cg.search1767225600000",
            "console-consumer-47132",
            "search",
        ];
        let all: Vec<_> = own.iter().chain(&other).map(|name| lag(name, true, 2)).collect();
        let shown = labelled(&all);
        let names: Vec<_> = shown.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, own.into_iter().chain(["other"]).collect::<Vec<_>>());
        assert_eq!(shown[5].1.lag, Lag { events: 12, oldest: Duration::from_secs(2) });
        assert_eq!(labelled(&all[..1]).len(), 1, "nothing is summed where all have labels");
    }

    #[test]
    fn abandoned_groups_crowd_out_neither_those_that_are_read_nor_those_that_lag_shortly() {
        let abandoned = (0..2 * GROUPS_MAX).map(|at| lag(&format!("cg.old-{at}"), false, 9_000));
        let mut all: Vec<_> = abandoned.collect();
        all.push(lag("cg.polled", false, 7));
        all.extend([lag("cg.read", false, 10_000), lag("cg.read", true, 1)]);
        let shown = labelled(&all);
        assert_eq!(shown.len(), GROUPS_MAX + 1);
        let first: Vec<_> = shown[..2].iter().map(|(name, sum)| (*name, sum.lag.events)).collect();
        assert_eq!(first, [("cg.read", 10_001), ("cg.polled", 7)]);
        let (other, sum) = shown[GROUPS_MAX];
        assert_eq!((other, sum.lag.events), ("other", 9_000 * (GROUPS_MAX as u64 + 2)));
    }
}
