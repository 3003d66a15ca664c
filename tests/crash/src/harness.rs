//! The harness: Kafka and the store, three replicas on them, each behind a proxy of its own, and
//! the writers, readers and observers.
//!
//! It is built once for a run; `faults` strike it.

use std::path::{Path, PathBuf};

use tokio::task::block_in_place;

use crate::actors::Actors;
use crate::evidence::{Observed, Persisted, PutBack};
use crate::figures::Figures;
use crate::folder::Folder;
use crate::kafka::{self, Listener, PrivateBroker};
use crate::lanes::Lanes;
use crate::mongodb::PrivateMongodb;
use crate::proxy::Proxy;
use crate::readers::HeldBack;
use crate::replica::Replica;
use crate::serve::Setup;
use crate::tenants::{self, ENV, PARTITIONS, TENANTS, VISITOR};
use crate::{documents, ports, store};

/// As many as tenants, so that every lane has work.
const LANES: usize = TENANTS.len();
const NAMES: [&str; 3] = ["one", "two", "three"];
/// All of it.
pub struct Harness {
    /// Kafka.
    pub kafka: PrivateBroker,
    /// The store's server.
    pub store: store::Server,
    /// The server of hexkit's collection, unless it is the store's.
    hexkit: Option<PrivateMongodb>,
    /// All of them run, except within a fault.
    pub replicas: Vec<Replica>,
    /// The lanes.
    pub lanes: Lanes,
    /// The writers, readers and observers.
    pub actors: Actors,
    /// Sets the clock of a process off.
    pub clock: std::path::PathBuf,
    /// The counts so far.
    pub figures: Figures,
    /// The folder for a backup of the store.
    pub backup: PathBuf,
    /// The times at which the store was put back.
    pub put_backs: Vec<PutBack>,
}

impl Harness {
    /// Starts everything, in a folder that others may enter: the store may not run as this user.
    pub async fn start(gateway: &Path, store: store::Kind, folder: &Path, seed: u64) -> Self {
        let part = |name: &str| Folder::given(folder.join(name));
        let clock = clock_library(folder);
        let store = store::Server::start(store, part("store")).await;
        let hexkit = match &store {
            store::Server::Mongodb(_) => None,
            _ => Some(PrivateMongodb::start_in(part("hexkit")).await),
        };
        let hexkit_url = documents::url(&hexkit_server(&store, hexkit.as_ref()));
        let (mut listeners, mut proxies) = (Vec::new(), Vec::new());
        for port in ports::free::<{ NAMES.len() }>() {
            let proxy = Proxy::start(&format!("127.0.0.1:{port}")).await;
            listeners.push(Listener { port, told: proxy.port() });
            proxies.push(proxy);
        }
        if let store::Server::Sqlite(_) = &store {
            std::fs::create_dir_all(folder.join("backup")).unwrap();
        }
        let kafka = block_in_place(|| PrivateBroker::start_in(part("kafka"), &listeners));
        let replica = |(name, proxy): (&'static str, Proxy)| {
            let all = [&TENANTS[..], &[VISITOR]].concat();
            let setup = Setup::new_in(part(name), gateway, &all).with("ENV", ENV);
            let setup = setup.with("REPLICA", name).with("LANES", LANES);
            let setup = setup.with("KAFKA_HOST", "127.0.0.1").with("KAFKA_PORT", proxy.port());
            let setup = setup.with("HEXKIT_MONGODB_URL", &hexkit_url);
            let setup = setup.with("WEBHOOK_NETWORKS", "127.0.0.0/8");
            let setup = setup.with("STORE_URL", store.url()).for_each_tenant(&tenants::settings());
            setup.add_tenant(VISITOR, &tenants::settings_of(1));
            Replica::new(name, proxy, setup)
        };
        let names = if let store::Server::Sqlite(_) = &store { &NAMES[..1] } else { &NAMES };
        let mut replicas: Vec<_> = names.iter().copied().zip(proxies).map(replica).collect();
        replicas.iter_mut().for_each(Replica::start);
        let lanes = Lanes::of(store.open(ENV).await);

        let (broker, urls) =
            (kafka.address(), replicas.iter().map(|r| r.setup.url()).collect::<Vec<_>>());
        let topics = tenants::topics();
        let counts: Vec<_> = topics.iter().map(|topic| (topic.clone(), PARTITIONS)).collect();
        block_in_place(|| kafka::assert_partitions(&broker, &counts));
        let actors = Actors::start(&urls, &broker, folder, seed).await;
        let figures = Figures::default();
        let (backup, put_backs) = (folder.join("backup"), Vec::new());
        Self { kafka, store, hexkit, replicas, lanes, actors, clock, figures, backup, put_backs }
    }

    /// A gateway's URL.
    pub fn url(&self) -> String {
        self.replicas[0].setup.url()
    }

    /// Opens the store again, which may be another one in the same place.
    pub async fn reopen(&mut self) {
        self.lanes = Lanes::of(self.store.open(ENV).await);
    }

    /// Stops the writers and the readers; the servers and the replicas go on.
    pub async fn quiet(self) -> (Quiet, Observed) {
        let (mut observed, held_back) = self.actors.finish(&self.replicas[0].setup.url()).await;
        let Self { kafka, store, hexkit, replicas, figures, put_backs, .. } = self;
        observed.put_backs = put_backs;
        (Quiet { kafka, replicas, held_back, figures, store, hexkit }, observed)
    }
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
    store: store::Server,
    hexkit: Option<PrivateMongodb>,
}

impl Quiet {
    /// A gateway's URL.
    pub fn url(&self) -> String {
        self.replicas[0].setup.url()
    }

    /// Reads hexkit's collection.
    pub async fn documents(&self) -> Vec<Persisted> {
        documents::read(&hexkit_server(&self.store, self.hexkit.as_ref()), &self.url()).await
    }
}

/// Returns the URL of the server of hexkit's collection.
fn hexkit_server(store: &store::Server, own: Option<&PrivateMongodb>) -> String {
    own.map_or_else(|| store.url(), PrivateMongodb::url)
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
