//! The whole way, from a POST to what a consumer of a real Kafka sees: once, in order, byte for
//! byte; on each store, with the same stories.

use std::sync::atomic::{AtomicUsize, Ordering};

use crash::load::Load;
use crash::{story, until};
use serde_json::{Value, json};

use crate::support::serve;
use crate::support::services::kafka::{self, consume_at_least};
use crate::support::whole_way::{TENANTS, check, setup};

/// The stories, on one store.
macro_rules! stories {
    ($store:ident, $url:expr) => {
        mod $store {
            #[tokio::test(flavor = "multi_thread")]
            async fn a_consumer_sees_a_mixed_load_once_in_order_and_byte_for_byte() {
                super::a_mixed_load($url).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn twenty_kills_under_load_lose_nothing_and_repeat_nothing() {
                super::twenty_kills($url).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_stop_in_mid_load_finishes_what_it_began() {
                super::stops($url).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_waiting_post_is_answered_once_its_event_is_in_kafka() {
                super::a_waiting_post($url).await;
            }
        }
    };
}

stories!(on_sqlite, "sqlite://data/event-gateway.db");
stories!(on_postgres, &crate::support::services::postgres::url());
stories!(on_mongodb, &crate::support::services::mongodb::url());

async fn a_mixed_load(store: &str) {
    let env = kafka::env();
    let setup = setup(&env, store);
    let serve = setup.serve();
    let load = Load::start(&serve.url, &TENANTS, 5);
    load.more(3000).await;
    let acknowledged = load.finish().await;
    check(&serve.url, &kafka::address(), &env, acknowledged).await;
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
}

async fn twenty_kills(store: &str) {
    let env = kafka::env();
    let setup = setup(&env, store);
    let mut serve = setup.serve();
    let load = Load::start(&setup.url(), &TENANTS, 5);
    let mut published = 0;
    for kill in 1..=20 {
        // The pace is random, so that some kills hit an append, some a page, some a takeover.
        load.more(kill * 17 % 97 + 20).await;
        if kill % 4 > 0 {
            published = story::published_beyond(&setup.url(), TENANTS[0], published).await;
        }
        serve.kill();
        serve = setup.serve();
    }
    load.more(100).await;
    let acknowledged = load.finish().await;
    check(&serve.url, &kafka::address(), &env, acknowledged).await;
}

async fn stops(store: &str) {
    let env = kafka::env();
    let setup = setup(&env, store);
    let load = Load::start(&setup.url(), &TENANTS, 5);
    for _ in 0..3 {
        let serve = setup.serve();
        load.more(200).await;
        assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
    }
    let serve = setup.serve();
    let acknowledged = load.finish().await;
    check(&serve.url, &kafka::address(), &env, acknowledged).await;
}

async fn a_waiting_post(store: &str) {
    let env = kafka::env();
    let setup = setup(&env, store);
    let serve = setup.serve();
    let client = reqwest::Client::new();
    let posts = AtomicUsize::new(0);
    // On a busy machine Kafka may need longer than a request may wait.
    until("a post is answered once its event is published", async || {
        let post = client.post(format!("{}/domain-events/inventory/item", serve.url));
        let post = post.header("X-Okapi-Tenant", "diku").header("Prefer", "wait=30");
        let id = format!("item-{}", posts.fetch_add(1, Ordering::SeqCst));
        let answer = post.json(&json!({ "new": { "id": id } })).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["published"] == true
    })
    .await;
    let topic = format!("{env}.diku.inventory.item");
    let posts = posts.into_inner();
    assert_eq!(consume_at_least(&kafka::address(), &topic, posts).len(), posts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_the_embedded_days_flows_to_kafka_in_order() {
    let env = kafka::env();
    let setup = serve::setup(&TENANTS).with("ENV", &env);
    let serve = setup.serve();
    let load = Load::start(&serve.url, &TENANTS, 5);
    load.more(1500).await;
    let acknowledged = load.finish().await;
    serve.terminate();
    let address = kafka::address();
    let (host, port) = address.split_once(':').unwrap();
    let setup = setup.with("KAFKA_HOST", host).with("KAFKA_PORT", port);
    let serve = setup.serve();
    check(&serve.url, &address, &env, acknowledged).await;
}
