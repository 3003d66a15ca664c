//! The publish observer: it learns which events are shown as published, and asks Kafka at once for
//! the end of the topic.
//!
//! Writers report receipts that say so, and it reads the log itself, at one replica after the
//! other. The checker then demands that the event's record stands before that end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::mpsc::{
    UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel,
};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::PATIENCE;
use crate::evidence::{Logged, Told, ToldPublished};
use crate::kafka::{self, Isolation};

const LOOK_EVERY: Duration = Duration::from_millis(200);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A publish observer at work.
pub struct PublishObserver {
    sender: UnboundedSender<ToldPublished>,
    looking: JoinSet<()>,
    asking: JoinHandle<Vec<Told>>,
    count: Arc<AtomicUsize>,
}

impl PublishObserver {
    /// Reads these tenants' logs; each topic has so many partitions.
    pub fn start(urls: &[String], broker: &str, tenants: &[&str], partitions: usize) -> Self {
        let (sender, heard) = unbounded_channel();
        let count = Arc::<AtomicUsize>::default();
        let mut looking = JoinSet::new();
        for tenant in tenants {
            looking.spawn(look(urls.to_vec(), (*tenant).to_owned(), sender.downgrade()));
        }
        let ends =
            Ends { consumer: kafka::consumer(broker, Isolation::ReadUncommitted), partitions };
        let asking = tokio::spawn(ask(heard, Arc::new(ends), count.clone()));
        Self { sender, looking, asking, count }
    }

    /// The channel through which writers report.
    pub fn sender(&self) -> UnboundedSender<ToldPublished> {
        self.sender.clone()
    }

    /// Returns the number of events that were shown as published so far.
    pub fn told(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until another event is shown as published; panics if none is.
    pub async fn more(&self) {
        let (before, until) = (self.told(), Instant::now() + PATIENCE);
        while self.told() == before {
            assert!(Instant::now() < until, "nothing was published for {PATIENCE:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops, and returns the observations. The writers must have ended.
    pub async fn finish(mut self) -> Vec<Told> {
        self.looking.shutdown().await;
        drop(self.sender);
        self.asking.await.unwrap()
    }
}

#[derive(serde::Deserialize)]
struct Page {
    events: Vec<Logged>,
}

/// Follows the published events of one log.
async fn look(urls: Vec<String>, tenant: String, sender: WeakUnboundedSender<ToldPublished>) {
    let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build().unwrap();
    let mut after = 0;
    for url in urls.iter().cycle() {
        sleep(LOOK_EVERY).await;
        let Some(sender) = sender.upgrade() else { return };
        let page = client
            .get(format!("{url}/domain-events?gaps=skip&after={after}"))
            .header("X-Okapi-Tenant", &tenant);
        // One that is down or stands still is passed over.
        let Ok(answer) = page.send().await else { continue };
        let Ok(page) = answer.json::<Page>().await else { continue };
        let is_settled = |it: &Logged| it.published == Some(true) || it.is_unsent();
        for event in page.events.into_iter().take_while(is_settled) {
            after = event.position;
            if event.is_unsent() {
                continue;
            }
            let _ = sender.send(ToldPublished {
                tenant: tenant.clone(),
                topic: event.topic,
                position: after,
                event_id: event.event_id,
            });
        }
    }
}

/// Asks for the ends of the reported events' topics, until all senders are gone.
async fn ask(
    mut heard: UnboundedReceiver<ToldPublished>,
    ends: Arc<Ends>,
    count: Arc<AtomicUsize>,
) -> Vec<Told> {
    let mut all = Vec::new();
    let mut together = Vec::new();
    while heard.recv_many(&mut together, 1000).await > 0 {
        let mut by_topic: BTreeMap<String, Vec<ToldPublished>> = BTreeMap::new();
        for heard in together.drain(..) {
            by_topic.entry(heard.topic.clone()).or_default().push(heard);
        }
        for (topic, heard) in by_topic {
            let (asked, of) = (ends.clone(), topic.clone());
            let ends = spawn_blocking(move || asked.of(&of)).await.unwrap();
            count.fetch_add(heard.len(), Ordering::SeqCst);
            all.extend(heard.into_iter().map(|told| Told {
                tenant: told.tenant,
                topic: told.topic,
                position: told.position,
                event_id: told.event_id,
                ends: ends.clone(),
            }));
        }
    }
    all
}

struct Ends {
    consumer: BaseConsumer,
    partitions: usize,
}

impl Ends {
    /// Returns the ends of a topic's partitions; asks until Kafka answers, or patience ends: a run
    /// that has failed waits for this thread.
    fn of(&self, topic: &str) -> Vec<i64> {
        let until = Instant::now() + PATIENCE;
        let end = |partition| loop {
            assert!(Instant::now() < until, "Kafka does not tell the end of {topic}");
            if let Ok((_, end)) = self.consumer.fetch_watermarks(topic, partition, ANSWER_WITHIN) {
                return end;
            }
        };
        (0..).take(self.partitions).map(end).collect()
    }
}
