//! Subscribers: groups that follow a tenant's log over HTTP by polls and commits, meanwhile.
//!
//! The readers of one kind of group go now and then without a word, and another one takes over
//! when its lease ends; the gone one then tries to commit. A group of the other kind seeks back now
//! and then. The checker compares what they got with the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::PATIENCE;
use crate::evidence::{Act, Answer, Delivered, ERAS, Subscribed, puts_back};
use crate::replicas_client::ReplicasClient;
use crate::story;

/// The lease of a reader, and so the time until another one may begin.
const LEASE_SECS: u64 = 2;
/// The time for which the log keeps events that a group has not committed.
const HOLD_SECS: u64 = 3_600;
/// The most events of a poll.
const LIMIT: usize = 50;
/// The pause before something is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// The habit of the readers of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// A reader is gone now and then, and another one takes over.
    IsGone,
    /// The reader leaves now and then, and moves the group back.
    SeeksBack,
}

/// The groups at work.
pub struct Subscribers {
    groups: Vec<(String, Arc<AtomicU64>)>,
    tasks: JoinSet<Subscribed>,
}

impl Subscribers {
    /// Starts one group of each habit, each of one of the tenants.
    pub fn start(
        urls: &[String],
        groups: &[(&str, Habit, Vec<String>)],
        seed: u64,
        era: &Arc<AtomicU32>,
        completions: &Arc<AtomicU64>,
    ) -> Self {
        let mut all = Self { groups: Vec::new(), tasks: JoinSet::new() };
        for (at, (tenant, habit, topics)) in groups.iter().enumerate() {
            // It reads on until it is told a position.
            let until = Arc::new(AtomicU64::new(u64::MAX));
            let group = Group {
                replicas: ReplicasClient::new(urls),
                rng: Rng::with_seed(seed.wrapping_add(at as u64)),
                habit: *habit,
                until: until.clone(),
                readers: 0,
                era: era.clone(),
                last_era: 0,
                completions: completions.clone(),
                subscribed: Subscribed {
                    tenant: (*tenant).to_owned(),
                    group: format!("cg.crash-{at}"),
                    topics: topics.clone(),
                    acts: Vec::new(),
                },
            };
            all.groups.push(((*tenant).to_owned(), until));
            all.tasks.spawn(group.run());
        }
        all
    }

    /// Lets each group read to the end of its log, to which nobody writes any more.
    pub async fn finish(self, url: &str) -> Vec<Subscribed> {
        for (tenant, until) in &self.groups {
            let log = story::published_log(url, tenant).await;
            until.store(log.last().map_or(0, |event| event.position), Ordering::SeqCst);
        }
        self.tasks.join_all().await
    }
}

struct Group {
    replicas: ReplicasClient,
    rng: Rng,
    habit: Habit,
    /// The position up to which it reads in the end.
    until: Arc<AtomicU64>,
    /// The number of readers so far.
    readers: usize,
    /// The present era, and that of the last act.
    era: Arc<AtomicU32>,
    last_era: u32,
    /// The number of the last erasure that was observed to be complete.
    completions: Arc<AtomicU64>,
    subscribed: Subscribed,
}

/// A reader that has the group.
#[derive(Clone, Copy)]
struct Reader {
    generation: u64,
    position: u64,
    committed: u64,
}

/// The end of a reader.
enum End {
    /// Everything was read.
    Over,
    /// Another generation began, or the reader is gone.
    Next(Reader),
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Event>,
    position: u64,
    generation: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    position: u64,
    event_id: String,
    key: String,
    payload: Box<RawValue>,
}

impl Group {
    async fn run(mut self) -> Subscribed {
        self.put().await;
        let mut former: Option<Reader> = None;
        loop {
            let reader = self.begin().await;
            if let Some(former) = former.take() {
                // It was only slow, and does not know that it has lost the group.
                self.commit(former.generation, former.position).await;
            }
            match self.read(reader).await {
                End::Over => return self.subscribed,
                End::Next(reader) if self.habit == Habit::SeeksBack => self.seek(reader).await,
                End::Next(reader) => former = Some(reader),
            }
        }
    }

    async fn put(&mut self) {
        let form = json!({
            "topics": self.subscribed.topics,
            "start": "earliest",
            "leaseSeconds": LEASE_SECS,
            "holdSeconds": HOLD_SECS,
        });
        loop {
            let put = self.request(Method::PUT, "").json(&form).send().await;
            match put.map(|answer| answer.status().as_u16()) {
                Ok(200 | 201) => return,
                Ok(status) => assert!(status >= 500 || status == 408, "{status} for {form}"),
                Err(_) => {}
            }
            sleep(AGAIN).await;
        }
    }

