//! The operator of a group: makes it, looks where it stands, and decides about what its handler
//! fails at: a group that has stopped is resumed, or skips the event; dead letters are redriven, or
//! discarded.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Group, plan};
use crate::PATIENCE;
use crate::evidence::{Answer, HandlerAct, Letter, Policy};
use crate::replicas_client::ReplicasClient;

/// The lease of the replica that has a group, and so the time until another one may have it.
const LEASE_SECS: u64 = 2;
/// The time for which the log keeps events that are not done.
const HOLD_SECS: u64 = 3_600;
/// The events that are under way at once.
const CONCURRENCY: u64 = 4;
/// The secret by which requests are signed.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// As many dead letters are not noted at each look.
const MANY: usize = 200;
/// The reason that is given for what is discarded.
const REASON: &str = "the operator has decided so";

/// The operator.
pub(super) struct Operator {
    replicas: ReplicasClient,
    rng: Rng,
    group: Arc<Group>,
}

/// A group as `GET /subscriptions/{group}` shows it.
#[derive(Deserialize)]
struct Shown {
    position: u64,
    generation: u64,
    halt: Option<Halt>,
}

#[derive(Deserialize)]
struct Halt {
    /// The event at which the handler failed.
    position: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    dead_letters: Vec<DeadLetter>,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct DeadLetter {
    position: u64,
    reason: Option<String>,
    redriven: bool,
}

/// A look of the operator.
struct Look {
    position: u64,
    halt: Option<Halt>,
    letters: Vec<DeadLetter>,
}

impl Look {
    /// Returns what changes as long as the group comes on.
    fn progress(&self) -> (u64, usize, bool) {
        (self.position, self.letters.len(), self.halt.is_some())
    }
}

impl Operator {
    /// Makes the operator of a group.
    pub(super) fn new(replicas: ReplicasClient, rng: Rng, group: Arc<Group>) -> Self {
        Self { replicas, rng, group }
    }

    /// Decides until the handler has done everything; panics if a handler that does everything gets
    /// nothing any more.
    pub(super) async fn run(mut self) {
        let (mut last, mut since) = ((0, 0, false), Instant::now());
        loop {
            sleep(Duration::from_millis(self.rng.u64(200..700))).await;
            let until = self.group.until.load(Ordering::SeqCst);
            if until == u64::MAX {
                since = Instant::now();
            }
            if let Some(look) = self.look().await {
                if look.progress() != last {
                    (last, since) = (look.progress(), Instant::now());
                }
                let is_done = look.position >= until && look.letters.is_empty();
                if is_done && look.halt.is_none() {
                    return;
                }
                self.decide(&look).await;
            }
            let name = &self.group.name;
            assert!(since.elapsed() < PATIENCE, "{name} stands still at {last:?}, before {until}");
        }
    }

