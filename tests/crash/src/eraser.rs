//! The eraser: asks now and then for the erasure of a record, while everything else goes on.
//!
//! It takes records of every entity, which the writers go on to change, and repeats a request until
//! it is answered. Most of its erasures it watches until they are complete.
//! Then it notes the ends of the tenant's topics, after which nothing of the record may stand, and
//! raises a number, after which no reader may be given the content.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use event_gateway::clock::{Clock, System};
use fastrand::Rng;
use rdkafka::consumer::BaseConsumer;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::evidence::{AskedErasure, Completed, Eras, Erasure};
use crate::kafka::{self, Isolation};
use crate::replicas_client::ReplicasClient;
use crate::{PATIENCE, load, story, tenants};

/// The shortest and the longest pause between two of a tenant.
const PAUSE_MS: std::ops::Range<u64> = 1_000..5_000;
/// The most erasures of a tenant that it asks for.
const ERASURES_MAX: usize = 100;
/// One in so many records may be erased, so that the others keep what they had.
const RECORDS_EACH: u8 = 3;
/// One in so many requests is for the same record as the one before, which may be in progress.
const AGAIN_EACH: u8 = 4;
/// One in so many requests is for a record without events.
const UNKNOWN_EACH: u8 = 20;
/// The time for which a reader may be handed a page that was read before.
const PAGE_IS_FRESH: Duration = Duration::from_secs(2);
/// The longest time for which it watches an erasure.
const WATCH: Duration = Duration::from_secs(30);
/// The pause before something is tried again.
const AGAIN: Duration = Duration::from_millis(50);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The eraser at work, once for each tenant.
pub struct Eraser {
    tasks: JoinSet<Vec<AskedErasure>>,
    stop: Arc<AtomicBool>,
}

impl Eraser {
    /// Starts it, by a schedule of that seed; it raises `completions`.
    pub fn start(
        urls: &[String],
        broker: &str,
        tenants: &[&str],
        seed: u64,
        era: &Arc<AtomicU32>,
        completions: &Arc<AtomicU64>,
    ) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), Arc::<AtomicBool>::default());
        for (at, tenant) in tenants.iter().enumerate() {
            let actor = Actor {
                replicas: ReplicasClient::new(urls),
                consumer: Arc::new(kafka::consumer(broker, Isolation::ReadUncommitted)),
                tenant: (*tenant).to_owned(),
                rng: Rng::with_seed(seed.wrapping_add(at as u64)),
                head: 0,
                stop: stop.clone(),
                era: era.clone(),
                completions: completions.clone(),
            };
            tasks.spawn(actor.run());
        }
        Self { tasks, stop }
    }

    /// Stops it, waits until every erasure is complete, or patience ends, and returns the requests and
    /// the erasures.
    pub async fn finish(self, url: &str, tenants: &[&str]) -> (Vec<AskedErasure>, Vec<Erasure>) {
        self.stop.store(true, Ordering::SeqCst);
        let asked = self.tasks.join_all().await.concat();
        let until = Instant::now() + PATIENCE;
        loop {
            let erasures = erasures(url, tenants).await;
            if erasures.iter().all(Erasure::is_complete) || Instant::now() > until {
                return (asked, erasures);
            }
            sleep(AGAIN).await;
        }
    }
}

/// Returns the erasures of these tenants.
pub async fn erasures(url: &str, tenants: &[&str]) -> Vec<Erasure> {
    let mut all = Vec::new();
    for tenant in tenants {
        let named = |erasure| Erasure { tenant: (*tenant).to_owned(), ..erasure };
        all.extend(story::listed(url, tenant, "erasures").await.into_iter().map(named));
    }
    all
}

struct Actor {
    replicas: ReplicasClient,
    consumer: Arc<BaseConsumer>,
    tenant: String,
    rng: Rng,
    /// The last position of the log that it knows of.
    head: u64,
    stop: Arc<AtomicBool>,
    era: Arc<AtomicU32>,
    completions: Arc<AtomicU64>,
}

impl Actor {
    async fn run(mut self) -> Vec<AskedErasure> {
        let mut all: Vec<AskedErasure> = Vec::new();
        while all.len() < ERASURES_MAX {
            sleep(Duration::from_millis(self.rng.u64(PAUSE_MS))).await;
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            let last = all.last().filter(|_| self.rng.u8(0..AGAIN_EACH) == 0);
            let record = match last.map(|last| (last.entity.clone(), last.key.clone())) {
                Some(record) => Some(record),
                None => self.some_record().await,
            };
            let Some((entity, key)) = record else { continue };
            let mut asked = self.ask(entity, key).await;
            if self.rng.u8(0..4) > 0 {
                asked.completed = self.watch(&asked.id).await;
            }
            all.push(asked);
        }
        all
    }

