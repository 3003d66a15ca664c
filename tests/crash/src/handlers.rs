//! Handlers: groups whose events the gateway brings to a webhook, which answers by a seed, and an
//! operator who decides about what it fails at.
//!
//! ```text
//!   gateway ──► webhook ──► notes ◄── operator: looks, resumes, skips, redrives, discards
//! ```
//!
//! The notes of a group are one list, in the order in which things happened: an answer is noted
//! before it is sent, and what the operator asks for before it may be done.

mod operator;
mod plan;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::sleep;

use operator::Operator;
use plan::Turn;

use crate::evidence::{Delivered, Handled, HandlerAct, Logged, Policy, puts_back};
use crate::receiver::{self, Reply, Request};
use crate::replicas_client::ReplicasClient;
use crate::story;

/// The groups at work.
pub struct Handlers {
    groups: Vec<Arc<Group>>,
    operators: JoinSet<()>,
}

/// A group, its webhook and its operator.
struct Group {
    tenant: String,
    name: String,
    topics: Vec<String>,
    policy: Policy,
    seed: u64,
    /// The position that the group reaches in the end, once nobody changes the log any more. From
    /// then on its handler does everything.
    until: AtomicU64,
    is_calm: AtomicBool,
    era: Arc<AtomicU32>,
    notes: Mutex<Notes>,
}

/// The acts so far.
#[derive(Default)]
struct Notes {
    acts: Vec<HandlerAct>,
    /// How often the store had been put back at the last act.
    put_backs: u32,
    /// How often each event has come.
    came: HashMap<String, usize>,
}

/// A delivery to a webhook, as far as it is compared with the log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    group: String,
    tenant: String,
    topic: String,
    event_id: String,
    position: u64,
    key: String,
    data: Box<RawValue>,
}

impl Handlers {
    /// Starts these groups, each with a webhook and an operator of its own.
    pub async fn start(
        urls: &[String],
        groups: &[(&str, Policy, Vec<String>)],
        seed: u64,
        era: &Arc<AtomicU32>,
    ) -> Self {
        let mut all = Self { groups: Vec::new(), operators: JoinSet::new() };
        for (at, (tenant, policy, topics)) in (0..).zip(groups) {
            let group = Arc::new(Group {
                tenant: (*tenant).to_owned(),
                name: format!("cg.handled-{at}"),
                topics: topics.clone(),
                policy: *policy,
                seed: seed.wrapping_add(at),
                until: AtomicU64::new(u64::MAX),
                is_calm: AtomicBool::new(false),
                era: era.clone(),
                notes: Mutex::default(),
            });
            let handler = group.clone();
            let webhook = receiver::start(move |request| handler.clone().answer(request)).await;
            let rng = Rng::with_seed(group.seed);
            let mut operator = Operator::new(ReplicasClient::new(urls), rng, group.clone());
            // Each backup of the store has the group.
            operator.put(&webhook).await;
            all.operators.spawn(operator.run());
            all.groups.push(group);
        }
        all
    }

    /// Lets each handler get the rest of its log, to which nobody writes any more, and all dead
    /// letters.
    pub async fn finish(self, url: &str) -> Vec<Handled> {
        for group in &self.groups {
            let log = story::published_log(url, &group.tenant).await;
            let is_its = |event: &&Logged| event.is_sent() && group.topics.contains(&event.topic);
            let last = log.iter().rfind(is_its).map_or(0, |event| event.position);
            group.is_calm.store(true, Ordering::SeqCst);
            group.until.store(last, Ordering::SeqCst);
        }
        self.operators.join_all().await;
        self.groups.iter().map(|group| group.handled()).collect()
    }
}

impl Group {
    /// Adds an act, and before it whether the store was put back since the last one.
    fn note(&self, act: HandlerAct) {
        let mut notes = self.notes.lock().unwrap();
        notes.add(act, self.era.load(Ordering::SeqCst));
    }

    /// Notes an event that has come, and returns what the handler does with it.
    fn came(&self, Body { topic, event_id, position, key, data, .. }: Body) -> Turn {
        assert!(self.topics.contains(&topic), "{topic} came to {}", self.name);
        let mut notes = self.notes.lock().unwrap();
        let before = notes.came.entry(event_id.clone()).or_default();
        *before += 1;
        let turn = if self.is_calm.load(Ordering::SeqCst) {
            Turn::DONE
        } else {
            plan::turn(self.seed, position, *before - 1)
        };
        let event = Delivered { position, event_id, key, payload: data.get().to_owned() };
        notes.add(HandlerAct::Came(event), self.era.load(Ordering::SeqCst));
        turn
    }

    /// Answers a request.
    async fn answer(self: Arc<Self>, request: Request) -> Reply {
        let body: Body = serde_json::from_slice(&request.bytes).unwrap();
        let its = (self.tenant.as_str(), self.name.as_str());
        assert_eq!((body.tenant.as_str(), body.group.as_str()), its, "another group's event came");
        let event_id = body.event_id.clone();
        let turn = self.came(body);
        sleep(turn.takes).await;
        let answers = if turn.is_done() {
            HandlerAct::Done { event_id }
        } else {
            HandlerAct::Failed { event_id }
        };
        self.note(answers);
        turn.reply
    }

    fn handled(&self) -> Handled {
        Handled {
            tenant: self.tenant.clone(),
            group: self.name.clone(),
            topics: self.topics.clone(),
            policy: self.policy,
            acts: self.notes.lock().unwrap().acts.clone(),
        }
    }
}

impl Notes {
    fn add(&mut self, act: HandlerAct, era: u32) {
        while self.put_backs < puts_back(era) {
            self.acts.push(HandlerAct::PutBack);
            self.put_backs += 1;
        }
        self.acts.push(act);
    }
}
