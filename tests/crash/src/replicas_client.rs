//! A client that asks any of the replicas, by chance.

use std::time::Duration;

use fastrand::Rng;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The client; whoever asks brings the schedule by which a replica is chosen.
pub struct ReplicasClient {
    client: reqwest::Client,
    urls: Vec<String>,
}

impl ReplicasClient {
    /// Makes a client of these replicas.
    pub fn new(urls: &[String]) -> Self {
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build().unwrap();
        Self { client, urls: urls.to_vec() }
    }

    /// Begins a request of one of the replicas, as a tenant.
    pub fn request(
        &self,
        rng: &mut Rng,
        method: Method,
        (tenant, path): (&str, &str),
    ) -> RequestBuilder {
        let url = rng.choice(&self.urls).unwrap();
        self.client.request(method, format!("{url}{path}")).header("X-Okapi-Tenant", tenant)
    }

    /// Asks as a tenant; `None` if no answer came.
    pub async fn get(&self, rng: &mut Rng, tenant: &str, path: &str) -> Option<(u16, Value)> {
        answer(self.request(rng, Method::GET, (tenant, path))).await
    }

    /// Posts as a tenant; `None` if no answer came.
    pub async fn post(
        &self,
        rng: &mut Rng,
        to: (&str, &str),
        body: &Value,
    ) -> Option<(u16, Value)> {
        answer(self.request(rng, Method::POST, to).json(body)).await
    }
}

async fn answer(request: RequestBuilder) -> Option<(u16, Value)> {
    let answer = request.send().await.ok()?;
    Some((answer.status().as_u16(), answer.json().await.ok()?))
}
