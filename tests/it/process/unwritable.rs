//! One broker of two dies: topics that only it led, or that need it, take no records, and
//! everything else goes on; once it is back, everything is published in order, once.

use std::time::Duration;

use crash::evidence::Logged;
use crash::kafka::PrivateBroker;
use crash::load::{Load, Plan};
use crash::serve::get_until;
use crash::{checker, story};
use serde_json::Value;

use crate::support::serve;
use crate::support::services::kafka::create_topic_on;

const TENANTS: [&str; 3] = ["diku", "college", "third"];

#[tokio::test(flavor = "multi_thread")]
async fn tenants_whose_topics_live_go_on_while_a_broker_is_dead_that_leads_another_s() {
    let mut brokers = PrivateBroker::cluster(2);
    let address = format!("{},{}", brokers[0].address(), brokers[1].address());
    let (led, short) = ("folio.diku.inventory.item", "folio.third.inventory.item");
    create_topic_on(&address, led, &[&[2]], &[]).await;
    create_topic_on(&address, short, &[&[1, 2]], &[("min.insync.replicas", "2")]).await;
    let setup = serve::setup(&TENANTS).with("ENV", "folio").with("KAFKA_HOST", &address);
    let setup = setup.with("REPLICATION_FACTOR", 2).with("LANES", 1);
    let serve = setup.serve();
    let tenants = TENANTS.map(str::to_owned).to_vec();
    let (urls, pause) = (vec![serve.url.clone()], Duration::from_millis(20));
    let load = Load::of(&Plan { urls, tenants, keys: 5, pause, ..Plan::default() });
    load.more(200).await;
    for tenant in TENANTS {
        published(&serve.url, tenant).await;
    }

    // In the middle of pages, which Kafka then can neither commit nor abort whole.
    brokers[1].kill();
    let named = |answer: &Value| {
        let troubles = answer["troubles"].as_object().cloned().unwrap_or_default();
        [led, short].iter().all(|topic| troubles.contains_key(&format!("writes to {topic}")))
    };
    get_until(&format!("{}/readyz", serve.url), named).await;
    for _ in 0..3 {
        load.more(50).await;
        published(&serve.url, "college").await;
    }
    for tenant in ["diku", "third"] {
        let waits = |event: &Logged| {
            event.topic.ends_with(".inventory.item") && event.published == Some(false)
        };
        let log = story::log(&serve.url, tenant).await;
        assert!(log.iter().any(waits), "{tenant} has nothing that waits");
    }

    brokers[1].restart();
    load.more(100).await;
    let acknowledged = load.finish().await;
    for tenant in TENANTS {
        published(&serve.url, tenant).await;
    }
    get_until(&format!("{}/readyz", serve.url), |answer| answer["status"] == "ready").await;
    let place = story::Place {
        url: &serve.url,
        broker: &address,
        env: "folio",
        tenants: &TENANTS,
        rules: story::Rules::default(),
    };
    let findings = checker::check(&story::read(&place, acknowledged).await);
    assert!(findings.is_empty(), "{findings:#?}");
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
}

/// Waits until all present events of the tenant's log are published.
async fn published(url: &str, tenant: &str) {
    let log = story::log(url, tenant).await;
    story::published(url, tenant, log.len() as u64).await;
}
