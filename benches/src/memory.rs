//! Memory: while a backlog builds up and drains, and under many large bodies.

use std::time::Duration;

use crash::kafka::PrivateBroker;
use tokio::time::sleep;

use crate::client::{Plan, load};
use crate::contest::Contest;
use crate::gateway::{Gateway, tenants};
use crate::process::Process;
use crate::stores::Store;

/// Changes that make a body of about 1 MiB.
const MEBIBYTE: usize = 500;
const LARGE_BODIES: Duration = Duration::from_secs(10);

/// Samples it.
pub async fn run(store: Store, events: u64) {
    let (place, broker, names) = (store.start().await, PrivateBroker::start(), tenants(1));
    let mut contest = Contest::new(format!("memory, {}", store.name()), "MiB");
    let mut ours = Gateway::start(&place, None, &names);
    let plan = Plan::backlog(ours.address, &names, events / 10);
    for tenth in 1..=10 {
        load(&plan).await;
        contest.add(&format!("backlog of {}", events / 10 * tenth), Process(ours.pid()).resident_mib());
    }
    ours.restart_with(&broker.address());
    let mut tenth = 1;
    while tenth < 10 {
        sleep(Duration::from_millis(50)).await;
        if ours.published().await >= events / 10 * tenth {
            contest.add(&format!("drained {}", events / 10 * tenth), Process(ours.pid()).resident_mib());
            tenth += 1;
        }
    }
    drop(ours);
    let ours = Gateway::start(&place, None, &names);
    let plan = Plan::new(ours.address, &names, 1000, MEBIBYTE);
    let large = Plan { time: LARGE_BODIES, refusals: true, ..plan };
    let process = Process(ours.pid());
    let peak = async {
        let mut peak = 0.0_f64;
        for _ in 0..LARGE_BODIES.as_millis() / 100 {
            peak = peak.max(process.resident_mib());
            sleep(Duration::from_millis(100)).await;
        }
        peak
    };
    let (_, peak) = tokio::join!(load(&large), peak);
    contest.add("1,000 connections with bodies of 1 MiB, peak", peak);
    contest.tell();
}
