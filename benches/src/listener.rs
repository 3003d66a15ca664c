//! Kafka's clients: reading a whole topic from the gateway itself and from a real Kafka, the time
//! until a consumer has a change, what idle consumers take, the start, and what intake loses.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::kafka::PrivateBroker;
use crash::serve::Setup;
use rdkafka::Offset;
use rdkafka::message::Message;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::client::{Plan, Poster, load};
use crate::consumers::Consumers;
use crate::contest::{Contest, per_second, quantile};
use crate::gateway::{Gateway, program, tenants};
use crate::kafka::committed_from;
use crate::options::Rounds;
use crate::process::Process;
use crate::records::Records;
use crate::stores::{Place, Store};

/// The numbers of partitions with which a topic is read.
const PARTITIONS: [usize; 2] = [1, 50];
/// The events among which one is the rare topic's.
const RARE: u64 = 1_000;
/// The path of the rare topic's changes.
const RARE_PATH: &str = "/domain-events/inventory/item";
/// Changes whose way to a consumer is measured.
const CHANGES: usize = 300;
/// The events before those for which idle consumers wait.
const BEFORE: u32 = 10_000;
/// The time for which CPU time is counted.
const QUIET: Duration = Duration::from_secs(10);

/// Measures all of it.
pub async fn run(store: Store, events: u64, consumers: usize, compression: &str, rounds: &Rounds) {
    let (place, broker) = (store.start().await, PrivateBroker::start());
    let kafka = broker.address();
    for partitions in PARTITIONS {
        let topic = Topic { partitions, compression };
        read(store, &place, &kafka, (events, topic), rounds).await;
    }
    drop(broker);
    idle(store, &place, consumers).await;
    start(store, &place, rounds);
    intake(store, &place, rounds).await;
}

/// How topics are.
#[derive(Clone, Copy)]
struct Topic<'a> {
    partitions: usize,
    compression: &'a str,
}

/// Topics of which nobody reads much.
const SMALL: Topic<'_> = Topic { partitions: 4, compression: "none" };

/// The set-up of a gateway with such topics, which Kafka's clients reach.
fn listens(setup: Setup, Topic { partitions, compression }: Topic<'_>) -> Setup {
    let settings = format!("partitions = {partitions}\ncompression = \"{compression}\"\n");
    let entity = |name: &str| format!("[entities.\"inventory.{name}\"]\n{settings}");
    let setup = setup.for_all_tenants(&(entity("instance") + &entity("item")));
    setup.with("KAFKA_LISTEN_PORT", 0)
}

