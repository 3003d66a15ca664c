//! Accepting alone, without Kafka: the gateway, a bare actix handler, and the raw store.

use crate::bare::Bare;
use crate::client::{Plan, load};
use crate::contest::Contest;
use crate::gateway::{Gateway, tenants};
use crate::options::{Load, Rounds};
use crate::process::Process;
use crate::raw;
use crate::stores::Store;

/// Runs the rounds.
pub async fn run(store: Store, shape: &Load, rounds: &Rounds) {
    let place = store.start().await;
    let (bare, names) = (Bare::start(), tenants(shape.tenants));
    let what = format!("intake, {}, {}", store.name(), shape.what());
    let mut contest = Contest::new(what.clone(), "changes/s");
    let mut cpu = Contest::new(what, "ms of CPU per 1,000 changes");
    for _ in 0..rounds.rounds {
        let ours = Gateway::start(&place, None, &names);
        let plan =
            Plan::new(ours.address, &names, shape.connections(), shape.changes).during(rounds);
        let done = load(&plan).await;
        contest.add("ours", done.rate());
        cpu.add("the gateway's", Process(ours.pid()).cpu_ms_per_thousand(done.acknowledged));
        drop(ours);
        let plan = Plan { address: bare.address, receipts: false, ..plan };
        contest.add("a bare actix handler", load(&plan).await.rate());
        let raw = raw::insert(&place, shape.commit_rows(), rounds.warm_up(), rounds.time()).await;
        contest.add(&format!("raw, commits of {}", shape.commit_rows()), raw.rate());
    }
    contest.tell();
    cpu.tell();
}
