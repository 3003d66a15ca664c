//! Many tenants: what an event costs more, and what idle ones cost.

use crash::kafka::PrivateBroker;
use tokio::time::sleep;

use crate::client::{Plan, load};
use crate::contest::Contest;
use crate::gateway::{Gateway, tenants};
use crate::options::{Load, Rounds};
use crate::process::Process;
use crate::stores::Store;

/// Accepting at `many` tenants and at one, and the CPU time of idle ones.
pub async fn run(store: Store, many: usize, shape: &Load, rounds: &Rounds) {
    let (place, broker) = (store.start().await, PrivateBroker::start());
    let kafka = broker.address();
    let mut rates = Contest::new(format!("intake, {}, {}", store.name(), shape.what()), "changes/s");
    let mut idle = Contest::new(format!("idle, {}", store.name()), "ms of CPU per s");
    for _ in 0..rounds.rounds {
        for count in [many, 1] {
            let (side, names) = (format!("tenants: {count}"), tenants(count));
            let ours = Gateway::start(&place, None, &names);
            let plan = Plan::new(ours.address, &names, shape.connections(), shape.changes).during(rounds);
            rates.add(&side, load(&plan).await.rate());
            drop(ours);
            let ours = Gateway::start(&place, Some(&kafka), &names);
            // Topics are made for all of them at first.
            sleep(rounds.warm_up() * 5).await;
            let process = Process(ours.pid());
            let before = process.cpu_ms();
            sleep(rounds.time()).await;
            idle.add(&side, (process.cpu_ms() - before) / rounds.time().as_secs_f64());
        }
    }
    rates.tell();
    idle.tell();
}
