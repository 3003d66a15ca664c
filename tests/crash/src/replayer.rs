//! The replayer: asks for replays while the load goes on, and pauses, resumes and cancels them by
//! chance.
//!
//! Now and then it asks for several to one topic: two with different keys, which must run, and one
//! more with a key of the first, which must be refused. An answer may be lost, so what it did is read
//! from the gateway in the end: every replay that each tenant has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::evidence::{AskedReplay, Replayed};
use crate::replicas_client::ReplicasClient;
use crate::rest::Rest;
use crate::{PATIENCE, load, story, until};

/// The longest pause between two of its acts.
const PAUSE_MAX_MS: u64 = 1_500;
/// The most replays that it asks for.
const REPLAYS_MAX: usize = 300;

/// A running replayer.
pub struct Replayer {
    task: JoinHandle<Actor>,
    stop: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
    rest: Rest,
}

impl Replayer {
    /// Starts it, by a schedule of that seed.
    pub fn start(urls: &[String], env: &str, tenants: &[&str], seed: u64) -> Self {
        let open = Arc::<AtomicUsize>::default();
        let rest = Rest::default();
        let actor = Actor {
            replicas: ReplicasClient::new(urls),
            env: env.to_owned(),
            tenants: tenants.iter().map(|&tenant| tenant.to_owned()).collect(),
            rng: Rng::with_seed(seed),
            targets: 0,
            asked: Vec::new(),
            open: open.clone(),
            rest: rest.clone(),
            open_of: BTreeMap::new(),
        };
        let stop = Arc::<AtomicBool>::default();
        let task = tokio::spawn(actor.run(stop.clone()));
        Self { task, stop, open, rest }
    }

    /// Returns how many replays were open when it looked last.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Waits until every replay has ended; asks for no other until it may go on.
    pub async fn rest(&self) {
        self.rest.ask(true);
        until("the replays have ended", async || self.rest.is_taken()).await;
    }

    /// Lets it ask for replays again.
    pub fn go_on(&self) {
        self.rest.ask(false);
    }

    /// Resumes what is paused, waits until every replay has ended, and returns all of them, and the
    /// requests.
    pub async fn finish(self) -> (Vec<Replayed>, Vec<AskedReplay>) {
        self.stop.store(true, Ordering::SeqCst);
        let mut actor = self.task.await.unwrap();
        (actor.settle().await, actor.asked)
    }
}

struct Actor {
    replicas: ReplicasClient,
    env: String,
    tenants: Vec<String>,
    rng: Rng,
    /// The number of targets so far.
    targets: usize,
    asked: Vec<AskedReplay>,
    open: Arc<AtomicUsize>,
    rest: Rest,
    /// The open replays of each tenant, when it looked last.
    open_of: BTreeMap<String, usize>,
}

/// The scope of a replay.
#[derive(Debug, Clone, Default)]
struct Scope {
    topics: Vec<String>,
    keys: Vec<String>,
    target: Option<String>,
    events_per_second: Option<u32>,
}

#[derive(Deserialize)]
struct Listed {
    replays: Vec<Replayed>,
}

