//! The replayer: asks for replays while the load goes on, and pauses, resumes and cancels them by
//! chance.
//!
//! An answer may be lost, so what it did is read from the gateway in the end: every replay that
//! each tenant has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::evidence::Replayed;
use crate::{PATIENCE, load, story};

/// The longest pause between two of its acts.
const PAUSE_MAX_MS: u64 = 1_500;
/// The most replays that it asks for.
const REPLAYS_MAX: usize = 300;

/// A running replayer.
pub struct Replayer {
    task: JoinHandle<Actor>,
    stop: Arc<AtomicBool>,
}

impl Replayer {
    /// Starts it, by a schedule of that seed.
    pub fn start(urls: &[String], env: &str, tenants: &[&str], seed: u64) -> Self {
        let actor = Actor {
            client: reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap(),
            urls: urls.to_vec(),
            env: env.to_owned(),
            tenants: tenants.iter().map(|&tenant| tenant.to_owned()).collect(),
            rng: Rng::with_seed(seed),
            asked: 0,
        };
        let stop = Arc::<AtomicBool>::default();
        let task = tokio::spawn(actor.run(stop.clone()));
        Self { task, stop }
    }

    /// Resumes what is paused, waits until every replay has ended, and returns all of them.
    pub async fn finish(self) -> Vec<Replayed> {
        self.stop.store(true, Ordering::SeqCst);
        let mut actor = self.task.await.unwrap();
        actor.settle().await
    }
}

struct Actor {
    client: reqwest::Client,
    urls: Vec<String>,
    env: String,
    tenants: Vec<String>,
    rng: Rng,
    asked: usize,
}

#[derive(Deserialize)]
struct Listed {
    replays: Vec<Replayed>,
}

impl Actor {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::SeqCst) && self.asked < REPLAYS_MAX {
            sleep(Duration::from_millis(self.rng.u64(0..PAUSE_MAX_MS))).await;
            let tenant = self.rng.choice(&self.tenants).unwrap().clone();
            let open: Vec<_> = self.listed(&tenant).await.unwrap_or_default();
            let open: Vec<_> = open.into_iter().filter(Replayed::is_open).collect();
            match self.rng.choice(&open).filter(|_| open.len() > 2) {
                Some(replay) => self.wish(&tenant, replay.id.clone()).await,
                None => self.ask(&tenant).await,
            }
        }
        self
    }

    /// Asks for a replay: to its own topics or to another, whole or of some keys, at some rate.
    async fn ask(&mut self, tenant: &str) {
        self.asked += 1;
        let entity = *self.rng.choice(load::entities()).as_ref().unwrap();
        let mut asked = json!({});
        if self.rng.bool() {
            asked["topics"] = json!([format!("{}.{tenant}.inventory.{entity}", self.env)]);
        }
        if self.rng.u8(0..3) == 0 {
            asked["target"] = json!(format!("{}.{tenant}.replay-{}", self.env, self.asked));
        }
        if self.rng.u8(0..3) == 0 {
            asked["keys"] = json!(self.some_keys(tenant).await);
        }
        if self.rng.bool() {
            asked["rate"] = json!({ "eventsPerSecond": self.rng.u32(20..2_000) });
        }
        let Some((status, problem)) = self.post(tenant, "/replays", &asked).await else { return };
        let code = problem["errors"][0]["code"].as_str().unwrap_or_default();
        let is_expected = matches!((status, code), (201, _) | (409, "replays-overlap"));
        // A topic that no event was ever sent to, and a store or Kafka that is down.
        let may_pass = status >= 500 || (status, code) == (422, "unknown-topic");
        assert!(is_expected || may_pass, "{status} for {asked}: {problem}");
    }

    /// Pauses, resumes or cancels a replay.
    async fn wish(&mut self, tenant: &str, id: String) {
        let wish = *self.rng.choice(&["pause", "resume", "resume", "cancel"]).unwrap();
        let path = format!("/replays/{id}/{wish}");
        let Some((status, problem)) = self.post(tenant, &path, &json!({})).await else { return };
        assert!(matches!(status, 202 | 409) || status >= 500, "{status} for {path}: {problem}");
    }

    /// Returns the keys of some events of a tenant's log.
    async fn some_keys(&mut self, tenant: &str) -> Vec<String> {
        let page = self.get(tenant, "/domain-events?limit=5").await;
        let events = page.as_ref().and_then(|page| page["events"].as_array());
        let keys = events.into_iter().flatten().filter_map(|event| event["key"].as_str());
        keys.map(str::to_owned).chain(["none".to_owned()]).collect()
    }

    async fn settle(&mut self) -> Vec<Replayed> {
        let (until, mut all) = (Instant::now() + PATIENCE, Vec::new());
        for tenant in self.tenants.clone() {
            loop {
                let listed = self.listed(&tenant).await.unwrap_or_default();
                let open: Vec<_> = listed.iter().filter(|replay| replay.is_open()).collect();
                if open.is_empty() && !listed.is_empty() {
                    all.extend(listed);
                    break;
                }
                assert!(Instant::now() < until, "these replays of {tenant} never end: {open:?}");
                for replay in open.iter().filter(|replay| replay.status == "Paused") {
                    let path = format!("/replays/{}/resume", replay.id);
                    self.post(&tenant, &path, &json!({})).await;
                }
                if listed.is_empty() {
                    self.ask(&tenant).await;
                }
                sleep(Duration::from_millis(200)).await;
            }
        }
        all
    }

    async fn listed(&mut self, tenant: &str) -> Option<Vec<Replayed>> {
        let listed: Listed = serde_json::from_value(self.get(tenant, "/replays").await?).unwrap();
        Some(story::of_tenant(listed.replays, tenant).collect())
    }

    async fn get(&mut self, tenant: &str, path: &str) -> Option<Value> {
        let url = self.rng.choice(&self.urls).unwrap();
        let request = self.client.get(format!("{url}{path}")).header("X-Okapi-Tenant", tenant);
        let answer = request.send().await.ok().filter(|answer| answer.status() == 200)?;
        answer.json().await.ok()
    }

    /// Posts to one of the replicas; `None` if no answer came.
    async fn post(&mut self, tenant: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let url = self.rng.choice(&self.urls).unwrap();
        let request = self.client.post(format!("{url}{path}")).header("X-Okapi-Tenant", tenant);
        let answer = request.json(body).send().await.ok()?;
        Some((answer.status().as_u16(), answer.json().await.ok()?))
    }
}
