//! A task that ends without being asked to is noticed: the gateway names it, stops, and ends with
//! an error.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use crash::PATIENCE;
use event_gateway::access::Auth;
use event_gateway::clock::{Clock, System};
use event_gateway::config::{AddedFiles, Config};
use event_gateway::domain::quota::Quota;
use event_gateway::domain::retention::Lifetimes;
use event_gateway::store::{self, Access, open};
use event_gateway::{app, intake};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::faulty_store::{Call, FaultyStore, Mode};
use crate::support::gateway::{Setup, settings};
use crate::support::harness::{Harness, drafts, tenants};

/// How a gateway ends, after a post, when calls of that kind to its store panic.
async fn end(panicking: Call) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(System);
    let store = store::Config::Sqlite { path: folder.path().join("store.db") };
    let inner = open(&store, Access::Serve, clock.clone()).await.unwrap();
    let faulty = Arc::new(FaultyStore::new(inner));
    let settings = Arc::new(settings());
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        lanes: 2,
        replica: None,
        audit_every: None,
        replay_pause_max: Duration::from_secs(86_400),
        lifetimes: Lifetimes::default(),
        removal: Default::default(),
        metrics_tenants_max: 0,
        added_files: Arc::new(AddedFiles::new(settings.clone(), folder.path().into(), Vec::new())),
        subscription_files: Arc::default(),
        webhook_networks: Arc::default(),
        settings,
        auth: Auth::Perimeter,
        credential_files: None,
        http: Setup::new().http,
        quota: Quota::NONE,
        intake: intake::Config::default(),
        store,
        sinks: Vec::new(),
        kafka_listen: None,
        traces: None,
    };
    let app = app::build(&config, faulty.clone(), clock, Arc::default()).await.unwrap();
    faulty.set(Mode::Panicking(panicking));
    let listener = TcpListener::bind(config.listen).unwrap();
    let url = format!("http://{}/domain-events/inventory/item", listener.local_addr().unwrap());
    let running = tokio::spawn(app.run(listener, CancellationToken::new()));
    let post = reqwest::Client::new().post(url).header("X-Okapi-Tenant", "diku");
    let post = post.header("Content-Type", "application/json").body(r#"{"new":{"id":"a"}}"#);
    // It may be gone by then.
    let _ = post.send().await;
    timeout(PATIENCE, running).await.expect("it ends by itself").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_panic_of_a_task_ends_the_gateway_with_its_name() {
    let followers = ["erasure", "expansion", "handlers", "tenant-jobs"];
    let cases = [
        (Call::Append, &["intake writer 0"][..], "a panic of Append"),
        (Call::Other, &followers, "a panic of Other"),
    ];
    for (panicking, names, said) in cases {
        let error = end(panicking).await.unwrap_err().to_string();
        let is_named = names.iter().any(|name| error.contains(&format!("`{name}`")));
        assert!(is_named && error.contains(said), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_panic_of_a_lane_is_that_of_all_followers() {
    for (panicking, names) in
        [(Call::Acquire, ["lanes", "lane-"]), (Call::Other, ["", "a panic of Other"])]
    {
        let tenants = tenants(1);
        let mut harness = Harness::new(1, &tenants).await;
        harness.append(&tenants[0], drafts(&tenants[0], 0..1)).await;
        let faulty = Arc::new(FaultyStore::new(harness.store.clone()));
        faulty.set(Mode::Panicking(panicking));
        harness.parts.store = faulty;
        let mut followers = harness.follow();
        let ended = timeout(PATIENCE, followers.ended()).await.expect("it is missed").to_string();
        assert!(names.iter().all(|name| ended.contains(name)), "{ended}");
    }
}
