//! The crash loop with the listener in Kafka's place: groups of Kafka's clients read from a gateway
//! that is killed again and again, while the load goes on.
//!
//! With a store that has a server, two replicas listen and take changes: a group's coordinator may
//! die, stand still or stop while the other one goes on. DELETE_ALLs and erasures go on beside the
//! writers, and the events of one entity leave the log once the groups have read them. The checker
//! holds the members' histories to the log.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::checker::{self, Finding};
use crate::delete_alls::DeleteAlls;
use crate::eraser::Eraser;
use crate::evidence::{GroupAct, Logged, Observed};
use crate::folder::Folder;
use crate::kafka::Record;
use crate::load::{Load, Plan};
use crate::members::{self, Members};
use crate::proxy::Proxy;
use crate::replica::Replica;
use crate::run::{Options, SHOWN_MAX, new_folder};
use crate::schedule::{Before, Fault, Kind, Schedule};
use crate::serve::Setup;
use crate::story::{self, Story, Sums};
use crate::tenants::{self, DELETED, ENV, LISTENED, PARTITIONS};
use crate::{PATIENCE, load, ports, store};

/// The tenants.
const TENANTS: [&str; 2] = [tenants::TENANTS[0], tenants::TENANTS[1]];
/// The faults that strike a gateway or its store.
const KINDS: [Kind; 4] = [Kind::Killed, Kind::Stopped, Kind::Frozen, Kind::StoreKilled];
/// The time for which the log keeps events that a group has not committed.
const HOLD_SECS: u64 = 3_600;
const NAMES: [&str; 2] = ["one", "two"];

/// Runs the loop, prints what happens, and returns what the checker has found. A run that can't go
/// on panics, and keeps its folder.
pub async fn run(options: &Options) -> Vec<Finding> {
    let started = Instant::now();
    let folder = options.folder.clone().unwrap_or_else(new_folder);
    fs::create_dir_all(&folder).unwrap();
    let Options { faults, kills, seed, .. } = options;
    println!("seed {seed}, {faults} faults, with the listener; in {}", folder.display());
    let mut harness = Harness::start(options, &folder).await;
    let (mut count, mut by_kind) = (0, BTreeMap::<Kind, usize>::new());
    for fault in Schedule::of(&KINDS, *seed, harness.replicas.len()) {
        if count >= *faults && harness.kills >= *kills {
            break;
        }
        let (Before::Changes(changes) | Before::ChangesAndPublished(changes)) = fault.before;
        harness.load.more(changes).await;
        count += 1;
        *by_kind.entry(fault.kind).or_default() += 1;
        let name = harness.replicas[fault.replica].name;
        println!("{:7.1} s  {count:>3}  {}: {name}", started.elapsed().as_secs_f64(), fault.kind);
        harness.suffer(&fault).await;
        for group in &harness.groups {
            group.look().await;
        }
    }
    harness.load.more(100).await;
    let kills = harness.kills;
    let story = harness.settle().await;
    let findings = checker::check_listened(&story);
    println!("time: {} s; faults: {by_kind:?}; kills: {kills}", started.elapsed().as_secs());
    print_counts(&story);
    for kind in checker::Kind::ALL {
        let of_kind = findings.iter().filter(|finding| finding.kind == kind);
        of_kind.take(SHOWN_MAX).for_each(|finding| println!("{finding}"));
    }
    println!("{} findings", findings.len());
    if findings.is_empty() && options.folder.is_none() {
        fs::remove_dir_all(&folder).unwrap();
    }
    findings
}