    /// Returns the entity and the key of a record that may be erased, if it comes upon one.
    async fn some_record(&mut self) -> Option<(String, String)> {
        let entities = load::entities().into_iter().chain(tenants::RULES.unstored);
        let entity = self.rng.choice(entities.collect::<Vec<_>>())?;
        if self.rng.u8(0..UNKNOWN_EACH) == 0 {
            return Some((entity.to_owned(), System.new_id().to_string()));
        }
        let after = self.rng.u64(0..=self.head);
        let keys: Vec<_> = self.events(&format!("entity={entity}&limit=50&after={after}")).await?;
        let keys = keys.into_iter().map(|(_, key)| key).filter(|key| may_be_erased(key));
        Some((entity.to_owned(), self.rng.choice(keys.collect::<Vec<_>>())?))
    }

    /// Returns the positions and the keys of some events.
    async fn events(&mut self, of: &str) -> Option<Vec<(u64, String)>> {
        let path = format!("/domain-events?producer=inventory&gaps=skip&{of}");
        let (_, page) = self.get(&path).await.filter(|(status, _)| *status == 200)?;
        let events = page["events"].as_array()?.iter();
        let events = events.filter_map(|event| {
            Some((event["position"].as_u64()?, event["key"].as_str()?.to_owned()))
        });
        let events: Vec<_> = events.collect();
        let last = events.last().map_or(0, |(position, _)| *position);
        self.head = self.head.max(last);
        Some(events)
    }

    /// Asks for an erasure until an answer comes.
    async fn ask(&mut self, entity: String, key: String) -> AskedErasure {
        let (producer, reason) = ("mod-inventory-storage-29.0.1", "the crash loop asked for it");
        let body = json!({ "producer": producer, "entity": entity, "key": key, "reason": reason });
        let (first_sent, mut posts) = (self.era(), 0);
        let its = self.events(&format!("entity={entity}&key={key}&limit=1000")).await;
        let seen = its.unwrap_or_default().last().map_or(0, |(position, _)| *position);
        loop {
            let sent = self.era();
            posts += 1;
            let to = (self.tenant.as_str(), "/erasures");
            let request = self.replicas.request(&mut self.rng, Method::POST, to).json(&body);
            if let Ok(answer) = request.send().await {
                let status = answer.status().as_u16();
                let answer = answer.json::<Value>().await;
                let id = answer.as_ref().ok().and_then(|it| it["id"].as_str()).map(str::to_owned);
                if let (200 | 201, Some(id)) = (status, id) {
                    let eras = Eras { first_sent, sent, acknowledged: self.era() };
                    let (tenant, completed) = (self.tenant.clone(), None);
                    return AskedErasure { tenant, entity, key, seen, posts, id, eras, completed };
                }
                let may_pass = matches!(status, 200 | 201 | 408 | 429) || status >= 500;
                assert!(may_pass, "{status} for {body}: {answer:?}");
            }
            sleep(AGAIN).await;
        }
    }

    /// Watches an erasure until it is complete, lost, or watched for long enough.
    async fn watch(&mut self, id: &str) -> Option<Completed> {
        let until = Instant::now() + WATCH;
        while Instant::now() < until && !self.stop.load(Ordering::SeqCst) {
            let era = self.era();
            match self.get(&format!("/erasures/{id}")).await {
                Some((404, _)) => return None,
                Some((200, it)) if it["status"] == "Completed" && self.era() == era => {
                    let position = it["position"].as_u64().unwrap();
                    self.head = self.head.max(position);
                    let ends = self.ends().await;
                    sleep(PAGE_IS_FRESH).await;
                    let number = self.completions.fetch_add(1, Ordering::SeqCst) + 1;
                    return Some(Completed { number, era, position, ends });
                }
                _ => sleep(AGAIN).await,
            }
        }
        None
    }

    /// Returns the ends of the tenant's topics, once Kafka answers.
    async fn ends(&self) -> BTreeMap<String, Vec<i64>> {
        let prefix = format!("{}.{}.", tenants::ENV, self.tenant);
        loop {
            let (consumer, prefix) = (self.consumer.clone(), prefix.clone());
            let ends = move || kafka::ends(&consumer, &prefix, ANSWER_WITHIN);
            if let Some(ends) = spawn_blocking(ends).await.unwrap() {
                return ends;
            }
        }
    }

    /// Asks one of the replicas; `None` if no answer came.
    async fn get(&mut self, path: &str) -> Option<(u16, Value)> {
        self.replicas.get(&mut self.rng, &self.tenant, path).await
    }

    fn era(&self) -> u32 {
        self.era.load(Ordering::SeqCst)
    }
}

/// Returns whether a record is among those that may be erased. The key of a DELETE_ALL is not.
fn may_be_erased(key: &str) -> bool {
    let last = key.bytes().last().unwrap_or(b'0');
    key.bytes().any(|byte| !matches!(byte, b'0' | b'-')) && last.is_multiple_of(RECORDS_EACH)
}
