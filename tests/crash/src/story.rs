//! The story of a run, from the writers, the log, the topics' readers and the metrics.
//!
//! It is read from a gateway that is no longer written to, for the checker.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::PATIENCE;
use crate::evidence::{Logged, Observed, Replayed};
use crate::kafka::{self, Isolation, Record};
use crate::serve;

/// The pause before the gateway is asked again.
pub const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The rules of the entities: of which the log may lack events that were published, and what a
/// DELETE_ALL is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// The entity whose log is compacted: an event with a later one of its key may be gone.
    pub compacted: Option<&'static str>,
    /// The entity whose events the log keeps for a while.
    pub expiring: Option<&'static str>,
    /// The entity whose events the log keeps only until every sink has them.
    pub unstored: Option<&'static str>,
    /// The entity whose DELETE_ALLs are expanded.
    pub expanded: Option<&'static str>,
}

/// The place of the run.
pub struct Place<'a> {
    /// The URL of a gateway.
    pub url: &'a str,
    /// Kafka's `host:port`.
    pub broker: &'a str,
    /// The gateway's `ENV`.
    pub env: &'a str,
    /// All tenants.
    pub tenants: &'a [&'a str],
    /// The rules of the entities.
    pub rules: Rules,
}

/// All evidence of a run.
#[derive(Debug, Clone)]
pub struct Story {
    /// The gateway's `ENV`.
    pub env: String,
    /// The evidence of the actors.
    pub observed: Observed,
    /// Each tenant's whole log.
    pub logs: BTreeMap<String, Vec<Logged>>,
    /// The records that a read_committed consumer sees: by topic, partition and offset.
    pub committed: Vec<Record>,
    /// The records that a read_uncommitted consumer sees, in the same order.
    pub uncommitted: Vec<Record>,
    /// The rules of the entities.
    pub rules: Rules,
    /// The sums of the metrics in the end.
    pub sums: Sums,
}

impl Story {
    /// Returns the topic of an entity, all of which are the inventory's.
    pub fn topic_of(&self, tenant: &str, entity: &str) -> String {
        format!("{}.{tenant}.inventory.{entity}", self.env)
    }
}

/// The counts of events in `/metrics`: all, and those of each state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// `event_gateway_log_events`.
    pub log_events: u64,
    /// `event_gateway_events{state}`.
    pub states: BTreeMap<String, u64>,
}

impl Sums {
    /// The number of events in that state.
    pub fn of(&self, state: &str) -> u64 {
        self.states.get(state).copied().unwrap_or_default()
    }

    /// Reads them from a gateway.
    pub async fn read(url: &str) -> Self {
        Self::parse(&reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut sums = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            let state = name
                .strip_prefix("event_gateway_events{state=\"")
                .and_then(|rest| rest.strip_suffix("\"}"));
            match (name, state) {
                ("event_gateway_log_events", _) => sums.log_events = value.parse().unwrap(),
                (_, Some(state)) => {
                    sums.states.insert(state.to_owned(), value.parse().unwrap());
                }
                _ => {}
            }
        }
        sums
    }
}

/// Waits until everything is published, and reads it.
pub async fn read(place: &Place<'_>, observed: impl Into<Observed>) -> Story {
    let observed = observed.into();
    let mut logs = BTreeMap::new();
    for tenant in place.tenants {
        logs.insert((*tenant).to_owned(), published_log(place.url, tenant).await);
    }
    let again: u64 = observed.replayed.iter().map(|replay| replay.messages_published).sum();
    let is_sent = |event: &&Logged| event.is_sent() && !event.is_unsent();
    let sent = logs.values().flatten().filter(is_sent).count();
    let sums = sums(place.url).await;
    // Acknowledged changes have records, also those that have left the log; lost ones may have none,
    // and those that were erased before they were sent have none.
    let unsent = (sums.of("discarded") + sums.of("superseded")) as usize;
    let acknowledged = observed.acknowledged.len().saturating_sub(unsent);
    let live = if observed.put_backs.is_empty() { acknowledged } else { sent };
    let count = live + again as usize;
    let [committed, uncommitted] = block_in_place(|| records(place, count));
    let (env, rules) = (place.env.to_owned(), place.rules);
    Story { env, observed, logs, committed, uncommitted, rules, sums }
}

