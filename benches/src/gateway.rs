//! The gateway's side: the release build in a process of its own, each time on a new store.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crash::root;
use crash::serve::{Serve, Setup};
use crash::story::Sums;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::kafka::{PARTITIONS, count, topics};
use crate::records::topic;
use crate::stores::Place;

/// A gateway that runs.
pub struct Gateway {
    setup: Setup,
    serve: Option<Serve>,
    /// Where it listens.
    pub address: SocketAddr,
    env: String,
}

impl Gateway {
    /// Starts a gateway on a new store, with these tenants; its Kafka is at an address, or down.
    pub fn start(place: &Place, kafka: Option<&str>, tenants: &[String]) -> Self {
        Self::start_as(place, kafka, tenants, &|setup| setup)
    }

    /// The same, with a change of its set-up.
    pub fn start_as(
        place: &Place,
        kafka: Option<&str>,
        tenants: &[String],
        change: &dyn Fn(Setup) -> Setup,
    ) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let env = format!("bench{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let tenants: Vec<_> = tenants.iter().map(String::as_str).collect();
        let entity = format!("[entities.\"inventory.instance\"]\npartitions = {PARTITIONS}\n");
        let mut setup = Setup::new(&program(), &tenants)
            .for_all_tenants(&entity)
            .with("ENV", &env)
            .with("LOG_LEVEL", "warn")
            // No server listens there.
            .with("KAFKA_HOST", kafka.unwrap_or("127.0.0.1:9"));
        setup = change(setup);
        if let Place::Server(server) = place {
            setup = setup.with("STORE_URL", server.url());
        }
        let serve = setup.serve();
        let address = serve.url.trim_start_matches("http://").parse().unwrap();
        Self { setup, serve: Some(serve), address, env }
    }

    /// Stops it, and starts it on the same store with its Kafka at that address.
    pub fn restart_with(&mut self, kafka: &str) {
        assert!(self.serve.take().is_some_and(|serve| serve.terminate().success()));
        self.serve = Some(self.setup.serve_with(&[("KAFKA_HOST", kafka)]));
    }

    /// A tenant's topic.
    pub fn topic(&self, tenant: &str) -> String {
        topic(&self.env, tenant)
    }

    /// A topic beside the tenant's own.
    pub fn target(&self, tenant: &str) -> String {
        format!("{}.{tenant}.again", self.env)
    }

    /// A subcommand beside it, with its Kafka at that address.
    pub fn command(&self, arguments: &[&str], kafka: &str) -> Command {
        let mut command = self.setup.command(arguments);
        command.env("KAFKA_HOST", kafka);
        command
    }

    /// The address for Kafka's clients, which it must have.
    pub fn broker(&self) -> &str {
        self.serve.as_ref().map_or("", Serve::broker)
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.serve.as_ref().map_or(0, Serve::pid)
    }

    /// Returns the number of published events, as the gateway counts them.
    pub async fn published(&self) -> u64 {
        self.sums().await.of("published")
    }

    async fn sums(&self) -> Sums {
        Sums::read(&format!("http://{}", self.address)).await
    }

    /// Waits until so many are published.
    pub async fn until_published(&self, events: u64) {
        while self.published().await < events {
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until no event is pending.
    pub async fn until_none_is_pending(&self) {
        while self.sums().await.of("pending") > 0 {
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits until so many topics are made, as many as its tenants are.
    pub async fn until_topics(&self, kafka: &str, count: usize) {
        let made = || {
            let (address, env) = (kafka.to_owned(), self.env.clone());
            spawn_blocking(move || topics(&address, &env))
        };
        while made().await.unwrap() < count {
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Waits until so many are published, and counts them in these tenants' topics.
    pub async fn assert_arrived(&self, kafka: &str, tenants: &[String], events: u64) {
        self.until_published(events).await;
        let topics: Vec<_> = tenants.iter().map(|tenant| self.topic(tenant)).collect();
        let address = kafka.to_owned();
        let count = move || topics.iter().map(|topic| count(&address, topic)).sum::<u64>();
        assert_eq!(spawn_blocking(count).await.unwrap(), events, "acknowledged, and not in Kafka");
    }
}

/// Names of so many tenants.
pub fn tenants(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("t{n}")).collect()
}

/// Builds the gateway, so that the present sources are measured.
pub fn build() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // It is built together with this program; alone, its dependencies would be built again with
    // fewer features.
    build.args([
        "build",
        "--release",
        "-p",
        "event-gateway",
        "-p",
        "bench",
        "--bin",
        "event-gateway",
    ]);
    build.current_dir(root());
    assert!(build.status().unwrap().success(), "the gateway does not build");
}

/// The gateway's binary, as `build` makes it.
pub fn program() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("event-gateway")
}
