//! Accepted and published at the same rate, Kafka on the same machine.
//!
//! Clients post as long as no more than a second's worth waits to be published, so that both go at
//! one pace; in the end every change that was acknowledged is counted in the topic.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crash::kafka::PrivateBroker;
use tokio::time::sleep;

use crate::client::{Plan, Room, load};
use crate::contest::{Contest, per_second};
use crate::gateway::{Gateway, tenants};
use crate::options::{Load, Rounds};
use crate::peers;
use crate::process::Process;
use crate::stores::{Place, Store};

/// How many changes may wait to be published. The gateway counts once a second.
const WAITING_MAX: u64 = 40_000;

/// Runs the rounds, with the peers that can be had if they are wanted.
pub async fn run(store: Store, shape: &Load, with_peers: bool, rounds: &Rounds) {
    let (place, broker) = (store.start().await, PrivateBroker::start());
    let what = format!("sustained, {}, {}", store.name(), shape.what());
    let mut contest = Contest::new(what.clone(), "changes/s");
    let mut cpu = Contest::new(what, "ms of CPU per 1,000 changes");
    for _ in 0..rounds.rounds {
        let (rate, cpu_ms) = round(&place, &broker.address(), shape, rounds).await;
        contest.add("ours", rate);
        cpu.add("the gateway's", cpu_ms);
        if with_peers {
            peers::round(shape.changes > 1, rounds)
                .into_iter()
                .for_each(|(peer, rate)| contest.add(&peer, rate));
        }
    }
    contest.tell();
    cpu.tell();
}

/// Changes per second, and what a thousand of them cost the gateway.
async fn round(place: &Place, kafka: &str, shape: &Load, rounds: &Rounds) -> (f64, f64) {
    let names = tenants(shape.tenants);
    let ours = Gateway::start(place, Some(kafka), &names);
    let room = Arc::new(Room { max: WAITING_MAX, ..Room::default() });
    let plan = Plan::new(ours.address, &names, shape.connections(), shape.changes).during(rounds);
    let plan = Plan { room: Some(room.clone()), ..plan };
    let begin = Instant::now();
    let watch = async {
        let mut samples = Vec::new();
        while begin.elapsed() < rounds.warm_up() + rounds.time() {
            let published = ours.published().await;
            room.gone.store(published, Ordering::Relaxed);
            samples.push((begin.elapsed(), published));
            sleep(Duration::from_millis(250)).await;
        }
        samples
    };
    let (done, samples) = tokio::join!(load(&plan), watch);
    ours.assert_arrived(kafka, &names, done.acknowledged).await;
    let cpu_ms = Process(ours.pid()).cpu_ms_per_thousand(done.acknowledged);
    (done.rate().min(published_rate(&samples, rounds.warm_up())), cpu_ms)
}

/// Events per second since the warm-up.
fn published_rate(samples: &[(Duration, u64)], warm_up: Duration) -> f64 {
    let from = samples.iter().find(|(at, _)| *at >= warm_up);
    let (Some((from, before)), Some((to, after))) = (from, samples.last()) else { return f64::NAN };
    per_second(after - before, *to - *from)
}
