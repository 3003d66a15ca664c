//! Replays: their rate against the relay's on the same data, the gateway's memory meanwhile, and
//! how long live changes take to their consumers while one runs.

use std::time::{Duration, Instant};

use crash::kafka::PrivateBroker;
use serde_json::{Value, json};

use crate::client::{Plan, load};
use crate::contest::{Contest, quantile};
use crate::gateway::{Gateway, tenants};
use crate::kafka::{self, Drain};
use crate::latency::arrivals_at;
use crate::options::Rounds;
use crate::process::Process;
use crate::stores::Store;

/// Live changes a second while a replay runs.
const RATE: u32 = 20;
/// As many as the gateway puts into a page.
const PAGE: usize = 500;

/// Runs the rounds.
pub async fn run(store: Store, events: u64, rounds: &Rounds) {
    let (place, broker, names) = (store.start().await, PrivateBroker::start(), tenants(1));
    let kafka = broker.address();
    let what = format!("replay, {}, {events} events", store.name());
    let mut rate = Contest::new(what.clone(), "events/s");
    let mut memory = Contest::new(what.clone(), "MiB");
    let mut p50 = Contest::new(format!("{what}, accept to consumed at {RATE}/s, p50"), "ms");
    // Kafka's JVM compiles its code while it runs, which slows the first side.
    kafka::produce(&kafka, "warmup", 100_000, PAGE).await;
    for _ in 0..rounds.rounds {
        let mut ours = Gateway::start(&place, None, &names);
        let plan = Plan::backlog(ours.address, &names, events);
        let acknowledged = load(&plan).await.acknowledged;
        ours.restart_with(&kafka);
        let (topic, target) = (ours.topic(&names[0]), ours.target(&names[0]));
        rate.add("the relay", Drain::of(&kafka, &topic, acknowledged).rate().await);
        ours.until_published(acknowledged).await;
        memory.add("before", Process(ours.pid()).resident_mib());
        let id = submit(&ours, &names[0], &target).await;
        rate.add("a replay", Drain::of(&kafka, &target, acknowledged).rate().await);
        ended(&ours, &names[0], &id).await;
        memory.add("after a replay, peak", Process(ours.pid()).peak_mib());
        let alone = arrivals_at(&ours, &kafka, &names[0], RATE, rounds).await;
        p50.add("alone", quantile(&mut alone.clone(), 0.5));
        let id = submit(&ours, &names[0], &format!("{target}2")).await;
        let beside = arrivals_at(&ours, &kafka, &names[0], RATE, rounds).await;
        let replay = get(&ours, &names[0], &id).await;
        assert_eq!(replay["status"], "In progress", "the replay ended too soon: use more events");
        p50.add("beside a replay", quantile(&mut beside.clone(), 0.5));
    }
    rate.tell();
    memory.tell();
    p50.tell();
}

async fn submit(ours: &Gateway, tenant: &str, target: &str) -> String {
    let url = format!("http://{}/replays", ours.address);
    let request = reqwest::Client::new().post(url).header("X-Okapi-Tenant", tenant);
    let answer = request.json(&json!({ "target": target })).send().await.unwrap();
    let replay: Value = answer.json().await.unwrap();
    replay["id"].as_str().unwrap_or_else(|| panic!("{replay}")).to_owned()
}

async fn get(ours: &Gateway, tenant: &str, id: &str) -> Value {
    crash::serve::get(&format!("http://{}/replays/{id}", ours.address), tenant).await
}

async fn ended(ours: &Gateway, tenant: &str, id: &str) {
    let since = Instant::now();
    while get(ours, tenant, id).await["endedDate"].is_null() {
        assert!(since.elapsed() < crash::PATIENCE, "the replay never ends");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
