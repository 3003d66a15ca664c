//! The relay alone, draining a backlog: ours and a bare transactional producer with the same pages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crash::kafka::PrivateBroker;

use crate::client::{Plan, load};
use crate::contest::Contest;
use crate::gateway::{Gateway, tenants};
use crate::kafka::{self, Ends};
use crate::stores::{Place, Store};

/// As many as the gateway puts into a page.
const PAGE: usize = 500;

/// Runs the rounds.
pub async fn run(store: Store, events: usize, names: usize, rounds: usize) {
    let (place, broker) = (store.start().await, PrivateBroker::start());
    let kafka = broker.address();
    let mut contest = Contest::new(format!("relay, {}, backlog of {events}", store.name()), "events/s");
    for round in 0..rounds {
        contest.add("ours", drain(&place, &kafka, events as u64, &tenants(names)).await);
        let topic = format!("raw{round}");
        kafka::make_topic(&kafka, &topic).await;
        let address = kafka.clone();
        let rate = tokio::task::spawn_blocking(move || kafka::produce(&address, &topic, events, PAGE));
        contest.add("a bare producer, pages of 500", rate.await.unwrap());
    }
    contest.tell();
}

/// Its middle eight tenths: without start and takeover.
#[allow(clippy::cast_precision_loss, reason = "nobody publishes 2^52 events")]
async fn drain(place: &Place, kafka: &str, events: u64, names: &[String]) -> f64 {
    let mut ours = Gateway::start(place, None, names);
    let plan = Plan {
        address: ours.address,
        tenants: Arc::new(names.to_vec()),
        connections: 8,
        changes: 100,
        warm_up: Duration::ZERO,
        time: Duration::from_secs(600),
        rate: None,
        receipts: true,
        limit: Some(events),
        refusals: false,
        room: None,
    };
    let acknowledged = load(&plan).await.acknowledged;
    ours.restart_with(kafka);
    let topics: Vec<_> = names.iter().map(|tenant| ours.topic(tenant)).collect();
    let (address, watched) = (kafka.to_owned(), topics.clone());
    let rate = tokio::task::spawn_blocking(move || {
        let ends: Vec<_> = watched.iter().map(|topic| Ends::of(&address, topic)).collect();
        let until = |part: u64| loop {
            let sum: u64 = ends.iter().map(Ends::sum).sum();
            if sum >= acknowledged * part / 10 {
                return (Instant::now(), sum);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let ((begin, first), (end, last)) = (until(1), until(9));
        (last - first) as f64 / (end - begin).as_secs_f64()
    });
    let rate = rate.await.unwrap();
    ours.until_published(acknowledged).await;
    let counted: u64 = topics.iter().map(|topic| kafka::count(kafka, topic)).sum();
    assert_eq!(counted, acknowledged, "what was acknowledged is not what the topics hold");
    rate
}
