//! The crash loop with the listener in Kafka's place: groups of Kafka's clients read from a gateway
//! that is killed again and again, while the load goes on.
//!
//! With a store that has a server, two replicas listen and take changes: a group's coordinator may
//! die, stand still or stop while the other one goes on. DELETE_ALLs and erasures go on beside the
//! writers; the events of one entity leave the log after a while, those of another one are compacted,
//! and those of a third are not kept at all. A tenant comes and goes. The checker holds the members'
//! histories to the log.

mod groups;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::sleep;

use groups::TENANTS;

use crate::checker::{self, Finding};
use crate::delete_alls::DeleteAlls;
use crate::eraser::Eraser;
use crate::evidence::{GroupAct, Observed};
use crate::folder::Folder;
use crate::load::{Load, Plan};
use crate::members::Members;
use crate::proxy::Proxy;
use crate::replica::Replica;
use crate::run::{Options, SHOWN_MAX, new_folder};
use crate::schedule::{Before, Fault, Kind, Schedule};
use crate::serve::Setup;
use crate::story::{Story, Sums};
use crate::tenants::{self, DELETED, ENV, RULES, VISITOR};
use crate::turns::Turns;
use crate::visitor::Visitor;
use crate::{PATIENCE, kafka, ports, store};

/// The faults that strike a gateway or its store.
const KINDS: [Kind; 4] = [Kind::Killed, Kind::Stopped, Kind::Frozen, Kind::StoreKilled];
/// So many records of each writer that each partition has some: a group that holds the log, and has
/// read nothing of a partition, holds all of it.
const KEYS: usize = 16;
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
        harness.look().await;
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
            "{}: {} records, {} turns over HTTP, {} assignments, {} commits taken and {} not, {} looks, \
             {} purges",
            group.group,
            count(&|it| matches!(it, GroupAct::Got { .. })),
            count(&|it| matches!(it, GroupAct::Begins { .. })),
            count(&|it| matches!(it, GroupAct::Assigned { .. })),
            count(&|it| matches!(it, GroupAct::Committed { is_done: true, .. })),
            count(&|it| matches!(it, GroupAct::Committed { is_done: false, .. })),
            count(&|it| matches!(it, GroupAct::Stands { .. })),
            count(&|it| matches!(it, GroupAct::Purged { .. })),
        );
    }
}

/// The store, the replicas, the writers and the groups.
struct Harness {
    store: store::Server,
    replicas: Vec<Replica>,
    /// The addresses for Kafka's clients.
    broker: String,
    load: Load,
    delete_alls: DeleteAlls,
    eraser: Eraser,
    groups: Vec<Members>,
    turns: Turns,
    visitor: Visitor,
    kills: usize,
}

impl Harness {
    async fn start(options: &Options, folder: &Path) -> Self {
        let seed = options.seed;
        let store = store::Server::start(options.store, Folder::given(folder.join("store"))).await;
        let (replicas, broker) = replicas(&store, &options.gateway, folder).await;
        let urls: Vec<_> = replicas.iter().map(|replica| replica.setup.url()).collect();
        let mut groups = Vec::new();
        for (plan, at) in groups::plans().into_iter().zip(0..) {
            if plan.is_held {
                groups::make(&urls[0], &plan).await;
            }
            groups.push(Members::start(&broker, plan, seed.wrapping_add(at)));
        }
        let turns = Turns::start(&urls, &groups[groups::TURNS], &TENANTS, seed);
        let visitor = Visitor::start(&urls, &groups[groups::VISITED], seed);
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
            keys: KEYS,
            pause: Duration::from_millis(80),
            hot: 1,
            resting: 8,
            unstored: RULES.unstored,
            journal: Some(Arc::new(Mutex::new(journal))),
            sender: None,
            era,
        });
        let kills = 0;
        Self { store, replicas, broker, load, delete_alls, eraser, groups, turns, visitor, kills }
    }

    /// Looks where the groups stand, and from where on the logs have everything.
    async fn look(&self) {
        let url = self.replicas[0].setup.url();
        for group in &self.groups {
            group.look().await;
            group.look_down(groups::floors(&url)).await;
        }
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
        let mut acknowledged = self.load.finish().await;
        let delete_alls = self.delete_alls.finish().await;
        let (asked_erasures, erasures) = self.eraser.finish(&url, &TENANTS).await;
        self.turns.finish().await;
        let visits = self.visitor.finish().await;
        self.groups.iter().for_each(Members::calm);
        let until = tokio::time::Instant::now() + PATIENCE;
        for group in &self.groups {
            groups::until_all_came(group, &url, until).await;
            group.look().await;
            group.look_down(groups::floors(&url)).await;
        }
        let listed = block_in_place(|| kafka::topics(&self.broker)).into_keys().collect();
        let finish = || self.groups.into_iter().map(Members::finish).collect::<Vec<_>>();
        let mut groups = block_in_place(finish);
        groups[groups::VISITED].may_miss = visits.may_miss;
        let committed = groups::first_records(groups.iter().flat_map(|group| &group.acts));
        // What has left the logs by now had left them, or was there, when the floors were asked for.
        let mut logs = groups::logs(&url).await;
        logs.insert(VISITOR.to_owned(), visits.logged);
        // There is no Kafka, so the logs know nothing of what is published.
        logs.values_mut().flatten().for_each(|event| event.published = Some(true));
        acknowledged.extend(visits.acknowledged);
        let observed = Observed {
            acknowledged,
            delete_alls,
            asked_erasures,
            erasures,
            groups,
            begun_anew: BTreeSet::from([VISITOR.to_owned()]),
            listed,
            ..Observed::default()
        };
        let (env, rules, uncommitted) = (ENV.to_owned(), RULES, Vec::new());
        Story { env, observed, logs, committed, uncommitted, rules, sums: Sums::default() }
    }
}

/// Starts the replicas; returns them, and the addresses for Kafka's clients.
async fn replicas(store: &store::Server, gateway: &Path, folder: &Path) -> (Vec<Replica>, String) {
    let names = if let store::Server::Sqlite(_) = store { &NAMES[..1] } else { &NAMES };
    let all = [&TENANTS[..], &[VISITOR]].concat();
    let (mut replicas, mut addresses) = (Vec::new(), Vec::new());
    for (&name, port) in names.iter().zip(ports::free::<{ NAMES.len() }>()) {
        let setup = Setup::new_in(Folder::given(folder.join(name)), gateway, &all);
        let setup = setup.with("ENV", ENV).with("REPLICA", name).with("STORE_URL", store.url());
        let setup = setup.with("BROKER", "none").with("LANES", TENANTS.len());
        let setup = setup.with("KAFKA_LISTEN_PORT", port);
        let setup = setup.for_each_tenant(&tenants::listened_settings());
        addresses.push(format!("127.0.0.1:{port}"));
        // No replica has a Kafka, so its proxy has nobody behind it.
        let mut replica = Replica::new(name, Proxy::start("127.0.0.1:1").await, setup);
        replica.start();
        replicas.push(replica);
    }
    (replicas, addresses.join(","))
}
