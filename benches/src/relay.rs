//! The relay alone, draining a backlog: the gateway and a bare transactional producer with the same
//! pages.

use crash::kafka::PrivateBroker;

use crate::client::{Plan, load};
use crate::contest::Contest;
use crate::gateway::{Gateway, tenants};
use crate::kafka::{self, Drain};
use crate::process::Process;
use crate::stores::{Place, Store};

/// As many as the gateway puts into a page.
const PAGE: usize = 500;

/// Runs the rounds.
pub async fn run(store: Store, events: usize, names: usize, rounds: usize) {
    let (place, broker) = (store.start().await, PrivateBroker::start());
    let kafka = broker.address();
    let what = format!("relay, {}, backlog of {events}", store.name());
    let mut contest = Contest::new(what.clone(), "events/s");
    let mut cpu = Contest::new(what, "ms of CPU per 1,000 events");
    // Kafka's JVM compiles its code while it runs, which slows the first side.
    kafka::produce(&kafka, "warmup", events, PAGE).await;
    for round in 0..rounds {
        let (rate, cpu_ms) = drain(&place, &kafka, events as u64, &tenants(names)).await;
        contest.add("ours", rate);
        cpu.add("the gateway's", cpu_ms);
        contest.add(
            "a bare producer, pages of 500",
            kafka::produce(&kafka, &format!("raw{round}"), events, PAGE).await,
        );
    }
    contest.tell();
    cpu.tell();
}

/// Events per second over the middle eight tenths, without start and takeover; what a thousand of
/// all cost the gateway.
async fn drain(place: &Place, kafka: &str, events: u64, names: &[String]) -> (f64, f64) {
    let mut ours = Gateway::start(place, None, names);
    let plan = Plan::backlog(ours.address, names, events);
    let acknowledged = load(&plan).await.acknowledged;
    ours.restart_with(kafka);
    let topics: Vec<_> = names.iter().map(|tenant| ours.topic(tenant)).collect();
    let rate = Drain::of_all(kafka, topics, acknowledged).rate().await;
    ours.assert_arrived(kafka, names, acknowledged).await;
    (rate, Process(ours.pid()).cpu_ms_per_thousand(acknowledged))
}
