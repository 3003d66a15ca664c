//! The harness: Kafka and the store, three replicas on them, each behind a proxy of its own, and
//! the writers, readers and observers.
//!
//! It is built once for a run; `faults` strike it.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::task::block_in_place;

use crate::evidence::{Acknowledged, Replayed, Told};
use crate::figures::Figures;
use crate::folder::Folder;
use crate::kafka::{self, Listener, PrivateBroker};
use crate::lanes::Lanes;
use crate::load::{self, Load, Plan};
use crate::proxy::Proxy;
use crate::publish_observer::PublishObserver;
use crate::readers::{HeldBack, Readers};
use crate::replayer::Replayer;
use crate::serve::{Serve, Setup};
use crate::story::Rules;
use crate::{ports, store};

/// The `ENV` of a run.
pub const ENV: &str = "crash";
/// The tenants of a run.
pub const TENANTS: [&str; 4] = ["diku", "college", "university", "consortium"];
/// As many as tenants, so that every lane has work.
const LANES: usize = TENANTS.len();
const NAMES: [&str; 3] = ["one", "two", "three"];
/// The entities whose events leave the log meanwhile.
pub const RULES: Rules = Rules { compacted: Some("item"), expiring: Some("holdings-record") };
/// The time for which the log keeps the events of the one that expires.
const EXPIRES_MS: u64 = 20_000;
/// The partitions of each topic.
const PARTITIONS: usize = 3;
/// Records of each writer that rests.
const KEYS: usize = 4;
/// The pause of writers, which gives Kafka and the store time to come back on a small machine, and
/// lets hours of a run fit into memory.
const PAUSE: Duration = Duration::from_millis(80);

/// One replica of the gateway.
pub struct Replica {
    /// The replica's name.
    pub name: &'static str,
    /// The proxy between the replica and Kafka.
    pub proxy: Proxy,
    setup: Setup,
    running: Option<Serve>,
}

impl Replica {
    /// Starts it, and waits until it listens.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    fn start_with(&mut self, env: &[(&str, &str)]) {
        self.running = Some(block_in_place(|| self.setup.serve_with(env)));
    }

    /// Starts it with a clock that is so far off.
    pub async fn start_with_clock(&mut self, library: &Path, off_s: i64) {
        let off = off_s.to_string();
        self.start_with(&[("LD_PRELOAD", library.to_str().unwrap()), ("CLOCK_OFF_S", &off)]);
        let answer = reqwest::get(format!("{}/livez", self.setup.url())).await.unwrap();
        let told = httpdate::parse_http_date(answer.headers()["Date"].to_str().unwrap()).unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "what is asked is how far another clock is from this one"
        )]
        let now = SystemTime::now();
        let seconds = told
            .duration_since(now)
            .map_or_else(|e| -e.duration().as_secs_f64(), |d| d.as_secs_f64());
        assert!(
            (seconds - off_s as f64).abs() < 10.0,
            "its clock is {seconds} s off, not {off_s} s"
        );
    }

    /// SIGKILL, unless it is dead.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }

    /// SIGTERM; it must end well.
    pub fn stop(&mut self) {
        let status = block_in_place(|| self.running.take().unwrap().terminate());
        assert_eq!(status.code(), Some(0), "{} ended: {}", self.name, self.setup.log());
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        self.running.as_ref().unwrap().signal(name);
    }
}

/// All of it.
pub struct Harness {
    /// Kafka.
    pub kafka: PrivateBroker,
    /// The store's server.
    pub store: store::Server,
    /// All of them run, except within a fault.
    pub replicas: Vec<Replica>,
    /// The lanes.
    pub lanes: Lanes,
    /// The consumers.
    pub readers: Readers,
    /// The writers.
    pub load: Load,
    /// The observer of published events.
    pub publish_observer: PublishObserver,
    /// Asks for replays.
    pub replayer: Replayer,
    /// Sets the clock of a process off.
    pub clock: std::path::PathBuf,
    /// The counts so far.
    pub figures: Figures,
}