fn print_counts(story: &Story) {
    let Observed { acknowledged, delete_alls, erasures, groups, .. } = &story.observed;
    println!("changes acknowledged: {}", acknowledged.len());
    println!("DELETE_ALLs: {}; erasures: {}", delete_alls.len(), erasures.len());
    for group in groups {
        let count = |is: &dyn Fn(&GroupAct) -> bool| group.acts.iter().filter(|it| is(it)).count();
        println!(
            "{}: {} records, {} assignments, {} commits taken and {} not, {} looks",
            group.group,
            count(&|it| matches!(it, GroupAct::Got { .. })),
            count(&|it| matches!(it, GroupAct::Assigned { .. })),
            count(&|it| matches!(it, GroupAct::Committed { is_done: true, .. })),
            count(&|it| matches!(it, GroupAct::Committed { is_done: false, .. })),
            count(&|it| matches!(it, GroupAct::Stands { .. })),
        );
    }
}

/// The store, the replicas, the writers and the groups.
struct Harness {
    store: store::Server,
    replicas: Vec<Replica>,
    load: Load,
    delete_alls: DeleteAlls,
    eraser: Eraser,
    groups: Vec<Members>,
    kills: usize,
}

impl Harness {
    async fn start(options: &Options, folder: &Path) -> Self {
        let part = |name: &str| Folder::given(folder.join(name));
        let store = store::Server::start(options.store, part("store")).await;
        let names = if let store::Server::Sqlite(_) = &store { &NAMES[..1] } else { &NAMES };
        let (mut replicas, mut addresses) = (Vec::new(), Vec::new());
        for (&name, port) in names.iter().zip(ports::free::<{ NAMES.len() }>()) {
            let setup = Setup::new_in(part(name), &options.gateway, &TENANTS).with("ENV", ENV);
            let setup = setup.with("REPLICA", name).with("STORE_URL", store.url());
            let setup = setup.with("BROKER", "none").with("LANES", TENANTS.len());
            let setup = setup.for_each_tenant(&tenants::listened_settings());
            let setup = setup.with("KAFKA_LISTEN_PORT", port);
            addresses.push(format!("127.0.0.1:{port}"));
            // No replica has a Kafka, so its proxy has nobody behind it.
            let mut replica = Replica::new(name, Proxy::start("127.0.0.1:1").await, setup);
            replica.start();
            replicas.push(replica);
        }
        let urls: Vec<_> = replicas.iter().map(|replica| replica.setup.url()).collect();
        let (broker, seed) = (addresses.join(","), options.seed);
        let mut groups = Vec::new();
        for (at, strategy) in ["range,roundrobin", "cooperative-sticky"].into_iter().enumerate() {
            let group = format!("cg.crash-{at}");
            make(&urls[0], &group).await;
            let (topics, partitions) = (TENANTS.iter().flat_map(|it| topics(it)), PARTITIONS);
            let topics = topics.collect();
            let plan = members::Plan { group, topics, partitions, strategy, seats: 2 + at };
            groups.push(Members::start(&broker, plan, seed.wrapping_add(at as u64)));
        }
        let era = Arc::<AtomicU32>::default();
        // Nothing is published, so nobody waits to hear of it.
        let (sender, _) = mpsc::unbounded_channel();
        let delete_alls = DeleteAlls::start(&urls, &TENANTS, &DELETED, seed, &sender, &era);
        let completions = Arc::<AtomicU64>::default();
        let eraser = Eraser::start(&urls, &broker, &TENANTS, seed, &era, &completions);
        let journal = File::create(folder.join("acknowledged.ndjson")).unwrap();
        let load = Load::of(&Plan {
            urls,
            tenants: TENANTS.map(str::to_owned).into(),
            keys: 4,
            pause: Duration::from_millis(80),
            hot: 1,
            resting: 8,
            unstored: None,
            journal: Some(Arc::new(Mutex::new(journal))),
            sender: None,
            era,
        });
        Self { store, replicas, load, delete_alls, eraser, groups, kills: 0 }
    }

