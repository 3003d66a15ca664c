//! A tenant that comes and goes while a group of Kafka's clients reads its topics: it is enabled,
//! posts, is disabled and enabled again perhaps, and is purged, again and again.
//!
//! Before most of the purges the group has the time to get everything. What each log had is noted for
//! the checker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_gateway::clock::{Clock, System};
use fastrand::Rng;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::PATIENCE;
use crate::evidence::{Acknowledged, Eras, GroupAct, Logged};
use crate::members::{Members, Notes};
use crate::replicas_client::ReplicasClient;
use crate::tenants::VISITOR;

/// The entity of its changes.
pub const ENTITY: &str = "instance";
const MODULE: &str = "mod-inventory-storage-29.0.1";
/// The longest pause before the tenant is enabled again.
const PAUSE_MS: u64 = 3_000;
/// The number of changes to a log.
const CHANGES: std::ops::Range<usize> = 1..40;
/// The longest pause after a change.
const CHANGE_MS: u64 = 150;
/// The longest time for which it is disabled.
const DISABLED_MS: u64 = 2_500;
/// The number of records of a log.
const KEYS: usize = 5;
/// The pause before something is tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// The pause before it is looked again whether the group has everything.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The tenant at work.
pub struct Visitor {
    task: JoinHandle<Visits>,
    stop: Arc<AtomicBool>,
}

/// Everything that was posted to the tenant's logs, and what they had.
#[derive(Debug, Default)]
pub struct Visits {
    /// The acknowledged changes.
    pub acknowledged: Vec<Acknowledged>,
    /// The events of all logs, one log after the other.
    pub logged: Vec<Logged>,
    /// The ids of events that were purged before the group had the time to get them.
    pub may_miss: BTreeSet<String>,
}

impl Visitor {
    /// Starts it, by a schedule of that seed. The members read its topics.
    pub fn start(urls: &[String], members: &Members, seed: u64) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let actor = Actor {
            replicas: ReplicasClient::new(urls),
            partitions: members.plan().places_of(VISITOR),
            notes: members.notes(),
            rng: Rng::with_seed(seed),
            visits: Visits::default(),
        };
        Self { task: tokio::spawn(actor.run(stop.clone())), stop }
    }

    /// Stops it once its tenant is purged.
    pub async fn finish(self) -> Visits {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Logged>,
}

struct Actor {
    replicas: ReplicasClient,
    /// All partitions of its topics.
    partitions: Vec<(String, i32)>,
    notes: Arc<Notes>,
    rng: Rng,
    visits: Visits,
}

/// A record, and its state as it was last acknowledged.
#[derive(Default)]
struct Record {
    state: Option<String>,
    seq: usize,
}

impl Actor {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Visits {
        loop {
            self.visit().await;
            if stop.load(Ordering::SeqCst) {
                return self.visits;
            }
            self.rest(PAUSE_MS).await;
        }
    }

    /// Comes, posts, and goes.
    async fn visit(&mut self) {
        self.enable().await;
        let keys: Vec<_> = (0..KEYS).map(|_| System.new_id().to_string()).collect();
        let mut records: BTreeMap<&String, Record> = BTreeMap::new();
        let count = self.rng.usize(CHANGES);
        let leaves_after = self.rng.bool().then(|| self.rng.usize(0..count));
        for number in 0..count {
            let key = self.rng.choice(&keys).unwrap();
            let change = self.change(key, records.entry(key).or_default()).await;
            self.visits.acknowledged.push(change);
            if leaves_after == Some(number) {
                self.disable().await;
                self.rest(DISABLED_MS).await;
                self.enable().await;
            }
            self.rest(CHANGE_MS).await;
        }
        let log = self.log().await;
        let ids = log.iter().map(|event| event.event_id.clone());
        if self.rng.u8(0..3) > 0 {
            self.until_all_came(&ids.collect()).await;
        } else {
            self.visits.may_miss.extend(ids);
        }
        let last = log.last().map_or(0, |event| event.position);
        self.visits.logged.extend(log);
        self.purge(last as i64 + 1).await;
    }

    async fn rest(&mut self, ms_max: u64) {
        sleep(Duration::from_millis(self.rng.u64(0..ms_max))).await;
    }