impl Actor {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::SeqCst) && self.asked.len() < REPLAYS_MAX {
            sleep(Duration::from_millis(self.rng.u64(0..PAUSE_MAX_MS))).await;
            if self.rest.is_asked() {
                self.lie_down().await;
                continue;
            }
            let tenant = self.rng.choice(&self.tenants).unwrap().clone();
            let open: Vec<_> = self.listed(&tenant).await.unwrap_or_default();
            let open: Vec<_> = open.into_iter().filter(Replayed::is_open).collect();
            self.note_open(&tenant, open.len());
            match self.rng.choice(&open).filter(|_| open.len() > 1) {
                Some(replay) => self.wish(&tenant, replay.id.clone()).await,
                None if self.rng.u8(0..4) == 0 => self.ask_several(&tenant).await,
                None => self.ask_any(&tenant).await,
            }
        }
        self
    }

    /// Waits until every replay has ended, and until it may go on.
    async fn lie_down(&mut self) {
        self.ended().await;
        self.rest.take(true);
        while self.rest.is_asked() {
            sleep(Duration::from_millis(20)).await;
        }
        self.rest.take(false);
    }

    fn note_open(&mut self, tenant: &str, count: usize) {
        self.open_of.insert(tenant.to_owned(), count);
        self.open.store(self.open_of.values().sum(), Ordering::SeqCst);
    }

    /// Asks for a replay: to its own topics or to another, whole or of some keys, at some rate.
    async fn ask_any(&mut self, tenant: &str) {
        let mut scope = Scope::default();
        let entity = *self.rng.choice(load::entities()).as_ref().unwrap();
        if self.rng.bool() {
            scope.topics = vec![self.topic(tenant, entity)];
        }
        if self.rng.u8(0..3) == 0 {
            scope.target = Some(self.target(tenant));
        }
        if self.rng.u8(0..3) == 0 {
            scope.keys = self.some_keys(tenant, entity).await;
        }
        if self.rng.bool() {
            scope.events_per_second = Some(self.rng.u32(20..400));
        }
        self.ask(tenant, &scope).await;
    }

    /// Asks for two replays of different keys to one topic, and for a third, with a key of the first.
    async fn ask_several(&mut self, tenant: &str) {
        let entity = *self.rng.choice(load::entities()).as_ref().unwrap();
        let topic = self.topic(tenant, entity);
        let mut keys = self.some_keys(tenant, entity).await;
        let theirs = keys.split_off(keys.len() / 2);
        let shared = vec![keys.first().unwrap_or(&theirs[0]).clone()];
        let target = self.rng.bool().then(|| self.target(tenant));
        for keys in [keys, theirs, shared] {
            let (topics, target) = (vec![topic.clone()], target.clone());
            // They are slow enough to be open at once.
            let scope = Scope { topics, keys, target, events_per_second: Some(20) };
            self.ask(tenant, &scope).await;
        }
    }

    fn topic(&self, tenant: &str, entity: &str) -> String {
        format!("{}.{tenant}.inventory.{entity}", self.env)
    }

    fn target(&mut self, tenant: &str) -> String {
        self.targets += 1;
        format!("{}.{tenant}.replay-{}", self.env, self.targets)
    }

    /// Asks for a replay, and notes which others there were before and after that.
    async fn ask(&mut self, tenant: &str, scope: &Scope) {
        let mut asked = json!({});
        // An empty list is refused.
        for (name, items) in [("topics", &scope.topics), ("keys", &scope.keys)] {
            if !items.is_empty() {
                asked[name] = json!(items);
            }
        }
        if let Some(target) = &scope.target {
            asked["target"] = json!(target);
        }
        if let Some(rate) = scope.events_per_second {
            asked["rate"] = json!({ "eventsPerSecond": rate });
        }
        let before = self.listed(tenant).await;
        let Some((status, answer)) = self.post(tenant, "/replays", &asked).await else { return };
        let code = answer["errors"][0]["code"].as_str().unwrap_or_default();
        let is_expected = matches!((status, code), (201, _) | (409, "replays-overlap"));
        // A topic that no event was ever sent to, and a store or Kafka that is down.
        let may_pass = status >= 500 || (status, code) == (422, "unknown-topic");
        assert!(is_expected || may_pass, "{status} for {asked}: {answer}");
        let after = self.listed(tenant).await;
        let (true, Some(before), Some(after)) = (is_expected, before, after) else { return };
        let ids = |replays: &[Replayed], is_wanted: fn(&Replayed) -> bool| -> Vec<String> {
            replays.iter().filter(|it| is_wanted(it)).map(|it| it.id.clone()).collect()
        };
        let Scope { topics, keys, target, .. } = scope.clone();
        self.asked.push(AskedReplay {
            tenant: tenant.to_owned(),
            topics,
            keys,
            target,
            id: answer["id"].as_str().map(str::to_owned),
            open_before: ids(&before, Replayed::is_open),
            ended_before: ids(&before, |it| !it.is_open()),
            open_after: ids(&after, Replayed::is_open),
            all_after: ids(&after, |_| true),
        });
    }

    /// Pauses, resumes or cancels a replay.
    async fn wish(&mut self, tenant: &str, id: String) {
        let wish = *self.rng.choice(&["pause", "resume", "resume", "cancel", "cancel"]).unwrap();
        let path = format!("/replays/{id}/{wish}");
        let Some((status, problem)) = self.post(tenant, &path, &json!({})).await else { return };
        assert!(matches!(status, 202 | 409) || status >= 500, "{status} for {path}: {problem}");
    }

    /// Returns the keys of some events of an entity, at least two.
    async fn some_keys(&mut self, tenant: &str, entity: &str) -> Vec<String> {
        let after = self.rng.u32(0..200);
        let of = format!("producer=inventory&entity={entity}");
        let page =
            self.get(tenant, &format!("/domain-events?{of}&limit=8&gaps=skip&after={after}")).await;
        let events = page.as_ref().and_then(|page| page["events"].as_array());
        let keys = events.into_iter().flatten().filter_map(|event| event["key"].as_str());
        let keys = keys.map(str::to_owned).chain(["none".to_owned(), "no other".to_owned()]);
        keys.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Lets every tenant have a replay, and waits until all have ended.
    async fn settle(&mut self) -> Vec<Replayed> {
        for tenant in self.tenants.clone() {
            until("the tenant has a replay", async || {
                let listed = self.listed(&tenant).await;
                if listed.as_ref().is_some_and(Vec::is_empty) {
                    self.ask_any(&tenant).await;
                }
                listed.is_some_and(|listed| !listed.is_empty())
            })
            .await;
        }
        self.ended().await
    }

    /// Waits until every replay has ended, as fast as they can; returns all of them.
    async fn ended(&mut self) -> Vec<Replayed> {
        let (until, mut all) = (Instant::now() + PATIENCE, Vec::new());
        let fast = json!({ "rate": { "eventsPerSecond": 1_000_000 } });
        for tenant in self.tenants.clone() {
            loop {
                let listed = self.listed(&tenant).await;
                let open = listed.iter().flatten().filter(|replay| replay.is_open());
                let open: Vec<_> = open.map(|replay| replay.id.clone()).collect();
                if let (Some(listed), []) = (listed, open.as_slice()) {
                    all.extend(listed);
                    break;
                }
                assert!(Instant::now() < until, "these replays of {tenant} never end: {open:?}");
                for id in open {
                    self.post(&tenant, &format!("/replays/{id}/resume"), &fast).await;
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
        let (status, answer) = self.replicas.get(&mut self.rng, tenant, path).await?;
        (status == 200).then_some(answer)
    }

    /// Posts to one of the replicas; `None` if no answer came.
    async fn post(&mut self, tenant: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        self.replicas.post(&mut self.rng, (tenant, path), body).await
    }
}
