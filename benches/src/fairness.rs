//! Fairness: how long the changes of quiet tenants take alone, beside one tenant that posts 50 times
//! its quota, and beside one that posts as much without a quota.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crash::kafka::PrivateBroker;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use crate::client::Poster;
use crate::contest::{Contest, per_second, quantile};
use crate::gateway::{Gateway, tenants};
use crate::kafka;
use crate::latency::arrivals_at;
use crate::options::Rounds;
use crate::records::Records;
use crate::stores::Store;

/// The pause between two sides.
const REST: Duration = Duration::from_secs(5);
/// The tenants; the first is the loud one, the second is followed to the consumer.
const TENANTS: usize = 10;
/// The changes per second of each quiet tenant.
const QUIET_RATE: u32 = 5;
/// How many times its quota the loud tenant posts.
const TIMES: u32 = 50;
/// The connections of the loud tenant.
const CONNECTIONS: u32 = 32;
/// Transactions that make Kafka's JVM warm.
const WARM_UP: usize = 1_000;

/// The behaviour of the loud tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loud {
    Silent,
    WithQuota,
    WithoutQuota,
}

/// A load that has ended.
struct Load {
    accepted: AtomicU64,
    refused: AtomicU64,
    is_over: AtomicBool,
}

/// The quiet tenants' latencies beside each kind of loud one, whose quota is `quota` events a
/// second, in batches of `changes`.
pub async fn run(store: Store, quota: u32, changes: usize, rounds: &Rounds) {
    let (place, broker, names) = (store.start().await, PrivateBroker::start(), tenants(TENANTS));
    let address = broker.address();
    kafka::produce(&address, "warmup", WARM_UP, 1).await;
    let what = |part: &str| format!("{part}, {}, batches of {changes}", store.name());
    let mut accepted = Contest::new(what("accepting a quiet tenant's change, p99"), "ms");
    let mut consumed = Contest::new(what("accept to consumed, a quiet tenant, p99"), "ms");
    let mut taken = Contest::new(what("the loud tenant's events that were taken"), "1/s");
    for _ in 0..rounds.rounds {
        for (loud, side) in [
            (Loud::Silent, "quiet tenants alone"),
            (Loud::WithQuota, "beside 50 times a quota"),
            (Loud::WithoutQuota, "beside the same without a quota"),
        ] {
            let burst = format!("[quota]\nevents_per_second = {quota}\nburst_seconds = 1\n");
            let own = if loud == Loud::WithQuota { burst } else { String::new() };
            let ours = Gateway::start_as(&place, Some(&address), &names, &|setup| {
                setup.add_tenant(&names[0], &own);
                setup
            });
            ours.until_topics(&address, names.len()).await;
            let load = Arc::new(Load {
                accepted: AtomicU64::new(0),
                refused: AtomicU64::new(0),
                is_over: AtomicBool::new(loud == Loud::Silent),
            });
            let thread = flood(&ours, &names[0], quota * TIMES, changes, &load);
            let since = Instant::now();
            let quiet = paced(&ours, &names[2..], rounds);
            let followed = arrivals_at(&ours, &address, &names[1], QUIET_RATE, rounds);
            let (mut quiet, mut followed) = tokio::join!(quiet, followed);
            load.is_over.store(true, Ordering::Relaxed);
            let time = since.elapsed();
            thread.join().unwrap();
            // The next side has no backlog of this one, nor its writes to the disk.
            ours.until_none_is_pending().await;
            drop(ours);
            rest().await;
            accepted.add(side, quantile(&mut quiet, 0.99));
            consumed.add(side, quantile(&mut followed, 0.99));
            if loud != Loud::Silent {
                let events = load.accepted.load(Ordering::Relaxed);
                taken.add(side, per_second(events, time));
                eprintln!("  refused: {}", load.refused.load(Ordering::Relaxed));
            }
        }
    }
    accepted.tell();
    consumed.tell();
    taken.tell();
}

/// Lets the disk take what was written.
async fn rest() {
    let written = spawn_blocking(|| Command::new("sync").status());
    assert!(written.await.unwrap().unwrap().success());
    sleep(REST).await;
}

/// Posts as one tenant at a rate, or as fast as it is answered, in a thread of its own.
fn flood(
    ours: &Gateway,
    tenant: &str,
    rate: u32,
    changes: usize,
    load: &Arc<Load>,
) -> JoinHandle<()> {
    let (address, tenant, load) = (ours.address, tenant.to_owned(), load.clone());
    #[allow(clippy::cast_possible_truncation, reason = "a batch has at most 1,000 changes")]
    let each = Duration::from_secs(1) * CONNECTIONS * changes as u32 / rate;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connections = JoinSet::new();
            for n in 0..CONNECTIONS {
                let (tenant, load) = (tenant.clone(), load.clone());
                connections.spawn(async move {
                    sleep(each * n / CONNECTIONS).await;
                    let (mut records, mut poster) =
                        (Records::default(), Poster::connect(address).await);
                    while !load.is_over.load(Ordering::Relaxed) {
                        let due = Instant::now() + each;
                        let body = records.body(changes);
                        match poster.post(&tenant, &body, false).await {
                            Ok(()) => load.accepted.fetch_add(changes as u64, Ordering::Relaxed),
                            Err(_) => load.refused.fetch_add(1, Ordering::Relaxed),
                        };
                        sleep(due.saturating_duration_since(Instant::now())).await;
                    }
                });
            }
            connections.join_all().await;
        });
    })
}

/// Posts single changes of each of these tenants at the quiet rate. Returns the time of each until
/// it was accepted, in ms; a late one counts from when it was due (no coordinated omission).
async fn paced(ours: &Gateway, names: &[String], rounds: &Rounds) -> Vec<f64> {
    let (from, all) = (rounds.warm_up(), rounds.warm_up() + rounds.time());
    let mut posters = JoinSet::new();
    for tenant in names {
        let (address, tenant) = (ours.address, tenant.clone());
        posters.spawn(async move {
            let (mut records, mut poster) = (Records::default(), Poster::connect(address).await);
            let (begin, mut latencies) = (Instant::now(), Vec::new());
            for n in 0.. {
                let due = Duration::from_secs(n) / QUIET_RATE;
                if due >= all {
                    break;
                }
                let late = begin.elapsed() > due;
                sleep(due.saturating_sub(begin.elapsed())).await;
                let at = if late { begin + due } else { Instant::now() };
                poster.post(&tenant, &records.body(1), true).await.unwrap();
                if due >= from {
                    latencies.push(at.elapsed().as_secs_f64() * 1e3);
                }
            }
            latencies
        });
    }
    posters.join_all().await.concat()
}