    async fn enable(&mut self) {
        let enabled = json!({ "module_to": "mod-event-gateway-1.0.0" });
        self.answered("/_/tenant", &enabled, |status| status == 201).await;
    }

    async fn disable(&mut self) {
        let disabled = json!({ "module_from": "mod-event-gateway-1.0.0" });
        self.answered("/_/tenant", &disabled, |status| status == 204).await;
    }

    /// Posts a change of a record until it is acknowledged.
    async fn change(&mut self, key: &str, record: &mut Record) -> Acknowledged {
        record.seq += 1;
        let new = format!(r#"{{"id":"{key}","seq":{}}}"#, record.seq);
        let old = record.state.replace(new.clone());
        let event_id = System.new_id().to_string();
        let its_old = old.as_ref().map(|old| format!(r#""old":{old},"#)).unwrap_or_default();
        let seq = record.seq;
        let rest = format!(r#""eventId":"{event_id}","headers":{{"seq":"{seq}"}}"#);
        let body = format!(r#"{{{its_old}"new":{new},{rest}}}"#);
        let body: Box<RawValue> = serde_json::from_str(&body).unwrap();
        let path = format!("/domain-events/{MODULE}/{ENTITY}");
        let receipt = self.answered(&path, &body, |status| status == 201).await;
        Acknowledged {
            tenant: VISITOR.to_owned(),
            entity: ENTITY.to_owned(),
            key: key.to_owned(),
            event_id,
            position: receipt["position"].as_u64().unwrap(),
            old,
            new: Some(new),
            seq,
            eras: Eras::default(),
        }
    }

    /// Returns all that the log has.
    async fn log(&mut self) -> Vec<Logged> {
        let path = "/domain-events?limit=1000&gaps=skip";
        let until = Instant::now() + PATIENCE;
        loop {
            let asked = self.replicas.request(&mut self.rng, Method::GET, (VISITOR, path));
            if let Ok(answer) = asked.send().await
                && answer.status() == 200
                && let Ok(page) = answer.json::<Page>().await
            {
                return page.events;
            }
            assert!(Instant::now() < until, "{path} is never answered");
            sleep(AGAIN).await;
        }
    }

    /// Waits until the group has got these events, or patience ends.
    async fn until_all_came(&self, ids: &BTreeSet<String>) {
        let until = Instant::now() + PATIENCE;
        loop {
            let came = self.notes.came();
            if ids.iter().all(|id| came.contains(id)) || Instant::now() > until {
                return;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Purges the tenant; the next log has nothing before that offset.
    async fn purge(&mut self, base: i64) {
        let partitions = self.partitions.clone();
        self.notes.note(GroupAct::Ends { partitions: partitions.clone() });
        let force = json!([{ "key": "force", "value": "true" }]);
        let purge = json!({ "purge": true, "parameters": force });
        let job = self.answered("/_/tenant", &purge, |status| status == 201).await;
        let path = format!("/_/tenant/{}?wait=5000", job["id"].as_str().unwrap());
        let until = Instant::now() + PATIENCE;
        loop {
            let asked = self.replicas.get(&mut self.rng, VISITOR, &path).await;
            match &asked {
                Some((200, job)) if job["complete"] == true => break,
                _ => assert!(Instant::now() < until, "never complete: {asked:?}"),
            }
            sleep(AGAIN).await;
        }
        self.notes.note(GroupAct::Purged { partitions, base });
    }

    /// Posts until such an answer comes, which it returns. A replica may not know yet that the tenant
    /// is enabled, and a purge that is under way ends.
    async fn answered(
        &mut self,
        path: &str,
        body: &impl Serialize,
        is_wanted: impl Fn(u16) -> bool,
    ) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let asked = self.replicas.request(&mut self.rng, Method::POST, (VISITOR, path));
            if let Ok(answer) = asked.json(body).send().await {
                let status = answer.status().as_u16();
                let text = answer.text().await.unwrap_or_default();
                let answer = serde_json::from_str(&text).unwrap_or(Value::Null);
                if is_wanted(status) && (status == 204 || !answer.is_null()) {
                    return answer;
                }
                let may_pass = matches!(status, 201 | 404 | 408 | 409 | 429) || status >= 500;
                assert!(may_pass, "{status} for {path}: {answer}");
                assert!(Instant::now() < until, "always {status} for {path}: {answer}");
            }
            sleep(AGAIN).await;
        }
    }
}
