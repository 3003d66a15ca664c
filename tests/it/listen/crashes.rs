//! The crash loop with the listener in Kafka's place: groups lose nothing, however the gateway is
//! killed while they read. `cargo run -p crash -- --broker listener` goes on for longer.

use crash::listened;
use crash::run::Options;
use crash::store::Kind;

/// As many faults as there are kinds; the schedule is the same each time.
async fn faults(store: Kind, seed: u64) {
    let gateway = env!("CARGO_BIN_EXE_event-gateway").into();
    let options = Options { gateway, store, faults: 4, kills: 0, seed, folder: None };
    assert_eq!(listened::run(&options).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_lose_nothing_over_faults_of_every_kind_on_sqlite() {
    faults(Kind::Sqlite, 20_261_130).await;
}

#[cfg(feature = "services")]
#[tokio::test(flavor = "multi_thread")]
async fn groups_lose_nothing_over_faults_of_every_kind_on_postgres() {
    faults(Kind::Postgres, 20_261_131).await;
}
