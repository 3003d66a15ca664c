//! The whole way through a gateway on the real Kafka: its set-up, and the checker of its promises.

use crash::evidence::Acknowledged;
use crash::serve::Setup;
use crash::story::Rules;
use crash::{checker, load, story};

use crate::support::serve;
use crate::support::services::kafka;

pub const TENANTS: [&str; 3] = ["diku", "college", "university"];

/// A gateway on the real Kafka, with topics of its own and, if the store is shared, tables of its
/// own.
pub fn setup(env: &str, store: &str) -> Setup {
    let address = kafka::address();
    let (host, port) = address.split_once(':').unwrap();
    let setup =
        serve::setup(&TENANTS).with("ENV", env).with("KAFKA_HOST", host).with("KAFKA_PORT", port);
    let setup = setup.with("STORE_URL", store).with("REPLICA", "one");
    let several = load::entities()
        .map(|entity| format!("[entities.\"inventory.{entity}\"]\npartitions = 3\n"));
    setup.for_each_tenant(&several.concat())
}

/// Checks the gateway against everything that was acknowledged.
pub async fn check(url: &str, broker: &str, env: &str, acknowledged: Vec<Acknowledged>) {
    let place = story::Place { url, broker, env, tenants: &TENANTS, rules: Rules::default() };
    let findings = checker::check(&story::read(&place, acknowledged).await);
    assert!(
        findings.is_empty(),
        "{} findings: {:#?}",
        findings.len(),
        &findings[..findings.len().min(5)]
    );
}
