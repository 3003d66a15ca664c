//! Kafka is down: at the start, in the middle, for a minute. Accepting goes on, and everything is
//! published in order afterwards.

use std::time::Duration;

use crash::kafka::PrivateBroker;
use crash::load::Load;
use crash::serve::get_until;
use crash::{checker, story};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::serve;

const OUTAGE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn kafka_down_at_start_and_for_a_minute_stops_nothing_but_publishing() {
    let mut broker = PrivateBroker::start();
    broker.kill();
    let address = broker.address();
    let (host, port) = address.split_once(':').unwrap();
    let setup = serve::setup(&["diku"])
        .with("ENV", "folio")
        .with("KAFKA_HOST", host)
        .with("KAFKA_PORT", port);
    let serve = setup.serve();
    let load = Load::start(&serve.url, &["diku"], 5);
    load.more(200).await;
    let ready = format!("{}/readyz", serve.url);
    get_until(&ready, is("degraded")).await;

    broker.restart();
    get_until(&ready, is("ready")).await;
    load.more(200).await;
    let before = story::log(&serve.url, "diku").await.len() as u64;
    story::published(&serve.url, "diku", before).await;

    broker.kill();
    get_until(&ready, is("degraded")).await;
    let accepted = load.acknowledged();
    sleep(OUTAGE).await;
    assert!(load.acknowledged() > accepted, "nothing was accepted while Kafka was away");
    get_until(&ready, is("degraded")).await;
    broker.restart();
    get_until(&ready, is("ready")).await;
    load.more(100).await;

    let acknowledged = load.finish().await;
    let place = story::Place {
        url: &serve.url,
        broker: &address,
        env: "folio",
        tenants: &["diku"],
        rules: story::Rules::default(),
    };
    let findings = checker::check(&story::read(&place, acknowledged).await);
    assert!(findings.is_empty(), "{findings:#?}");
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
}

fn is(status: &'static str) -> impl Fn(&Value) -> bool {
    move |answer| answer["status"] == status
}
