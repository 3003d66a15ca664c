//! Accepted and published at the same rate, Kafka on the same machine.
//!
//! Clients post as long as no more events wait to be published than were published in the last
//! seconds, so that both go at one pace; in the end every change that was acknowledged is counted
//! in the topic.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crash::kafka::PrivateBroker;
use tokio::time::sleep;

use crate::client::{Plan, Room, load};
use crate::contest::{Contest, per_second};
use crate::gateway::{Gateway, tenants};
use crate::options::{Load, Rounds};
use crate::peers::Peers;
use crate::process::Process;
use crate::stores::{Place, Store};

/// The number of seconds' worth of events that may wait to be published. The gateway counts once a
/// second.
const WAITING_S: u64 = 2;
/// The number of changes that may always wait, even at a low rate.
const WAITING_MIN: u64 = 2_000;

/// Runs the rounds, with the peers that can be had if they are wanted.
pub async fn run(store: Store, shape: &Load, with_peers: bool, rounds: &Rounds) {
    let (place, broker) = (store.start().await, PrivateBroker::start());
    let peers = if with_peers { Some(Peers::start(&place, broker.address()).await) } else { None };
    let what = format!("sustained, {}, {}", store.name(), shape.what());
    let mut contest = Contest::new(what.clone(), "changes/s");
    let mut cpu = Contest::new(what.clone(), "ms of CPU per 1,000 changes");
    let mut waiting = Contest::new(format!("{what}, accepted and not published"), "changes");
    for _ in 0..rounds.rounds {
        let ours = round(&place, &broker.address(), shape, rounds).await;
        contest.add("ours", ours.rate);
        cpu.add("the gateway's", ours.cpu_ms);
        let sides = ["when the measuring begins", "when it ends"];
        sides
            .iter()
            .zip(ours.waiting)
            .for_each(|(side, changes)| waiting.add(side, changes as f64));
        if let Some(peers) = &peers {
            let figures = peers.round(shape.changes > 1, rounds);
            figures.into_iter().for_each(|(peer, rate)| contest.add(&peer, rate));
        }
    }
    contest.tell();
    cpu.tell();
    waiting.tell();
}

/// The result of one.
struct Round {
    /// Changes per second.
    rate: f64,
    /// The gateway's CPU time, for a thousand of them.
    cpu_ms: f64,
    /// Changes that were accepted and not published, when the measuring began and when it ended.
    waiting: [u64; 2],
}

/// The times at which the gateway showed more published events than before.
#[derive(Clone, Copy, Default)]
struct Step {
    at: Duration,
    published: u64,
    waiting: u64,
}

async fn round(place: &Place, kafka: &str, shape: &Load, rounds: &Rounds) -> Round {
    let names = tenants(shape.tenants);
    let ours = Gateway::start(place, Some(kafka), &names);
    let room = Arc::new(Room::default());
    room.max.store(WAITING_MIN, Ordering::Relaxed);
    let plan = Plan::new(ours.address, &names, shape.connections(), shape.changes).during(rounds);
    let plan = Plan { room: Some(room.clone()), ..plan };
    let begin = Instant::now();
    let watch = async {
        let mut steps = vec![Step::default()];
        while begin.elapsed() < rounds.warm_up() + rounds.time() {
            let (published, last) = (ours.published().await, steps[steps.len() - 1]);
            if published > last.published {
                room.gone.store(published, Ordering::Relaxed);
                let step = Step { at: begin.elapsed(), published, waiting: room.waiting() };
                let seconds_worth =
                    (published - last.published) / (step.at - last.at).as_secs().max(1);
                room.max.store((seconds_worth * WAITING_S).max(WAITING_MIN), Ordering::Relaxed);
                steps.push(step);
            }
            sleep(Duration::from_millis(100)).await;
        }
        steps
    };
    let (done, steps) = tokio::join!(load(&plan), watch);
    ours.assert_arrived(kafka, &names, done.acknowledged).await;
    let cpu_ms = Process(ours.pid()).cpu_ms_per_thousand(done.acknowledged);
    let mut measured = steps.into_iter().skip_while(|step| step.at < rounds.warm_up());
    let (first, last) = (measured.next().unwrap(), measured.last().unwrap());
    let published = per_second(last.published - first.published, last.at - first.at);
    Round { rate: done.rate().min(published), cpu_ms, waiting: [first.waiting, last.waiting] }
}
