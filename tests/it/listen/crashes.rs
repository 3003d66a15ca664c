//! The crash loop with the listener in Kafka's place: groups lose nothing, however the gateway is
//! killed while they read. `cargo run -p crash -- --broker listener` goes on for longer.

use crash::listened;
use crash::run::Options;
use crash::store::Kind;

/// Runs so many faults; the schedule is the same each time.
async fn run(store: Kind, faults: usize, seed: u64) {
    let gateway = env!("CARGO_BIN_EXE_event-gateway").into();
    let options = Options { gateway, store, faults, kills: 0, seed, folder: None };
    assert_eq!(listened::run(&options).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_lose_nothing_over_faults_of_every_kind_on_sqlite() {
    run(Kind::Sqlite, 4, 20_261_130).await;
}

#[cfg(feature = "services")]
#[tokio::test(flavor = "multi_thread")]
async fn groups_lose_nothing_over_faults_of_every_kind_on_postgres() {
    run(Kind::Postgres, 4, 20_261_131).await;
}

/// The first two faults of this schedule are deaths: of the store, and of a replica.
#[cfg(feature = "services")]
#[tokio::test(flavor = "multi_thread")]
async fn groups_lose_nothing_over_deaths_of_the_store_and_of_a_replica_on_mongodb() {
    run(Kind::Mongodb, 2, 20_261_141).await;
}
