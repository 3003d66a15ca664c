//! The actor `Observed`: a real gateway with a Kafka and a listener that has done a bit of everything that its
//! metrics and its dashboards show.

use crash::serve::{Serve, Setup};
use crash::story;
use serde_json::{Value, json};

use super::serve;
use super::services::kafka::{self, Isolation};

/// A gateway that has served requests.
pub struct Observed {
    /// The running process.
    pub serve: Serve,
    env: String,
    _setup: Setup,
}

impl Observed {
    /// Starts it, posts, has a change refused, and reads.
    pub async fn start() -> Self {
        let (env, address) = (kafka::env(), kafka::address());
        let (host, port) = address.split_once(':').unwrap();
        let setup = serve::setup(&["diku"]).with("ENV", &env).with("METRICS_TENANTS_MAX", 1);
        let setup = setup.with("KAFKA_HOST", host).with("KAFKA_PORT", port);
        let setup = setup.with("KAFKA_LISTEN_PORT", 0);
        let serve = setup.serve();
        let observed = Self { serve, env, _setup: setup };
        observed.work().await;
        observed
    }

    /// Returns the answer of `/metrics`.
    pub async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("{}/metrics", self.serve.url)).await.unwrap();
        answer.text().await.unwrap()
    }

    /// Posts two changes and an illegal one, and reads what the first ones became, over HTTP and as a
    /// client of Kafka's.
    pub async fn work(&self) {
        let instance = "/domain-events/inventory/instance";
        let two = json!([{ "new": { "id": "a" } }, { "new": { "id": "b" } }]);
        assert_eq!(self.call("POST", instance, &two).await, 201);
        assert_eq!(self.call("POST", instance, &json!({ "new": {} })).await, 422);
        let group = "/subscriptions/cg.watcher";
        assert!([200, 201].contains(&self.call("PUT", group, &json!({ "topics": ["**"] })).await));
        assert_eq!(self.call("GET", &format!("{group}/events"), &Value::Null).await, 200);
        story::published(&self.serve.url, "diku", 2).await;
        let topic = format!("{}.diku.inventory.instance", self.env);
        let read = kafka::consume(self.serve.broker(), &topic, Isolation::ReadCommitted);
        assert!(read.len() >= 2);
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> u16 {
        let method = method.parse().unwrap();
        let call = reqwest::Client::new().request(method, format!("{}{path}", self.serve.url));
        let call = call.header("X-Okapi-Tenant", "diku");
        let call = if body.is_null() { call } else { call.json(body) };
        call.send().await.unwrap().status().as_u16()
    }
}