    /// Lets the next reader begin, once nobody has the group.
    async fn begin(&mut self) -> Reader {
        self.readers += 1;
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(page) = self.poll(&format!("reader=r{}", self.readers), None).await {
                return Reader {
                    generation: page.generation,
                    position: page.position,
                    committed: 0,
                };
            }
            assert!(Instant::now() < until, "{:?} is never free", self.subscribed.group);
            sleep(AGAIN).await;
        }
    }

    /// Polls and commits, until the reader is gone, fenced or done.
    async fn read(&mut self, mut reader: Reader) -> End {
        let mut failed = 0;
        loop {
            if reader.position > reader.committed && self.rng.u8(0..3) > 0 {
                let answer = self.commit(reader.generation, reader.position).await;
                if answer == Answer::Refused {
                    return End::Next(reader);
                }
                reader.committed = reader.position;
            }
            let until = self.until.load(Ordering::SeqCst);
            if reader.position >= until {
                return End::Over;
            }
            if until == u64::MAX && self.rng.u8(0..40) == 0 {
                return End::Next(reader);
            }
            let query = format!("generation={}&after={}", reader.generation, reader.position);
            match self.poll(&query, Some(reader.position)).await {
                Some(page) => {
                    reader.position = page.position;
                    failed = 0;
                }
                // It may be fenced, and begins anew.
                None if failed == 20 => return End::Next(reader),
                None => failed += 1,
            }
            sleep(Duration::from_millis(self.rng.u64(0..150))).await;
        }
    }

    /// Polls one of the replicas; `None` if no page came.
    async fn poll(&mut self, query: &str, after: Option<u64>) -> Option<Page> {
        let path = format!("/events?wait=1&limit={LIMIT}&{query}");
        let (era, completions) = self.now();
        let answer = self.request(Method::GET, &path).send().await.ok()?;
        let status = answer.status().as_u16();
        if status != 200 {
            let problem = answer.text().await.unwrap_or_default();
            assert!(matches!(status, 408 | 409 | 429) || status >= 500, "{status}: {problem}");
            return None;
        }
        let page: Page = answer.json().await.ok()?;
        let delivered = |event: &Event| Delivered {
            position: event.position,
            event_id: event.event_id.clone(),
            key: event.key.clone(),
            payload: event.payload.get().to_owned(),
        };
        let Page { generation, position, .. } = page;
        let events = page.events.iter().map(delivered).collect();
        // Whatever came meanwhile, the answer may be from before that.
        let completions = if self.now().0 == era { completions } else { 0 };
        self.note(Act::Polled { generation, after, events, position, completions });
        Some(page)
    }

    async fn commit(&mut self, generation: u64, position: u64) -> Answer {
        let body = json!({ "generation": generation, "position": position });
        let answer = self.post("/commits", &body).await;
        self.note(Act::Committed { generation, position, answer });
        answer
    }

    /// Returns the present era, and the number of the last erasure that is complete.
    fn now(&self) -> (u32, u64) {
        (self.era.load(Ordering::SeqCst), self.completions.load(Ordering::SeqCst))
    }

    /// Notes an act, and whether the store was put back or the log restored since the last one.
    fn note(&mut self, act: Act) {
        let (era, _) = self.now();
        if puts_back(era) != puts_back(self.last_era) {
            self.subscribed.acts.push(Act::PutBack);
        }
        if era / ERAS != self.last_era / ERAS {
            self.subscribed.acts.push(Act::Restored);
        }
        self.last_era = era;
        self.subscribed.acts.push(act);
    }

    /// Moves the group back, once its lease has ended.
    async fn seek(&mut self, former: Reader) {
        let to = self.rng.u64(0..=former.position);
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.post("/seek", &json!({ "to": { "position": to } })).await;
            self.note(Act::Sought { to, answer });
            if answer == Answer::Done {
                return;
            }
            assert!(Instant::now() < until, "{:?} is never free", self.subscribed.group);
            sleep(AGAIN).await;
        }
    }

    /// Posts to one of the replicas; a conflict is a refusal, and anything else unknown.
    async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let answer = self.request(Method::POST, path).json(body).send().await;
        match answer.map(|answer| answer.status().as_u16()) {
            Ok(200) => Answer::Done,
            Ok(409) => Answer::Refused,
            Ok(status) => {
                assert!(status >= 500 || status == 408, "{status} for {path} {body}");
                Answer::Unknown
            }
            Err(_) => Answer::Unknown,
        }
    }

    fn request(&mut self, method: Method, path: &str) -> RequestBuilder {
        let Subscribed { tenant, group, .. } = &self.subscribed;
        let path = format!("/subscriptions/{group}{path}");
        self.replicas.request(&mut self.rng, method, (tenant, &path))
    }
}
