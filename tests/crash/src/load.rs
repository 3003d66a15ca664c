//! The actors of a mixed load: writers that change records one after another, whatever happens to
//! the gateway meanwhile.
//!
//! Each writer owns the records that it changes, and goes on only when a change is acknowledged:
//! until then it retries with the same event id, at the next replica if there are several. The
//! checker compares the gateway with the acknowledged changes.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_gateway::clock::{Clock, System};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::PATIENCE;
use crate::evidence::{Acknowledged, ToldPublished};
use crate::poster::Poster;

/// The entities of the load, and their records.
const RECORDS: [(&str, &str); 3] = [
    ("instance", include_str!("data/instance.ndjson")),
    ("holdings-record", include_str!("data/holdings-record.ndjson")),
    ("item", include_str!("data/item.ndjson")),
];
/// One in so many changes of a load with a sender asks to be answered once it is published.
const WAITS_EACH: usize = 10;
/// The least pause of a writer whose records rest.
const RESTING_PAUSE: Duration = Duration::from_millis(250);

/// The names of the entities.
pub fn entities() -> [&'static str; 3] {
    RECORDS.map(|(entity, _)| entity)
}

/// The make-up of a load.
#[derive(Clone, Default)]
pub struct Plan {
    /// The URLs of the replicas.
    pub urls: Vec<String>,
    /// Each has a writer for each entity.
    pub tenants: Vec<String>,
    /// The number of records of each of these writers.
    pub keys: usize,
    /// The pause after each change.
    pub pause: Duration,
    /// The number of further writers of each tenant, which change one record each as fast as they
    /// can.
    pub hot: usize,
    /// The number of records of one more writer of each tenant, each of which rests for long: items.
    pub resting: usize,
    /// An entity for which each tenant has one more writer, with the records of items.
    pub unstored: Option<&'static str>,
    /// The list of acknowledged changes.
    pub journal: Option<Arc<Mutex<File>>>,
    /// The channel for events that were shown as published.
    pub sender: Option<UnboundedSender<ToldPublished>>,
    /// The present era.
    pub era: Arc<AtomicU32>,
}

/// Running writers.
pub struct Load {
    tasks: JoinSet<Vec<Acknowledged>>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

impl Load {
    /// One writer for each tenant and entity, each with `keys` records, at one gateway.
    pub fn start(url: &str, tenants: &[&str], keys: usize) -> Self {
        let tenants = tenants.iter().map(|&tenant| tenant.to_owned()).collect();
        Self::of(&Plan { urls: vec![url.to_owned()], tenants, keys, ..Plan::default() })
    }

    /// As planned.
    pub fn of(plan: &Plan) -> Self {
        let mut load = Self { tasks: JoinSet::new(), stop: Arc::default(), count: Arc::default() };
        for tenant in &plan.tenants {
            for entity in RECORDS {
                load.write(plan, tenant, entity);
            }
            let hot = Plan { keys: 1, pause: Duration::ZERO, ..plan.clone() };
            RECORDS
                .into_iter()
                .cycle()
                .take(plan.hot)
                .for_each(|entity| load.write(&hot, tenant, entity));
            if let Some(entity) = plan.unstored {
                load.write(plan, tenant, (entity, RECORDS[2].1));
            }
            if plan.resting > 0 {
                let pause = plan.pause.max(RESTING_PAUSE);
                let resting = Plan { keys: plan.resting, pause, ..plan.clone() };
                load.write(&resting, tenant, RECORDS[2]);
            }
        }
        load
    }

    fn write(
        &mut self,
        plan: &Plan,
        tenant: &str,
        (entity, records): (&'static str, &'static str),
    ) {
        let writer = Writer {
            // The writers spread over the replicas.
            poster: Poster::new(
                &plan.urls,
                self.tasks.len(),
                tenant,
                plan.sender.clone(),
                &plan.era,
            ),
            plan: plan.clone(),
            tenant: tenant.to_owned(),
            entity,
            records: records.lines().collect(),
            stop: self.stop.clone(),
            count: self.count.clone(),
        };
        self.tasks.spawn(writer.run());
    }

    /// Changes acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until so many more changes are acknowledged; panics if they stand still.
    pub async fn more(&self, count: usize) {
        let (wanted, until) = (self.acknowledged() + count, Instant::now() + PATIENCE);
        while self.acknowledged() < wanted {
            assert!(
                Instant::now() < until,
                "{} of {wanted} changes were acknowledged",
                self.acknowledged()
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets each writer finish its change, and returns the acknowledged changes.
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
    poster: Poster,
    plan: Plan,
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
    async fn run(mut self) -> Vec<Acknowledged> {
        let new_key = |_| Record { key: System.new_id().to_string(), state: None, seq: 0 };
        let mut records: Vec<Record> = (0..self.plan.keys).map(new_key).collect();
        let mut all = Vec::new();
        for turn in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            let record = &mut records[turn % self.plan.keys];
            all.push(self.change(record).await);
            self.count.fetch_add(1, Ordering::SeqCst);
            sleep(self.plan.pause).await;
        }
        all
    }

    /// Creates, updates five times, deletes, creates again, and so on.
    async fn change(&mut self, record: &mut Record) -> Acknowledged {
        record.seq += 1;
        let text = self.records[record.seq % self.records.len()];
        let deletes = record.seq.is_multiple_of(7);
        let new = (!deletes)
            .then(|| text.replace("{id}", &record.key).replace("{seq}", &record.seq.to_string()));
        let old = std::mem::replace(&mut record.state, new.clone());
        let event_id = System.new_id().to_string();
        let states = [("old", &old), ("new", &new)];
        let states = states
            .iter()
            .filter_map(|(name, state)| Some(format!("\"{name}\":{},", (*state).as_ref()?)));
        let body = format!(
            "{{{}\"eventId\":\"{event_id}\",\"headers\":{{\"seq\":\"{}\"}}}}",
            states.collect::<String>(),
            record.seq
        );
        let waits = self.plan.sender.is_some() && record.seq.is_multiple_of(WAITS_EACH);
        let path = format!("/domain-events/mod-inventory-storage-29.0.1/{}", self.entity);
        let (position, eras) =
            self.poster.until_acknowledged(&path, &body, waits.then_some(5)).await;
        let (tenant, entity, key) =
            (self.tenant.clone(), self.entity.to_owned(), record.key.clone());
        let change = Acknowledged {
            tenant,
            entity,
            key,
            event_id,
            position,
            old,
            new,
            seq: record.seq,
            eras,
        };
        if let Some(journal) = &self.plan.journal {
            let line = serde_json::to_string(&change).unwrap() + "\n";
            journal.lock().unwrap().write_all(line.as_bytes()).unwrap();
        }
        change
    }
}
