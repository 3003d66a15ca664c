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
    let (place, mut broker, names) = (store.start().await, PrivateBroker::start(), tenants(1));
    let mut contest = Contest::new(format!("memory, {}", store.name()), "MiB");
    let kafka = broker.address();
    broker.kill();
    let ours = Gateway::start(&place, Some(&kafka), &names);
    let plan = Plan::backlog(ours.address, &names, events / 10);
    for tenth in 1..=10 {
        load(&plan).await;
        contest.add(
            &format!("backlog of {}", events / 10 * tenth),
            Process(ours.pid()).resident_mib(),
        );
    }
    broker.restart();
    let mut tenth = 1;
    while tenth <= 10 {
        sleep(Duration::from_millis(50)).await;
        if ours.published().await >= events / 10 * tenth {
            contest.add(
                &format!("drained {}", events / 10 * tenth),
                Process(ours.pid()).resident_mib(),
            );
            tenth += 1;
        }
    }
    ours.assert_arrived(&kafka, &names, events / 10 * 10).await;
    drop(ours);
    let ours = Gateway::start(&place, None, &names);
    let plan = Plan::new(ours.address, &names, 1000, MEBIBYTE);
    let large = Plan { time: LARGE_BODIES, refusals: true, ..plan };
    let accepted = load(&large).await.acknowledged;
    assert!(accepted > 0, "no body was accepted");
    eprintln!("  {accepted} changes were accepted in bodies of 1 MiB");
    contest.add("1,000 connections with bodies of 1 MiB, peak", Process(ours.pid()).peak_mib());
    contest.tell();
}
