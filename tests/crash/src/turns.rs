//! The turns of a group: Kafka's clients read for it, then a reader over HTTP, then Kafka's clients
//! again.
//!
//! The reader is one of the group's members as far as the checker goes. It begins with one tenant's
//! log once the last of Kafka's clients has gone, commits now and then, and leaves or is gone
//! without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_gateway::domain::partition;
use event_gateway::domain::time::Time;
use fastrand::Rng;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::PATIENCE;
use crate::evidence::{GroupAct, Logged, Offsets};
use crate::kafka::Record;
use crate::members::{Members, Notes, Plan};
use crate::replicas_client::ReplicasClient;

/// The time for which Kafka's clients read.
const KAFKA_MS: std::ops::Range<u64> = 3_000..9_000;
/// The time for which a reader over HTTP reads.
const HTTP_MS: std::ops::Range<u64> = 500..4_000;
/// The most events of a poll.
const LIMIT: usize = 50;
/// The most polls without an answer in a row, after which a reader is gone.
const FAILED_MAX: usize = 20;
/// The pause before something is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// The turns of one group.
pub struct Turns {
    task: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl Turns {
    /// Starts them, by a schedule of that seed.
    pub fn start(urls: &[String], members: &Members, tenants: &[&str], seed: u64) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let actor = Actor {
            replicas: ReplicasClient::new(urls),
            plan: members.plan().clone(),
            notes: members.notes(),
            tenants: tenants.iter().map(|&tenant| tenant.to_owned()).collect(),
            rng: Rng::with_seed(seed),
            stop: stop.clone(),
        };
        Self { task: tokio::spawn(actor.run()), stop }
    }

    /// Ends the present turn; from then on Kafka's clients read.
    pub async fn finish(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
    }
}

struct Actor {
    replicas: ReplicasClient,
    plan: Plan,
    notes: Arc<Notes>,
    tenants: Vec<String>,
    rng: Rng,
    stop: Arc<AtomicBool>,
}

/// A reader over HTTP.
struct Reader {
    tenant: String,
    member: usize,
    /// All partitions of the tenant's topics.
    partitions: Vec<(String, i32)>,
    generation: u64,
    position: u64,
    committed: u64,
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Logged>,
    position: u64,
    generation: u64,
}

