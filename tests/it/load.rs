//! The actors of a mixed load: writers that change records one after another, whatever happens to
//! the gateway meanwhile.
//!
//! Each writer owns the records it changes, and goes on only when a change is acknowledged: it asks
//! again with the same event id until it is. What was acknowledged is what the checker holds the
//! gateway to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use event_gateway::clock::{Clock, System};
use serde_json::Value;
use tokio::task::JoinSet;

/// The entities of the load, and their records.
const ENTITIES: [(&str, &str); 3] = [
    ("instance", include_str!("data/instance.ndjson")),
    ("holdings-record", include_str!("data/holdings-record.ndjson")),
    ("item", include_str!("data/item.ndjson")),
];

/// A change that was acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub tenant: String,
    pub entity: &'static str,
    pub key: String,
    pub event_id: String,
    pub position: u64,
    /// The states as they were posted.
    pub old: Option<String>,
    pub new: Option<String>,
    /// Rises with each change of a key.
    pub seq: usize,
}

/// Running writers.
pub struct Load {
    tasks: JoinSet<Vec<Acknowledged>>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

impl Load {
    /// One writer for each tenant and entity, each with `keys` records.
    pub fn start(url: &str, tenants: &[&str], keys: usize) -> Self {
        let (mut tasks, stop, count) =
            (JoinSet::new(), Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        for tenant in tenants {
            for (entity, records) in ENTITIES {
                let writer = Writer {
                    client: reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap(),
                    url: format!("{url}/domain-events/mod-inventory-storage-29.0.1/{entity}"),
                    tenant: (*tenant).to_owned(),
                    entity,
                    records: records.lines().collect(),
                    stop: stop.clone(),
                    count: count.clone(),
                };
                tasks.spawn(writer.run(keys));
            }
        }
        Self { tasks, stop, count }
    }

    /// Changes acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until that many changes more are acknowledged.
    pub async fn more(&self, count: usize) {
        let wanted = self.acknowledged() + count;
        while self.acknowledged() < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets each writer finish its change, and returns what was acknowledged.
    pub async fn finish(mut self) -> Vec<Acknowledged> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        while let Some(acknowledged) = self.tasks.join_next().await {
            all.extend(acknowledged.unwrap());
        }
        all
    }
}

struct Writer {
    client: reqwest::Client,
    url: String,
    tenant: String,
    entity: &'static str,
    records: Vec<&'static str>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

/// A record that a writer owns, and its state as it was last acknowledged.
#[derive(Clone)]
struct Record {
    key: String,
    state: Option<String>,
    seq: usize,
}

impl Writer {
    async fn run(self, keys: usize) -> Vec<Acknowledged> {
        let new_key = |_| Record { key: System.new_id().to_string(), state: None, seq: 0 };
        let mut records: Vec<Record> = (0..keys).map(new_key).collect();
        let mut all = Vec::new();
        for turn in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            let record = &mut records[turn % keys];
            all.push(self.change(record).await);
            self.count.fetch_add(1, Ordering::SeqCst);
        }
        all
    }

    /// Creates, updates five times, deletes, creates again, and so on.
    async fn change(&self, record: &mut Record) -> Acknowledged {
        record.seq += 1;
        let text = self.records[record.seq % self.records.len()];
        let deletes = record.seq.is_multiple_of(7);
        let new =
            (!deletes).then(|| text.replace("{id}", &record.key).replace("{seq}", &record.seq.to_string()));
        let old = std::mem::replace(&mut record.state, new.clone());
        let event_id = System.new_id().to_string();
        let states = [("old", &old), ("new", &new)];
        let states =
            states.iter().filter_map(|(name, state)| Some(format!("\"{name}\":{},", (*state).as_ref()?)));
        let body = format!(
            "{{{}\"eventId\":\"{event_id}\",\"headers\":{{\"seq\":\"{}\"}}}}",
            states.collect::<String>(),
            record.seq
        );
        let position = self.post(body).await;
        let (tenant, entity, key, seq) = (self.tenant.clone(), self.entity, record.key.clone(), record.seq);
        Acknowledged { tenant, entity, key, event_id, position, old, new, seq }
    }

    /// Posts until it is acknowledged: no answer and 5xx mean "again", anything else is a defect.
    async fn post(&self, body: String) -> u64 {
        loop {
            let request = self.client.post(&self.url).body(body.clone());
            let request =
                request.header("X-Okapi-Tenant", &self.tenant).header("Content-Type", "application/json");
            if let Ok(answer) = request.send().await {
                let status = answer.status().as_u16();
                if let (201, Ok(receipt)) = (status, answer.json::<Value>().await) {
                    return receipt["position"].as_u64().unwrap();
                }
                // A server that stood still gives up on the body that it was getting.
                assert!(status == 201 || status == 408 || status >= 500, "{status} for {body}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
