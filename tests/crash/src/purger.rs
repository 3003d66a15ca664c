//! The purger: one tenant is enabled, posts, and is purged, again and again, while everything else
//! goes on.
//!
//! Before a purge it compares nothing itself: it notes what it posted, what the log had, what Kafka
//! had once the purge had begun, and what was left in the end. A log that has seen the store put
//! back is purged without a note, since nobody knows what it had.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use event_gateway::clock::{Clock, System};
use fastrand::Rng;
use rdkafka::consumer::BaseConsumer;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::evidence::{Listed, Posted, PurgedLog};
use crate::kafka::{self, Isolation};
use crate::replicas_client::ReplicasClient;
use crate::rest::Rest;
use crate::tenants::{ENV, RULES, VISITOR};
use crate::{PATIENCE, load, until};

const MODULE: &str = "mod-inventory-storage-29.0.1";
/// The pause before the tenant is enabled again: to create and delete its topics is work for Kafka.
const PAUSE_MS: std::ops::Range<u64> = 4_000..12_000;
/// The number of changes to a log.
const CHANGES: std::ops::Range<usize> = 1..25;
/// The most logs that are purged.
const LOGS_MAX: usize = 200;
/// The pause before something is tried again.
const AGAIN: Duration = Duration::from_millis(50);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The time within which Kafka's topics are read after a purge has begun, or not at all.
const READ_WITHIN: Duration = Duration::from_secs(3);

/// The purger at work.
pub struct Purger {
    task: JoinHandle<Vec<PurgedLog>>,
    stop: Arc<AtomicBool>,
    rest: Rest,
}

impl Purger {
    /// Starts it, by a schedule of that seed.
    pub fn start(urls: &[String], broker: &str, seed: u64, era: &Arc<AtomicU32>) -> Self {
        let (stop, rest) = (Arc::<AtomicBool>::default(), Rest::default());
        let actor = Actor {
            replicas: ReplicasClient::new(urls),
            consumer: Arc::new(kafka::consumer(broker, Isolation::ReadUncommitted)),
            rng: Rng::with_seed(seed),
            stop: stop.clone(),
            rest: rest.clone(),
            era: era.clone(),
        };
        Self { task: tokio::spawn(actor.run()), stop, rest }
    }

    /// Waits until it stands still, wherever it is; it changes nothing until it may go on.
    pub async fn rest(&self) {
        self.rest.ask(true);
        let is_still = async || self.rest.is_taken() || self.task.is_finished();
        until("the purger rests", is_still).await;
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.rest.ask(false);
    }

    /// Stops it once its tenant is purged, and returns the logs that were.
    pub async fn finish(self) -> Vec<PurgedLog> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

struct Actor {
    replicas: ReplicasClient,
    consumer: Arc<BaseConsumer>,
    rng: Rng,
    stop: Arc<AtomicBool>,
    rest: Rest,
    era: Arc<AtomicU32>,
}

/// The store was put back meanwhile, or may be, so nobody knows what the tenant has.
#[derive(Debug)]
struct Torn;

impl Actor {
    async fn run(mut self) -> Vec<PurgedLog> {
        let mut all = Vec::new();
        // The era in which the tenant was seen to have nothing.
        let mut purged_in = None;
        loop {
            let era = self.era();
            if purged_in != Some(era) {
                let log = &mut PurgedLog { is_forced: true, ..PurgedLog::default() };
                purged_in = self.purge(era, log).await.ok().map(|()| era);
                continue;
            }
            if self.stop.load(Ordering::SeqCst) || all.len() >= LOGS_MAX {
                return all;
            }
            sleep(Duration::from_millis(self.rng.u64(PAUSE_MS))).await;
            match self.visit(era).await {
                Ok(log) => all.push(log),
                Err(Torn) => purged_in = None,
            }
        }
    }