    /// Makes the group, whose events are brought to a webhook.
    pub(super) async fn put(&mut self, webhook: &str) {
        let (policy, order) = match self.group.policy {
            Policy::Stop => ("stop", "key"),
            Policy::Park => ("park", "key"),
            Policy::OutOfOrder => ("retry", "none"),
        };
        let form = json!({
            "topics": self.group.topics,
            "start": "earliest",
            "leaseSeconds": LEASE_SECS,
            "holdSeconds": HOLD_SECS,
            "handler": {
                "webhook": { "url": webhook, "secrets": [SECRET] },
                "concurrency": CONCURRENCY,
                "timeoutSeconds": plan::TIMEOUT_SECS,
            },
            "failure": {
                "policy": policy,
                "order": order,
                "attempts": plan::ATTEMPTS,
                "waitMs": 50,
                "waitMsMax": 400,
            },
        });
        loop {
            let path = format!("/subscriptions/{}", self.group.name);
            let to = (self.group.tenant.as_str(), path.as_str());
            let put = self.replicas.request(&mut self.rng, Method::PUT, to);
            match put.json(&form).send().await.map(|answer| answer.status().as_u16()) {
                Ok(200 | 201) => return,
                Ok(status) => assert!(status >= 500 || status == 408, "{status} for {form}"),
                Err(_) => {}
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Looks where the group stands, and then at its dead letters; `None` if an answer is missing,
    /// or the group may have gone back in between, with the store or the log.
    async fn look(&mut self) -> Option<Look> {
        let era = self.group.era.load(Ordering::SeqCst);
        let Shown { position, generation, halt } = self.get("").await?;
        let (mut letters, mut after) = (Vec::new(), 0);
        loop {
            let path = format!("/dead-letters?limit=1000&after={after}");
            let page: Page = self.get(&path).await?;
            letters.extend(page.dead_letters);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        let after: Shown = self.get("").await?;
        let went_on = after.generation == generation && after.position >= position;
        if !went_on || self.group.era.load(Ordering::SeqCst) != era {
            return None;
        }
        // A long run has no room for many long lists.
        if letters.len() < MANY || self.rng.u8(0..10) == 0 {
            let told =
                |it: &DeadLetter| Letter { position: it.position, reason: it.reason.clone() };
            let told = letters.iter().map(told).collect();
            self.group.note(HandlerAct::Stands { position, letters: told });
        }
        Some(Look { position, halt, letters })
    }

    async fn decide(&mut self, look: &Look) {
        let is_calm = self.group.is_calm.load(Ordering::SeqCst);
        if let Some(halt) = &look.halt {
            match halt.position {
                Some(position) if !is_calm && self.rng.u8(0..3) == 0 => self.skip(position).await,
                _ => self.resume().await,
            }
        }
        let gone = look.letters.iter().find(|it| is_gone(it)).map(|it| it.position);
        if let Some(position) = gone {
            self.discard(position).await;
        }
        if look.letters.iter().all(|it| it.redriven) || !is_calm && self.rng.u8(0..3) > 0 {
            return;
        }
        let position = self.rng.choice(&look.letters).map(|it| it.position);
        match self.rng.u8(0..8) {
            0 if !is_calm => self.discard(position.unwrap_or_default()).await,
            1..=3 if !is_calm => self.redrive(&json!({ "positions": [position] })).await,
            _ => self.redrive(&json!({})).await,
        }
    }

    async fn resume(&mut self) {
        if let Some((200, _)) = self.post("/resume", &json!({})).await {
            self.group.note(HandlerAct::Resumed);
        }
    }

    async fn redrive(&mut self, which: &Value) {
        if let Some((200, answer)) = self.post("/dead-letters/redrive", which).await {
            let count = answer["count"].as_u64().unwrap();
            self.group.note(HandlerAct::Redriven(count));
        }
    }

    /// Has the group go on after the event at which it has stopped.
    async fn skip(&mut self, position: u64) {
        self.group.note(HandlerAct::GivesUp { position, is_dead: false });
        let answer = match self.post("/skip", &json!({ "position": position })).await {
            Some((200, _)) => Answer::Done,
            Some((409, _)) => Answer::Refused,
            _ => Answer::Unknown,
        };
        self.given_up(position, answer);
    }

    async fn discard(&mut self, position: u64) {
        self.group.note(HandlerAct::GivesUp { position, is_dead: true });
        let which = json!({ "positions": [position], "reason": REASON });
        let answer = match self.post("/dead-letters/discard", &which).await {
            Some((200, answer)) if answer["count"] == 0 => Answer::Refused,
            Some((200, _)) => Answer::Done,
            _ => Answer::Unknown,
        };
        self.given_up(position, answer);
    }

    fn given_up(&self, position: u64, answer: Answer) {
        if answer == Answer::Refused {
            self.group.note(HandlerAct::Refused { position });
        }
    }

    /// Asks one of the replicas about the group; `None` if no answer came.
    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Option<T> {
        let path = format!("/subscriptions/{}{path}", self.group.name);
        let tenant = &self.group.tenant;
        let (status, answer) = self.replicas.get(&mut self.rng, tenant, &path).await?;
        assert!(matches!(status, 200 | 408 | 429) || status >= 500, "{status}: {answer}");
        (status == 200).then(|| serde_json::from_value(answer).unwrap())
    }

    /// Posts to one of the replicas; `None` if no answer came.
    async fn post(&mut self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let path = format!("/subscriptions/{}{path}", self.group.name);
        let to = (self.group.tenant.as_str(), path.as_str());
        let (status, answer) = self.replicas.post(&mut self.rng, to, body).await?;
        let is_known = matches!(status, 200 | 408 | 409 | 429) || status >= 500;
        assert!(is_known, "{status} for {path} {body}: {answer}");
        Some((status, answer))
    }
}

fn is_gone(letter: &DeadLetter) -> bool {
    let DeadLetter { position, reason, .. } = letter;
    Letter { position: *position, reason: reason.clone() }.is_gone()
}