impl Harness {
    /// Starts everything, in a folder that others may enter: the store may not run as this user.
    pub async fn start(gateway: &Path, store: store::Kind, folder: &Path, seed: u64) -> Self {
        let part = |name: &str| Folder::given(folder.join(name));
        let clock = clock_library(folder);
        let store = store::Server::start(store, part("store")).await;
        let (mut listeners, mut proxies) = (Vec::new(), Vec::new());
        for port in ports::free::<{ NAMES.len() }>() {
            let proxy = Proxy::start(&format!("127.0.0.1:{port}")).await;
            listeners.push(Listener { port, told: proxy.port() });
            proxies.push(proxy);
        }
        let kafka = block_in_place(|| PrivateBroker::start_in(part("kafka"), &listeners));
        let replica = |(name, proxy): (&'static str, Proxy)| {
            let setup =
                Setup::new_in(part(name), gateway, &TENANTS).with("ENV", ENV).with("REPLICA", name);
            let setup = setup.with("LANES", LANES);
            let setup = setup.with("KAFKA_HOST", "127.0.0.1").with("KAFKA_PORT", proxy.port());
            let setup = setup.with("STORE_URL", store.url()).for_each_tenant(&settings());
            Replica { name, proxy, setup, running: None }
        };
        let mut replicas: Vec<_> = NAMES.into_iter().zip(proxies).map(replica).collect();
        replicas.iter_mut().for_each(Replica::start);
        let lanes = Lanes::of(store.open(ENV).await);

        let (broker, urls) =
            (kafka.address(), replicas.iter().map(|r| r.setup.url()).collect::<Vec<_>>());
        let topics = topics();
        let counts: Vec<_> = topics.iter().map(|topic| (topic.clone(), PARTITIONS)).collect();
        block_in_place(|| kafka::assert_partitions(&broker, &counts));
        let readers = Readers::start(&broker, &topics, PARTITIONS);
        let publish_observer = PublishObserver::start(&urls, &broker, &TENANTS, PARTITIONS);
        let replayer = Replayer::start(&urls, ENV, &TENANTS, seed);
        let journal = File::create(folder.join("acknowledged.ndjson")).unwrap();
        let load = Load::of(&Plan {
            urls,
            tenants: TENANTS.map(str::to_owned).into(),
            keys: KEYS,
            pause: PAUSE,
            hot: 1,
            journal: Some(Arc::new(Mutex::new(journal))),
            sender: Some(publish_observer.sender()),
        });
        let figures = Figures::default();
        Self {
            kafka,
            store,
            replicas,
            lanes,
            readers,
            load,
            publish_observer,
            replayer,
            clock,
            figures,
        }
    }

    /// A gateway's URL.
    pub fn url(&self) -> String {
        self.replicas[0].setup.url()
    }

    /// Stops the writers and the readers; the servers and the replicas go on.
    pub async fn quiet(self) -> (Quiet, Observed) {
        let acknowledged = self.load.finish().await;
        let told = self.publish_observer.finish().await;
        let replayed = self.replayer.finish().await;
        let held_back = block_in_place(|| self.readers.finish());
        let Self { kafka, store, replicas, figures, .. } = self;
        let observed = Observed { acknowledged, told, replayed };
        (Quiet { kafka, replicas, held_back, figures, _store: store }, observed)
    }
}

/// The evidence that was observed from outside.
pub struct Observed {
    /// The changes that were acknowledged.
    pub acknowledged: Vec<Acknowledged>,
    /// The events that were shown as published.
    pub told: Vec<Told>,
    /// The replays.
    pub replayed: Vec<Replayed>,
}

/// The harness after the writers have stopped.
pub struct Quiet {
    /// Kafka.
    pub kafka: PrivateBroker,
    /// All of them run.
    pub replicas: Vec<Replica>,
    /// The delays that the readers saw.
    pub held_back: HeldBack,
    /// The counts.
    pub figures: Figures,
    _store: store::Server,
}

impl Quiet {
    /// A gateway's URL.
    pub fn url(&self) -> String {
        self.replicas[0].setup.url()
    }
}

/// Several partitions of each topic; of some entities, the log lets events go.
fn settings() -> String {
    let of = |entity| {
        let mut more = String::new();
        if RULES.compacted == Some(entity) {
            more.push_str("compacted = true\n");
        }
        if RULES.expiring == Some(entity) {
            more.push_str(&format!("log_retention_ms = {EXPIRES_MS}\n"));
        }
        format!("[entities.\"inventory.{entity}\"]\npartitions = {PARTITIONS}\n{more}")
    };
    load::entities().map(of).concat()
}

fn topics() -> Vec<String> {
    let of = |tenant| load::entities().map(|entity| format!("{ENV}.{tenant}.inventory.{entity}"));
    TENANTS.into_iter().flat_map(of).collect()
}

/// Compiles the library that sets a clock off; the machine has a compiler, since librdkafka needs
/// one.
fn clock_library(folder: &Path) -> std::path::PathBuf {
    let library = folder.join("clock.so");
    let mut compiler = std::process::Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library);
    let status = compiler.arg(crate::root().join("tests/crash/src/clock.c")).status().unwrap();
    assert!(status.success(), "clock.c doesn't compile");
    library
}
