//! The latency of one change without other load: until it is accepted, and until a consumer has it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crash::kafka::PrivateBroker;
use rdkafka::message::Message;
use tokio::time::sleep;

use crate::bare::Bare;
use crate::client::{Plan, Poster, load};
use crate::contest::{Contest, median, quantile};
use crate::gateway::{Gateway, tenants};
use crate::kafka::{self, BareProducer, committed_from_now};
use crate::options::Rounds;
use crate::raw;
use crate::records::Records;
use crate::stores::Store;

/// Transactions that make Kafka's JVM warm.
const WARM_UP: usize = 1_000;
/// After so long without a record, no more records come.
const QUIET: Duration = Duration::from_secs(3);

/// Until it is accepted, over one connection: against a raw insert and a bare round trip together.
pub async fn accept(store: Store, rounds: &Rounds) {
    let (place, bare, names) = (store.start().await, Bare::start(), tenants(1));
    let mut contest = Contest::new(format!("accepting one change, {}, p50", store.name()), "ms");
    for _ in 0..rounds.rounds {
        let ours = Gateway::start(&place, None, &names);
        let plan = Plan::new(ours.address, &names, 1, 1).during(rounds);
        contest.add("ours", median(load(&plan).await.latencies_ms));
        drop(ours);
        let plan = Plan { address: bare.address, receipts: false, ..plan };
        let trip = median(load(&plan).await.latencies_ms);
        let insert =
            median(raw::insert(&place, 1, rounds.warm_up(), rounds.time()).await.latencies_ms);
        contest.add("a raw insert and a bare round trip", insert + trip);
        contest.add("a raw insert", insert);
        contest.add("a bare round trip", trip);
    }
    contest.tell();
}

/// From the POST until a read_committed consumer has the record, at so many changes per second:
/// against a bare producer's transactions of one record.
pub async fn consumed(store: Store, rate: u32, rounds: &Rounds) {
    let (place, broker, names) = (store.start().await, PrivateBroker::start(), tenants(1));
    let kafka = broker.address();
    let mut p50 =
        Contest::new(format!("accept to consumed, {}, {rate}/s, p50", store.name()), "ms");
    let mut p99 =
        Contest::new(format!("accept to consumed, {}, {rate}/s, p99", store.name()), "ms");
    let mut add = |side, mut latencies: Vec<f64>| {
        p50.add(side, quantile(&mut latencies, 0.5));
        p99.add(side, quantile(&mut latencies, 0.99));
    };
    // Kafka's JVM compiles its code while it runs, which slows the first side.
    kafka::produce(&kafka, "warmup", WARM_UP, 1).await;
    for round in 0..rounds.rounds {
        let ours = Gateway::start(&place, Some(&kafka), &names);
        let (mut records, mut poster) = (Records::default(), Poster::connect(ours.address).await);
        let mut post = async || {
            let body = records.body(1);
            poster.post(&names[0], &body, true).await.unwrap();
            body.keys[0].clone()
        };
        // The first one waits for its topic.
        post().await;
        ours.until_published(1).await;
        add("ours", arrivals(&kafka, &ours.topic(&names[0]), rate, rounds, post).await);
        drop(ours);
        let topic = format!("raw{round}");
        kafka::make_topic(&kafka, &topic).await;
        let (mut records, producer) = (Records::default(), BareProducer::of(&kafka, &topic));
        let publish = async || {
            let record = records.record();
            producer.publish(std::slice::from_ref(&record));
            record.0
        };
        add(
            "a bare producer, transactions of one",
            arrivals(&kafka, &topic, rate, rounds, publish).await,
        );
    }
    p50.tell();
    p99.tell();
}

/// How long each change that is posted to a gateway at this rate takes until it is consumed, in ms.
pub async fn arrivals_at(
    ours: &Gateway,
    kafka: &str,
    tenant: &str,
    rate: u32,
    rounds: &Rounds,
) -> Vec<f64> {
    let (mut records, mut poster) = (Records::default(), Poster::connect(ours.address).await);
    let tenant = tenant.to_owned();
    let post = async || {
        let body = records.body(1);
        poster.post(&tenant, &body, true).await.unwrap();
        body.keys[0].clone()
    };
    arrivals(kafka, &ours.topic(&tenant), rate, rounds, post).await
}

/// How long each record took from the begin of `send`, which tells its key, until it was consumed,
/// in ms. Each is sent at its time; if the one before wasn't done by then, it counts from that time
/// all the same (no coordinated omission).
async fn arrivals(
    kafka: &str,
    topic: &str,
    rate: u32,
    rounds: &Rounds,
    mut send: impl AsyncFnMut() -> String,
) -> Vec<f64> {
    let sent_all = Arc::new(AtomicBool::new(false));
    let (address, name, all) = (kafka.to_owned(), topic.to_owned(), sent_all.clone());
    let seen = tokio::task::spawn_blocking(move || consume(&address, &name, &all));
    sleep(Duration::from_secs(1)).await;
    let (begin, mut sent) = (Instant::now(), Vec::new());
    for n in 0.. {
        let due = Duration::from_secs(n) / rate;
        if due >= rounds.warm_up() + rounds.time() {
            break;
        }
        let due = begin + due;
        let late = Instant::now() > due;
        sleep(due.saturating_duration_since(Instant::now())).await;
        // The lateness of the timer itself counts for neither side.
        let at = if late { due } else { Instant::now() };
        sent.push((send().await, at));
    }
    sent_all.store(true, Ordering::Relaxed);
    let seen = seen.await.unwrap();
    let measured = sent.into_iter().filter(|(_, at)| *at >= begin + rounds.warm_up());
    let arrival = |key: &str| *seen.get(key).unwrap_or_else(|| panic!("{key} was not consumed"));
    measured.map(|(key, at)| (arrival(&key) - at).as_secs_f64() * 1e3).collect()
}

/// When each key came, until all are sent and nothing comes any more.
fn consume(address: &str, topic: &str, sent_all: &AtomicBool) -> HashMap<String, Instant> {
    let consumer = committed_from_now(address, topic);
    let (mut seen, mut last) = (HashMap::new(), Instant::now());
    while !sent_all.load(Ordering::Relaxed) || last.elapsed() < QUIET {
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) {
            last = Instant::now();
            let key = std::str::from_utf8(record.key().unwrap()).unwrap();
            seen.insert(key.to_owned(), last);
        }
    }
    seen
}
