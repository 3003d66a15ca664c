//! Several replicas of the real binary on one store and one Kafka: they share the lanes, and take
//! over from each other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crash::load::Load;
use crash::run::{Options, run};
use crash::serve::{Serve, Setup};
use crash::{PATIENCE, schedule, store, story};

use crate::support::serve;
use crate::support::services::kafka;
use crate::support::whole_way::{TENANTS, check};

const NAMES: [&str; 3] = ["one", "two", "three"];

/// The stories, on one store.
macro_rules! stories {
    ($store:ident, $url:expr, $kind:expr, $seed:expr) => {
        mod $store {
            #[tokio::test(flavor = "multi_thread")]
            async fn lanes_are_shared_by_replicas_that_come_and_go() {
                super::come_and_go($url).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_schedule_of_faults_loses_nothing_and_repeats_nothing() {
                super::faults($kind, $seed).await;
            }
        }
    };
}

stories!(
    on_postgres,
    &crate::support::services::postgres::url(),
    crash::store::Kind::Postgres,
    10_513_419_542_996_387_921
);
stories!(
    on_mongodb,
    &crate::support::services::mongodb::url(),
    crash::store::Kind::Mongodb,
    3_783_528_508_875_100_315
);

/// The replicas of one gateway, on the real Kafka.
struct Replicas {
    env: String,
    setups: BTreeMap<&'static str, Setup>,
}

impl Replicas {
    fn new(store: &str, names: &[&'static str]) -> Self {
        let (env, address) = (kafka::env(), kafka::address());
        let (host, port) = address.split_once(':').unwrap();
        let setup = |name: &str| {
            serve::setup(&TENANTS)
                .with("ENV", &env)
                .with("KAFKA_HOST", host)
                .with("KAFKA_PORT", port)
                .with("STORE_URL", store)
                .with("REPLICA", name)
        };
        let setups = names.iter().map(|name| (*name, setup(name))).collect();
        Self { env, setups }
    }

    fn serve(&self, name: &str) -> Serve {
        self.setups[name].serve()
    }

    /// Returns the holder of each lane, as `lanes list` shows it.
    fn lanes(&self) -> Vec<String> {
        let setup = self.setups.values().next().unwrap();
        let output = setup.command(&["lanes", "list"]).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let rows = told.lines().skip(1).filter(|line| !line.starts_with("replicas"));
        rows.map(|row| row.split_whitespace().nth(3).unwrap().to_owned()).collect()
    }

    /// Waits until these replicas hold so many lanes each, and no other replica holds any.
    async fn until(&self, wanted: &[(&str, usize)]) {
        let since = Instant::now();
        loop {
            let lanes = self.lanes();
            let held = |name: &str| lanes.iter().filter(|holder| *holder == name).count();
            if lanes.len() == 8 && wanted.iter().all(|(name, count)| held(name) == *count) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{wanted:?} never came to be: {lanes:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn come_and_go(store: &str) {
    let replicas = Replicas::new(store, &NAMES);
    let one = replicas.serve("one");
    replicas.until(&[("one", 8)]).await;
    let load = Load::start(&one.url, &TENANTS, 3);
    let two = replicas.serve("two");
    replicas.until(&[("one", 4), ("two", 4)]).await;
    let three = replicas.serve("three");
    replicas.until(&[("one", 3), ("two", 3), ("three", 2)]).await;
    // Two processes append to the same logs.
    let other_load = Load::start(&three.url, &TENANTS, 3);
    load.more(300).await;
    other_load.more(300).await;
    let mut acknowledged = other_load.finish().await;
    two.kill();
    replicas.until(&[("one", 4), ("three", 4)]).await;
    load.more(100).await;
    assert_eq!(three.terminate().code(), Some(0));
    let left = replicas.lanes();
    assert!(!left.iter().any(|holder| holder == "three"), "its leases had to run out: {left:?}");
    replicas.until(&[("one", 8)]).await;
    load.more(100).await;
    acknowledged.extend(load.finish().await);
    check(&one.url, &kafka::address(), &replicas.env, acknowledged).await;
    story::published(&one.url, "diku", 1).await;
}

/// Faults of half of the kinds, on a Kafka and a store of their own. The schedule is the same each
/// time; `cargo run -p crash` makes others.
async fn faults(store: store::Kind, seed: u64) {
    let gateway = env!("CARGO_BIN_EXE_event-gateway").into();
    let faults = schedule::Kind::ALL.len() / 2;
    let verdict = run(&Options { gateway, store, faults, kills: 0, seed, folder: None }).await;
    assert_eq!(verdict.findings, []);
}