/// Returns all that a tenant's log has, once all of it is published or never will be, or patience
/// ends. A DELETE_ALL that is expanded is published once its last DELETE is, and what was erased
/// stands before an ERASED event, so the log is whole by then.
pub async fn published_log(url: &str, tenant: &str) -> Vec<Logged> {
    let until = Instant::now() + PATIENCE;
    loop {
        let log = log(url, tenant).await;
        let is_settled = |it: &Logged| it.published == Some(true) || it.is_unsent();
        if log.iter().all(is_settled) || Instant::now() > until {
            return log;
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Reads the records that both consumers see, once there are as many committed records as expected,
/// or patience ends.
fn records(place: &Place<'_>, count: usize) -> [Vec<Record>; 2] {
    let consume = |isolation| {
        let of = |tenant: &&str| {
            kafka::consume(place.broker, &format!("{}.{tenant}.*", place.env), isolation)
        };
        place.tenants.iter().flat_map(of).collect::<Vec<_>>()
    };
    let until = Instant::now() + PATIENCE;
    let mut committed = consume(Isolation::ReadCommitted);
    while committed.len() < count && Instant::now() < until {
        committed = consume(Isolation::ReadCommitted);
    }
    [committed, consume(Isolation::ReadUncommitted)]
}

/// The metrics, once they say that nothing is pending, or patience ends.
async fn sums(url: &str) -> Sums {
    let until = Instant::now() + PATIENCE;
    loop {
        let sums = Sums::read(url).await;
        let settled = sums.states.contains_key("pending") && sums.of("pending") == 0;
        if settled || Instant::now() > until {
            return sums;
        }
        sleep(LOOK_AGAIN).await;
    }
}

#[derive(Deserialize)]
struct LogPage {
    events: Vec<Logged>,
    next: Option<u64>,
}

/// All that a tenant's log has.
pub async fn log(url: &str, tenant: &str) -> Vec<Logged> {
    let (client, mut all, mut after) = (reqwest::Client::new(), Vec::new(), 0);
    loop {
        let page = client
            .get(format!("{url}/domain-events?limit=1000&gaps=skip&after={after}"))
            .header("X-Okapi-Tenant", tenant);
        let page: LogPage = page.send().await.unwrap().json().await.unwrap();
        all.extend(page.events);
        match page.next {
            Some(next) => after = next,
            None => return all,
        }
    }
}

/// The replays of these tenants.
pub async fn replayed(url: &str, tenants: &[&str]) -> Vec<Replayed> {
    let mut all = Vec::new();
    for tenant in tenants {
        all.extend(of_tenant(listed(url, tenant, "replays").await, tenant));
    }
    all
}

/// Returns what the gateway lists of a tenant under a name, which is also the path's.
pub async fn listed<T: DeserializeOwned>(url: &str, tenant: &str, name: &str) -> Vec<T> {
    let mut answer = serve::get(&format!("{url}/{name}"), tenant).await;
    serde_json::from_value(answer[name].take()).unwrap()
}

/// Names the tenant, which the answer does not.
pub fn of_tenant(replays: Vec<Replayed>, tenant: &str) -> impl Iterator<Item = Replayed> {
    replays.into_iter().map(move |replay| Replayed { tenant: tenant.to_owned(), ..replay })
}

/// Waits until the event at that position is published.
pub async fn published(url: &str, tenant: &str, position: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = serve::get(
            &format!("{url}/domain-events?limit=1&gaps=skip&after={}", position - 1),
            tenant,
        )
        .await;
        if page["events"][0]["published"] == Value::Bool(true) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "position {position} of {tenant} is still not published"
        );
        sleep(LOOK_AGAIN).await;
    }
}

/// Waits until more than those positions of a tenant's log are published; returns how many are.
pub async fn published_beyond(url: &str, tenant: &str, position: u64) -> u64 {
    published(url, tenant, position + 1).await;
    let page =
        serve::get(&format!("{url}/domain-events?after={position}&limit=1000"), tenant).await;
    let events = page["events"].as_array().unwrap().iter();
    position + events.take_while(|event| event["published"] == Value::Bool(true)).count() as u64
}