    /// Enables the tenant, posts, and purges it.
    async fn visit(&mut self, era: u32) -> Result<PurgedLog, Torn> {
        let mut log = PurgedLog { era, is_forced: self.rng.bool(), ..PurgedLog::default() };
        let enabled = json!({ "module_to": "mod-event-gateway-1.0.0" });
        self.answered(era, "/_/tenant", &enabled, |status, _| status == 201).await?;
        let keys: Vec<_> = (0..4).map(|_| System.new_id().to_string()).collect();
        for _ in 0..self.rng.usize(CHANGES) {
            log.posted.push(self.change(era, &keys).await?);
        }
        if self.rng.bool() {
            self.try_once("/replays", &json!({})).await;
        }
        if self.rng.u8(0..4) == 0 {
            let (entity, reason) = (PurgedLog::LOGGED, "the tenant leaves");
            let of =
                json!({ "producer": MODULE, "entity": entity, "key": keys[0], "reason": reason });
            log.erased = Some(keys[0].clone());
            self.try_once("/erasures", &of).await;
        }
        self.list(era, &mut log).await?;
        self.purge(era, &mut log).await?;
        Ok(log)
    }

    /// Posts a change until it is acknowledged.
    async fn change(&mut self, era: u32, keys: &[String]) -> Result<Posted, Torn> {
        let entities = load::entities().into_iter().chain(RULES.unstored);
        let entity = self.rng.choice(entities.collect::<Vec<_>>()).unwrap();
        // The log keeps one event of each key of a compacted entity.
        let key = match Some(entity) == RULES.compacted {
            true => System.new_id().to_string(),
            false => self.rng.choice(keys).unwrap().clone(),
        };
        let event_id = System.new_id().to_string();
        let body = json!({ "eventId": event_id, "new": { "id": key } });
        let path = format!("/domain-events/{MODULE}/{entity}");
        let (_, receipt) = self.answered(era, &path, &body, |status, _| status == 201).await?;
        let position = receipt["position"].as_u64().unwrap();
        Ok(Posted { entity: entity.to_owned(), key, event_id, position })
    }

    /// Notes the events of the log.
    async fn list(&mut self, era: u32, log: &mut PurgedLog) -> Result<(), Torn> {
        let of = format!("producer=inventory&entity={}&limit=1000&gaps=skip", PurgedLog::LOGGED);
        loop {
            self.may_go_on(era).await?;
            let Some((200, page)) = self.get(&format!("/domain-events?{of}")).await else {
                sleep(AGAIN).await;
                continue;
            };
            // An answer of the store that was put back tells nothing.
            self.may_go_on(era).await?;
            for event in page["events"].as_array().unwrap() {
                let header = |name: &str| event["headers"][name].as_str().unwrap().to_owned();
                log.log_ids.insert(header("log_id"));
                log.logged.push(Listed {
                    position: event["position"].as_u64().unwrap(),
                    event_id: event["eventId"].as_str().unwrap().to_owned(),
                    event_type: header("type"),
                });
            }
            return Ok(());
        }
    }

    /// Purges the tenant, if it has a log, and notes what is seen meanwhile.
    async fn purge(&mut self, era: u32, log: &mut PurgedLog) -> Result<(), Torn> {
        let mut wanted = json!({ "purge": true });
        if log.is_forced {
            wanted["parameters"] = json!([{ "key": "force", "value": "true" }]);
        }
        // Without force, it waits until everything is published.
        let is_begun = |status, _: &Value| matches!(status, 201 | 404);
        let (status, job) = self.answered(era, "/_/tenant", &wanted, is_begun).await?;
        if status == 201 {
            log.sent = self.sent().await;
            let path = format!("/_/tenant/{}?wait=300", job["id"].as_str().unwrap());
            self.completed(era, &path, log).await?;
        }
        log.left = self.left(era).await?;
        Ok(())
    }

    /// Waits until a purge is complete. Until then the tenant has no log for anybody.
    async fn completed(&mut self, era: u32, job: &str, log: &mut PurgedLog) -> Result<(), Torn> {
        let (mut until, mut last) = (Instant::now() + PATIENCE, Value::Null);
        loop {
            if self.may_go_on(era).await? {
                until = Instant::now() + PATIENCE;
            }
            let answer = self.get(job).await;
            self.may_go_on(era).await?;
            match answer {
                Some((200, job)) if job["complete"] == true => {
                    assert!(job["error"].is_null(), "{job}");
                    return Ok(());
                }
                Some((200, job)) => last = job,
                Some((404, problem)) => log.shown.push(format!("its job: {problem}")),
                _ => {}
            }
            let event = json!({ "new": { "id": System.new_id().to_string() } });
            let path = format!("/domain-events/{MODULE}/{}", PurgedLog::LOGGED);
            let answers = [self.get("/domain-events").await, self.post(&path, &event).await];
            self.may_go_on(era).await?;
            for (status, answer) in answers.into_iter().flatten() {
                if status < 404 {
                    log.shown.push(format!("{status} {answer}"));
                }
            }
            assert!(Instant::now() < until, "the purge is never complete: {last}");
            sleep(AGAIN).await;
        }
    }

