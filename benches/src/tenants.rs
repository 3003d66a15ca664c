//! Many tenants: the additional cost of an event, and the cost of idle tenants.

use std::time::Duration;

use crash::kafka::PrivateBroker;
use tokio::time::sleep;

use crate::client::{Plan, load};
use crate::contest::Contest;
use crate::gateway::{Gateway, tenants};
use crate::options::{Load, Rounds};
use crate::process::Process;
use crate::stores::Store;

/// Enough that each lane has some, and so a producer.
const IN_EVERY_LANE: usize = 64;

/// Accepting at `many` tenants and at one, and the CPU time of idle ones, and their memory, after a
/// rest.
pub async fn run(store: Store, many: usize, shape: &Load, rounds: &Rounds, rest: Duration) {
    let place = store.start().await;
    let mut rates =
        Contest::new(format!("intake, {}, {}", store.name(), shape.what()), "changes/s");
    for _ in 0..rounds.rounds {
        for names in [tenants(many), tenants(1)] {
            let ours = Gateway::start(&place, None, &names);
            let plan =
                Plan::new(ours.address, &names, shape.connections(), shape.changes).during(rounds);
            rates.add(&side(&names), load(&plan).await.rate());
        }
    }
    rates.tell();
    let broker = PrivateBroker::start();
    let what = format!("idle for {} s, {}", rest.as_secs(), store.name());
    let mut idle = Contest::new(what.clone(), "ms of CPU per s");
    let mut memory = Contest::new(what, "MiB");
    for names in [tenants(many), tenants(IN_EVERY_LANE)] {
        let ours = Gateway::start(&place, Some(&broker.address()), &names);
        ours.until_topics(&broker.address(), names.len()).await;
        // Each has been published once: it has a cursor, and its lane a producer.
        let once = Plan::each_once(ours.address, &names);
        ours.until_published(load(&once).await.acknowledged).await;
        sleep(rest).await;
        let process = Process(ours.pid());
        for _ in 0..rounds.rounds {
            let before = process.cpu_ms();
            sleep(rounds.time()).await;
            idle.add(&side(&names), (process.cpu_ms() - before) / rounds.time().as_secs_f64());
        }
        memory.add(&side(&names), process.resident_mib());
    }
    idle.tell();
    memory.tell();
}

fn side(names: &[String]) -> String {
    format!("tenants: {}", names.len())
}