impl Actor {
    async fn run(mut self) {
        loop {
            let ends = Instant::now() + Duration::from_millis(self.rng.u64(KAFKA_MS));
            while Instant::now() < ends {
                if self.is_stopped() {
                    return;
                }
                sleep(AGAIN).await;
            }
            self.notes.send_away(true);
            let until = Instant::now() + PATIENCE;
            while !self.notes.is_alone() {
                assert!(Instant::now() < until, "clients of {} never go", self.plan.group);
                sleep(AGAIN).await;
            }
            self.turn().await;
            self.notes.send_away(false);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Lets a reader read for a while.
    async fn turn(&mut self) {
        let mut reader = self.begin().await;
        let ends = Instant::now() + Duration::from_millis(self.rng.u64(HTTP_MS));
        let mut failed = 0;
        while Instant::now() < ends && failed < FAILED_MAX {
            let commits = reader.position > reader.committed && self.rng.bool();
            if commits && !self.commit(&mut reader).await {
                break;
            }
            let query = format!("generation={}&after={}", reader.generation, reader.position);
            failed = if self.poll(&mut reader, &query).await { 0 } else { failed + 1 };
            sleep(Duration::from_millis(self.rng.u64(0..150))).await;
        }
        let Reader { tenant, member, partitions, generation, .. } = reader;
        self.notes.note(GroupAct::Revoked { member, partitions });
        if self.rng.bool() {
            let path = format!("/subscriptions/{}/reader?generation={generation}", self.plan.group);
            let leave = self.replicas.request(&mut self.rng, Method::DELETE, (&tenant, &path));
            // Without an answer it is gone without a word.
            let _ = leave.send().await;
        }
    }

    /// Lets the next reader begin with the log of one of the tenants, once nobody has the group.
    async fn begin(&mut self) -> Reader {
        let tenant = self.rng.choice(&self.tenants).unwrap().clone();
        let (member, partitions) = (self.notes.new_member(), self.plan.places_of(&tenant));
        // It may begin without an answer.
        self.notes.note(GroupAct::Begins { member, partitions: partitions.clone() });
        let (generation, position, committed) = (0, 0, 0);
        let mut reader = Reader { tenant, member, partitions, generation, position, committed };
        let (query, until) = (format!("reader=turn-{member}"), Instant::now() + PATIENCE);
        while !self.poll(&mut reader, &query).await {
            assert!(Instant::now() < until, "{} is never free for {query}", self.plan.group);
            sleep(AGAIN).await;
        }
        reader
    }

    /// Polls one of the replicas, and returns whether a page came. An event that was erased has no
    /// record.
    async fn poll(&mut self, reader: &mut Reader, query: &str) -> bool {
        let path = format!("/subscriptions/{}/events?limit={LIMIT}&{query}", self.plan.group);
        let asked = self.replicas.request(&mut self.rng, Method::GET, (&reader.tenant, &path));
        let Ok(answer) = asked.send().await else { return false };
        let status = answer.status().as_u16();
        if status != 200 {
            let problem = answer.text().await.unwrap_or_default();
            assert!(matches!(status, 408 | 409 | 429) || status >= 500, "{status}: {problem}");
            return false;
        }
        let Ok(page) = answer.json::<Page>().await else { return false };
        let Reader { member, ref partitions, .. } = *reader;
        for event in page.events.iter().filter(|event| event.erased.is_none()) {
            let record = record(event, self.plan.partitions);
            self.notes.note(GroupAct::Got { member, record });
        }
        let (partitions, offset) = (partitions.clone(), offset_after(page.position));
        self.notes.note(GroupAct::Passed { member, partitions, offset });
        (reader.generation, reader.position) = (page.generation, page.position);
        true
    }

    /// Commits what was received; returns whether the reader may go on.
    async fn commit(&mut self, reader: &mut Reader) -> bool {
        let Reader { generation, position, member, .. } = *reader;
        let offset = offset_after(position);
        let offsets: Offsets =
            reader.partitions.iter().map(|place| (place.clone(), offset)).collect();
        self.notes.note(GroupAct::Commits { member, offsets });
        let path = format!("/subscriptions/{}/commits", self.plan.group);
        let body = json!({ "generation": generation, "position": position });
        let asked = self.replicas.request(&mut self.rng, Method::POST, (&reader.tenant, &path));
        let status = asked.json(&body).send().await.map(|answer| answer.status().as_u16());
        self.notes.note(GroupAct::Committed { member, is_done: matches!(status, Ok(200)) });
        match status {
            Ok(200) => reader.committed = position,
            // Its lease has ended, and somebody else may have begun.
            Ok(409) => return false,
            Ok(status) => assert!(status >= 500 || status == 408, "{status} for {body}"),
            Err(_) => {}
        }
        true
    }
}

/// Returns the offset at which a group stands that has got everything up to a position.
fn offset_after(position: u64) -> i64 {
    position as i64 + 1
}

/// Returns the record of an event, as a Kafka client would be given it.
fn record(event: &Logged, partitions: usize) -> Record {
    let payload = event.payload.get();
    let value = if payload == "null" { "" } else { payload };
    Record {
        topic: event.topic.clone(),
        partition: partition::of_key(event.key.as_bytes(), partitions) as i32,
        offset: event.position as i64,
        key: event.key.clone().into_bytes(),
        value: value.as_bytes().to_vec(),
        headers: event.headers.clone().into_iter().collect(),
        timestamp_ms: Time::parse(&event.time).unwrap().as_ms(),
    }
}
