//! Java's clients read on over a kill of the gateway, a change of members and a restart: the plain
//! consumer, eager and cooperative, and the frameworks that FOLIO's modules use.

use std::process::Command;

use crate::support::kafka_clients::{ITEMS, libs, setup};
use crate::support::readers::read_on;

async fn reads_on(libs: &str, program: &str, more: &[&str]) {
    let program = format!("{}/tests/it/listen/java/{program}.java", env!("CARGO_MANIFEST_DIR"));
    read_on(setup(&["diku", "college"], 4), |address| {
        let mut command = Command::new("java");
        command.args(["-Xmx128m", "-cp", libs, &program, address, "cg.search", ITEMS]).args(more);
        command
    })
    .await;
}

/// Returns the class path of the frameworks.
fn frameworks() -> String {
    format!("{}/*", std::env::var("EVENT_GATEWAY_TEST_KAFKA_READERS").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn java_s_consumers_read_on_with_an_eager_assignor() {
    reads_on(&libs(), "Reader", &["RangeAssignor"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn java_s_consumers_read_on_with_a_cooperative_assignor() {
    reads_on(&libs(), "Reader", &["CooperativeStickyAssignor"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spring_kafka_reads_on_with_two_threads_each() {
    reads_on(&frameworks(), "SpringReader", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vert_x_reads_on() {
    reads_on(&frameworks(), "VertxReader", &[]).await;
}
