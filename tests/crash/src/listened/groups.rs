//! The groups of a run with the listener, and what is asked about them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::evidence::{GroupAct, Logged};
use crate::kafka::Record;
use crate::members::{Members, Plan};
use crate::replicas_client::ReplicasClient;
use crate::story::{self, LOOK_AGAIN};
use crate::tenants::{ENV, PARTITIONS, RULES, VISITOR};
use crate::{PATIENCE, load, tenants, visitor};

/// The tenants whose writers go on all the time.
pub(super) const TENANTS: [&str; 2] = [tenants::TENANTS[0], tenants::TENANTS[1]];
/// The time for which the log keeps events that a group has not committed.
const HOLD_SECS: u64 = 3_600;
/// The lease of a reader over HTTP.
const LEASE_SECS: u64 = 2;
/// The longest time for which the seat of the group that comes late is empty: longer than the log
/// keeps events of the entity that expires.
const LATE_MS: u64 = 40_000;
/// The pause before it is looked again whether all has come.
const CAME_AGAIN: Duration = Duration::from_millis(500);

/// The place of the group that changes to HTTP and back among the plans.
pub(super) const TURNS: usize = 2;
/// The place of the group that reads the topics of the tenant that comes and goes.
pub(super) const VISITED: usize = 4;

/// Returns the groups: two whose members come and go, one that changes to HTTP and back, one that
/// comes late and misses what has left the logs, and one that reads a tenant that comes and goes.
pub(super) fn plans() -> [Plan; 5] {
    let plan = |number: usize, entities: &[&str], strategy, seats| {
        let topics =
            TENANTS.iter().flat_map(|tenant| entities.iter().map(move |it| topic(tenant, it)));
        Plan {
            group: format!("cg.crash-{number}"),
            topics: topics.collect(),
            partitions: PARTITIONS,
            strategy,
            seats,
            is_held: true,
            rests_ms: 0,
        }
    };
    let (all, [_, cold @ ..]) = (load::entities(), load::entities());
    let late = Plan { is_held: false, rests_ms: LATE_MS, ..plan(3, &cold, "range", 1) };
    let topics = [topic(TENANTS[0], cold[1]), topic(VISITOR, visitor::ENTITY)].into();
    let visited = plan(VISITED, &[], "cooperative-sticky", 2);
    [
        plan(0, &all, "range,roundrobin", 2),
        plan(1, &all, "cooperative-sticky", 3),
        // What one key of a tenant has all the time is left out, so that a long run fits into memory.
        plan(TURNS, &cold, "range,roundrobin", 2),
        late,
        Plan { topics, is_held: false, ..visited },
    ]
}

fn topic(tenant: &str, entity: &str) -> String {
    format!("{ENV}.{tenant}.inventory.{entity}")
}

/// Makes a group's subscriptions, so that no event leaves the log before the group has read it.
pub(super) async fn make(url: &str, plan: &Plan) {
    let group = &plan.group;
    for tenant in TENANTS {
        let form = json!({
            "topics": plan.topics_of(tenant).collect::<Vec<_>>(),
            "start": "earliest",
            "leaseSeconds": LEASE_SECS,
            "holdSeconds": HOLD_SECS,
        });
        let put = reqwest::Client::new().put(format!("{url}/subscriptions/{group}")).json(&form);
        let put = put.header("X-Okapi-Tenant", tenant).send().await.unwrap();
        assert_eq!(put.status(), 201, "{group} of {tenant}");
    }
}

/// Returns from where on the logs have everything of the topics whose events expire; `None` if that
/// is not told.
pub(super) async fn floors(url: &str) -> Option<BTreeMap<String, i64>> {
    let (client, mut rng) = (ReplicasClient::new(&[url.to_owned()]), Rng::new());
    let entity = RULES.expiring?;
    let path = format!("/domain-events?producer=inventory&entity={entity}&limit=1&after=0");
    let mut floors = BTreeMap::new();
    for tenant in TENANTS {
        let (status, answer) = client.get(&mut rng, tenant, &path).await?;
        let missing = answer["missing"]["to"].as_i64();
        let floor = match status {
            200 => missing.map_or(0, |last| last + 1),
            410 => missing? + 1,
            _ => return None,
        };
        floors.insert(topic(tenant, entity), floor);
    }
    Some(floors)
}

/// Returns the tenants' logs, once each DELETE_ALL that is expanded has all of its DELETEs, or
/// patience ends.
pub(super) async fn logs(url: &str) -> BTreeMap<String, Vec<Logged>> {
    let until = Instant::now() + PATIENCE;
    let mut logs = BTreeMap::new();
    for tenant in TENANTS {
        let mut log = story::log(url, tenant).await;
        while !is_expanded(&log) && Instant::now() < until {
            sleep(LOOK_AGAIN).await;
            log = story::log(url, tenant).await;
        }
        logs.insert(tenant.to_owned(), log);
    }
    logs
}

/// Returns whether every record that stands before a DELETE_ALL which is expanded is deleted, or was
/// touched since.
fn is_expanded(log: &[Logged]) -> bool {
    let is_request = |it: &&Logged| !it.is_sent();
    let requests = log.iter().filter(is_request).map(|it| (it.topic.as_str(), it.position));
    // In order of position, so the last one of a topic or of a key stays.
    let requests: HashMap<_, _> = requests.collect();
    let events = log.iter().filter(|it| it.is_sent());
    let newest: HashMap<_, _> = events.map(|it| ((&it.topic, &it.key), it)).collect();
    newest.values().all(|it| {
        let request = requests.get(it.topic.as_str());
        let is_gone = it.is_of_type("DELETE") || it.is_of_type("ERASED");
        is_gone || request.is_none_or(|request| it.position > *request)
    })
}

/// Waits until a group has got every event of its topics that the logs have, or that time comes.
pub(super) async fn until_all_came(group: &Members, url: &str, until: Instant) {
    while Instant::now() < until {
        let (logs, came) = (logs(url).await, group.came());
        let its = |it: &&Logged| it.is_sent() && group.plan().topics.contains(&it.topic);
        let mut wanted = logs.values().flatten().filter(its).filter(|it| it.erased.is_none());
        if wanted.all(|it| came.contains(&it.event_id)) {
            return;
        }
        sleep(CAME_AGAIN).await;
    }
}

/// Returns the first record of each event that came, by topic, partition and offset.
pub(super) fn first_records<'a>(acts: impl Iterator<Item = &'a GroupAct>) -> Vec<Record> {
    let mut first: BTreeMap<(String, i32, i64), Record> = BTreeMap::new();
    for act in acts {
        if let GroupAct::Got { record, .. } = act {
            let place = (record.topic.clone(), record.partition, record.offset);
            first.entry(place).or_insert_with(|| record.clone());
        }
    }
    first.into_values().collect()
}