/// Reads a whole topic, and a rare one, by turns from the gateway and from Kafka, and then takes
/// the time of single changes to both.
async fn read(
    store: Store,
    place: &Place,
    kafka: &str,
    (events, topic_is): (u64, Topic<'_>),
    rounds: &Rounds,
) {
    let names = tenants(1);
    let Topic { partitions, compression } = topic_is;
    let ours = Gateway::start_as(place, Some(kafka), &names, &|setup| listens(setup, topic_is));
    let rare = fill(&ours, &names, events).await;
    ours.until_published(events + rare).await;
    let (topic, client) = (ours.topic(&names[0]), ours.broker().to_owned());
    let of_rare = topic.replace("instance", "item");
    let what = format!("{}, partitions {partitions}, {compression}", store.name());
    let mut all = Contest::new(format!("reading {events} events, {what}"), "events/s");
    let mut few = Contest::new(format!("reading 1 in {RARE} events, {what}"), "events/s");
    for round in 0..=rounds.rounds {
        for (side, address) in [("ours", &client), ("Kafka", &kafka.to_owned())] {
            let rate = rate_of(address, &topic, partitions, events).await;
            let of_few = rate_of(address, &of_rare, partitions, rare).await;
            // The first round warms both up.
            if round > 0 {
                all.add(side, rate);
                few.add(side, of_few);
            }
        }
    }
    all.tell();
    few.tell();
    eprintln!("  peak {:.0} MiB", Process(ours.pid()).peak_mib());
    arrivals(&ours, [&client, kafka], &topic, (&what, partitions)).await;
}

/// Fills the log: so many events, and one in a thousand of the rare topic. Returns their number.
async fn fill(ours: &Gateway, names: &[String], events: u64) -> u64 {
    let part = (events / 10).next_multiple_of(100);
    let (mut filled, mut rare) = (0, 0);
    let client = reqwest::Client::new();
    let url = format!("http://{}{RARE_PATH}", ours.address);
    while filled < events {
        let now = part.min(events - filled);
        load(&Plan::backlog(ours.address, names, now)).await;
        filled += now;
        for _ in 0..now / RARE {
            rare += 1;
            let change = format!("{{\"new\":{{\"id\":\"item-{rare}\"}}}}");
            let post = client.post(&url).header("X-Okapi-Tenant", &names[0]).body(change);
            let post = post.header("Content-Type", "application/json").send().await.unwrap();
            assert_eq!(post.status(), 201);
        }
    }
    rare
}

/// Reads a topic from its beginning; returns events per second, the connection included.
async fn rate_of(address: &str, topic: &str, partitions: usize, events: u64) -> f64 {
    let (address, topic) = (address.to_owned(), topic.to_owned());
    spawn_blocking(move || {
        let since = Instant::now();
        let consumer = committed_from(&address, &topic, partitions, Offset::Beginning);
        let mut got = 0;
        while got < events {
            match consumer.poll(PATIENCE) {
                Some(Ok(_)) => got += 1,
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => {}
                other => panic!("{topic}: {got} of {events}: {other:?}"),
            }
        }
        per_second(got, since.elapsed())
    })
    .await
    .unwrap()
}

/// Takes the time from the POST of single changes until consumers of both sides have them.
async fn arrivals(
    ours: &Gateway,
    addresses: [&str; 2],
    topic: &str,
    (what, partitions): (&str, usize),
) {
    let is_over = Arc::new(AtomicBool::new(false));
    let sides = addresses.map(|address| {
        let (send, got) = mpsc::channel();
        let (address, topic, is_over) = (address.to_owned(), topic.to_owned(), is_over.clone());
        thread::spawn(move || {
            let consumer = committed_from(&address, &topic, partitions, Offset::End);
            while !is_over.load(Ordering::Relaxed) {
                if let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) {
                    let key = String::from_utf8_lossy(record.key().unwrap()).into_owned();
                    send.send((key, Instant::now())).unwrap();
                }
            }
        });
        got
    });
    sleep(Duration::from_secs(3)).await;
    let (mut poster, mut records) = (Poster::connect(ours.address).await, Records::default());
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..CHANGES {
        let (body, since) = (records.body(1), Instant::now());
        poster.post("t0", &body, true).await.unwrap();
        for (got, times) in sides.iter().zip(&mut times) {
            let (key, at) = got.recv_timeout(PATIENCE).unwrap();
            assert_eq!(key, body.keys[0]);
            times.push((at - since).as_secs_f64() * 1e3);
        }
        sleep(Duration::from_millis(20)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    for part in [0.5, 0.99] {
        let mut contest = Contest::new(format!("from POST to consumed, {what}, {part}"), "ms");
        for (side, times) in ["ours", "Kafka"].into_iter().zip(&mut times) {
            contest.add(side, quantile(times, part));
        }
        contest.tell();
    }
}

/// The memory and the CPU time of consumers for whom nothing comes: of their fetches alone, and as
/// members of groups.
async fn idle(store: Store, place: &Place, consumers: usize) {
    let names = tenants(1);
    let ours = Gateway::start_as(place, None, &names, &|setup| {
        listens(setup, SMALL).with("BROKER", "none").with("KAFKA_HOST", "")
    });
    load(&Plan::backlog(ours.address, &names, BEFORE.into())).await;
    let what = |part: &str| format!("{consumers} consumers that wait, {}: {part}", store.name());
    let mut memory = Contest::new(what("memory"), "MiB");
    let mut cpu = Contest::new(what("CPU time"), "ms/s");
    let process = Process(ours.pid());
    memory.add("without", process.resident_mib());
    let end = i64::from(BEFORE) + 1;
    let waiting = Consumers::start(ours.broker(), &ours.topic(&names[0]), end, consumers);
    for side in ["of no group", "in groups of ten"] {
        if side != "of no group" {
            waiting.join_groups().await;
        }
        sleep(Duration::from_secs(3)).await;
        let (before, since) = (process.cpu_ms(), Instant::now());
        sleep(QUIET).await;
        memory.add(side, process.resident_mib());
        cpu.add(side, (process.cpu_ms() - before) / since.elapsed().as_secs_f64());
    }
    memory.tell();
    cpu.tell();
    waiting.stop();
}

/// The time from the start of the process until Kafka's clients may connect.
fn start(store: Store, place: &Place, rounds: &Rounds) {
    let mut contest = Contest::new(format!("start, {}", store.name()), "ms");
    for round in 0..rounds.rounds {
        let setup = listens(Setup::new(&program(), &["t0"]), SMALL);
        let setup = setup.with("ENV", format!("start{round}"));
        let setup = match place {
            Place::Server(server) => setup.with("STORE_URL", server.url()),
            Place::Sqlite => setup,
        };
        for side in ["on a new store", "again"] {
            let since = Instant::now();
            let serve = setup.serve();
            TcpStream::connect(serve.broker()).unwrap();
            contest.add(side, since.elapsed().as_secs_f64() * 1e3);
            assert!(serve.terminate().success());
        }
    }
    contest.tell();
}

/// Accepting with the listener, for which nobody asks, and without.
async fn intake(store: Store, place: &Place, rounds: &Rounds) {
    let names = tenants(1);
    let mut contest = Contest::new(format!("intake, {}, nobody reads", store.name()), "changes/s");
    for _ in 0..rounds.rounds {
        for side in ["with a listener", "without"] {
            let ours = Gateway::start_as(place, None, &names, &|setup| match side {
                "without" => setup.with("BROKER", "none").with("KAFKA_HOST", ""),
                _ => listens(setup, SMALL).with("BROKER", "none").with("KAFKA_HOST", ""),
            });
            let plan = Plan::new(ours.address, &names, 64, 1).during(rounds);
            contest.add(side, load(&plan).await.rate());
        }
    }
    contest.tell();
}