    /// Returns the ids of the records that Kafka has of the tenant, if its topics are all there.
    async fn sent(&self) -> Option<BTreeSet<String>> {
        let consumer = self.consumer.clone();
        let topics = format!("{ENV}.{VISITOR}.*");
        let read = move || kafka::consume_within(&consumer, &topics, READ_WITHIN);
        let records = spawn_blocking(read).await.unwrap()?;
        let ids = records.iter().filter_map(|it| it.header("event_id").map(str::to_owned));
        Some(ids.collect()).filter(|_| !records.is_empty())
    }

    /// Returns the topics that Kafka still has of the tenant, a while after they were removed.
    async fn left(&mut self, era: u32) -> Result<Vec<String>, Torn> {
        let until = Instant::now() + ANSWER_WITHIN;
        loop {
            self.may_go_on(era).await?;
            let consumer = self.consumer.clone();
            let topics = move || kafka::topics_within(&consumer, ANSWER_WITHIN);
            let Some(topics) = spawn_blocking(topics).await.unwrap() else { continue };
            let prefix = format!("{ENV}.{VISITOR}.");
            let mut left: Vec<_> = topics.into_keys().collect();
            left.retain(|topic| topic.starts_with(&prefix));
            if left.is_empty() || Instant::now() > until {
                return Ok(left);
            }
            sleep(AGAIN).await;
        }
    }

    /// Stands still while it is asked to; an error if another era has begun. Returns whether it has
    /// stood still.
    async fn may_go_on(&self, era: u32) -> Result<bool, Torn> {
        let rests = self.rest.is_asked();
        while self.rest.is_asked() {
            self.rest.take(true);
            sleep(AGAIN).await;
        }
        self.rest.take(false);
        if self.era() == era { Ok(rests) } else { Err(Torn) }
    }

    /// Posts until such an answer comes. After no answer and after a server's error it asks the next
    /// replica, and after a 409 too: a purge that is under way ends, and events get published.
    async fn answered(
        &mut self,
        era: u32,
        path: &str,
        body: &Value,
        is_wanted: impl Fn(u16, &Value) -> bool,
    ) -> Result<(u16, Value), Torn> {
        let mut until = Instant::now() + PATIENCE;
        loop {
            if self.may_go_on(era).await? {
                until = Instant::now() + PATIENCE;
            }
            let answer = self.post(path, body).await;
            self.may_go_on(era).await?;
            if let Some((status, answer)) = answer {
                if is_wanted(status, &answer) {
                    return Ok((status, answer));
                }
                let may_pass = matches!(status, 408 | 409 | 429) || status >= 500;
                assert!(may_pass, "{status} for {path} {body}: {answer}");
                assert!(Instant::now() < until, "always {status} for {path} {body}: {answer}");
            }
            sleep(AGAIN).await;
        }
    }

    /// Asks for something that may as well not come to be.
    async fn try_once(&mut self, path: &str, body: &Value) {
        if let Some((status, answer)) = self.post(path, body).await {
            // No event was published yet that could be replayed.
            let may_be = matches!(status, 201 | 404 | 408 | 409 | 422 | 429) || status >= 500;
            assert!(may_be, "{status} for {path} {body}: {answer}");
        }
    }

    /// Posts to one of the replicas; `None` if no answer came.
    async fn post(&mut self, path: &str, body: &Value) -> Option<(u16, Value)> {
        self.replicas.post(&mut self.rng, (VISITOR, path), body).await
    }

    /// Asks one of the replicas; `None` if no answer came.
    async fn get(&mut self, path: &str) -> Option<(u16, Value)> {
        self.replicas.get(&mut self.rng, VISITOR, path).await
    }

    fn era(&self) -> u32 {
        self.era.load(Ordering::SeqCst)
    }
}