    /// Lets a fault strike.
    async fn suffer(&mut self, fault: &Fault) {
        let of = fault.replica;
        match fault.kind {
            Kind::Stopped => self.replicas[of].stop(),
            Kind::Frozen => {
                self.replicas[of].signal("STOP");
                sleep(Duration::from_secs(fault.seconds)).await;
                self.replicas[of].signal("CONT");
            }
            // SQLite lives in its replica.
            Kind::StoreKilled if matches!(self.store, store::Server::Sqlite(_)) => {
                self.kill(of);
                sleep(Duration::from_secs(fault.seconds)).await;
            }
            Kind::StoreKilled => {
                block_in_place(|| self.store.kill());
                sleep(Duration::from_secs(fault.seconds)).await;
                if let Some(dead) = fault.meanwhile {
                    self.kill(dead);
                }
                self.store.restart().await;
            }
            _ => self.kill(of),
        }
        let dead = self.replicas.iter_mut().filter(|replica| !replica.is_running());
        dead.for_each(Replica::start);
    }

    fn kill(&mut self, of: usize) {
        self.kills += 1;
        self.replicas[of].kill();
    }

    /// Ends the load, lets the groups read to its end, and tells the story.
    async fn settle(self) -> Story {
        let url = self.replicas[0].setup.url();
        let acknowledged = self.load.finish().await;
        let delete_alls = self.delete_alls.finish().await;
        let (asked_erasures, erasures) = self.eraser.finish(&url, &TENANTS).await;
        let mut logs = BTreeMap::new();
        for tenant in TENANTS {
            let mut log = story::log(&url, tenant).await;
            // There is no Kafka, so the log knows nothing of what is published.
            log.iter_mut().for_each(|event| event.published = Some(true));
            logs.insert(tenant.to_owned(), log);
        }
        self.groups.iter().for_each(Members::calm);
        for group in &self.groups {
            until_all_came(group, &logs).await;
            group.look().await;
        }
        let finish = || self.groups.into_iter().map(Members::finish).collect::<Vec<_>>();
        let groups = block_in_place(finish);
        let committed = first_records(groups.iter().flat_map(|group| &group.acts));
        let observed = Observed {
            acknowledged,
            delete_alls,
            asked_erasures,
            erasures,
            groups,
            ..Observed::default()
        };
        let (env, rules, uncommitted) = (ENV.to_owned(), LISTENED, Vec::new());
        Story { env, observed, logs, committed, uncommitted, rules, sums: Sums::default() }
    }
}

/// Returns a tenant's topics.
fn topics(tenant: &str) -> Vec<String> {
    load::entities().map(|entity| format!("{ENV}.{tenant}.inventory.{entity}")).into()
}

/// Makes a group's subscriptions, so that no event leaves the log before the group has read it.
async fn make(url: &str, group: &str) {
    for tenant in TENANTS {
        let form =
            json!({ "topics": topics(tenant), "start": "earliest", "holdSeconds": HOLD_SECS });
        let put = reqwest::Client::new().put(format!("{url}/subscriptions/{group}")).json(&form);
        let put = put.header("X-Okapi-Tenant", tenant).send().await.unwrap();
        assert_eq!(put.status(), 201, "{group} of {tenant}");
    }
}

/// Waits until a group has got every event of the logs, or patience ends.
async fn until_all_came(group: &Members, logs: &BTreeMap<String, Vec<Logged>>) {
    let until = Instant::now() + PATIENCE;
    let events = logs.values().flatten().filter(|it| it.is_sent() && it.erased.is_none());
    let wanted: Vec<_> = events.map(|it| it.event_id.as_str()).collect();
    loop {
        let came = group.came();
        if wanted.iter().all(|id| came.contains(*id)) || Instant::now() > until {
            return;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Returns the first record of each event that came, by topic, partition and offset.
fn first_records<'a>(acts: impl Iterator<Item = &'a GroupAct>) -> Vec<Record> {
    let mut first: BTreeMap<(String, i32, i64), Record> = BTreeMap::new();
    for act in acts {
        if let GroupAct::Got { record, .. } = act {
            let place = (record.topic.clone(), record.partition, record.offset);
            first.entry(place).or_insert_with(|| record.clone());
        }
    }
    first.into_values().collect()
}
