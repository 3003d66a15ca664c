//! The audit of a whole log: events a second, and the memory of the subcommand.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crash::kafka::PrivateBroker;

use crate::client::{Plan, load};
use crate::contest::{Contest, per_second};
use crate::gateway::{Gateway, tenants};
use crate::process::Process;
use crate::stores::Store;

/// Runs the rounds, each with a tenth of the events and with all.
pub async fn run(store: Store, events: u64, rounds: usize) {
    let (place, broker, names) = (store.start().await, PrivateBroker::start(), tenants(1));
    let kafka = broker.address();
    let mut rate = Contest::new(format!("audit, {}", store.name()), "events/s");
    let mut memory = Contest::new(format!("audit, {}, peak", store.name()), "MiB");
    let mut ours = Gateway::start(&place, None, &names);
    ours.restart_with(&kafka);
    let mut acknowledged = 0;
    for (part, more) in [("a tenth", events / 10), ("all", events - events / 10)] {
        acknowledged += load(&Plan::backlog(ours.address, &names, more)).await.acknowledged;
        ours.until_published(acknowledged).await;
        for _ in 0..rounds {
            let (time, peak) = audit(ours.command(&["audit", "--output", "json"], &kafka));
            rate.add(part, per_second(acknowledged, time));
            memory.add(part, peak);
        }
    }
    rate.tell();
    memory.tell();
}

/// Runs an audit that finds no defect; returns its time, and the most memory that it had.
fn audit(mut command: Command) -> (Duration, f64) {
    let begin = Instant::now();
    let mut running = command.stdout(Stdio::null()).spawn().unwrap();
    let (process, mut peak) = (Process(running.id()), 0.0_f64);
    let status = loop {
        if let Some(status) = running.try_wait().unwrap() {
            break status;
        }
        peak = peak.max(process.peak_mib_if_any().unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "the audit has found defects: {status}");
    (begin.elapsed(), peak)
}
