//! Requests of FOLIO's tenant interface, as a tenant, and the posts by which a story sees what they
//! have done.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::Gateway;

const INSTANCE: &str = "/domain-events/inventory/instance";

/// Asks as a tenant; returns the status, the header `Location` and the JSON of the answer.
pub async fn ask(
    gateway: &Gateway,
    (method, path): (&str, &str),
    tenant: &str,
    body: Option<Value>,
) -> (u16, String, Value) {
    let url = format!("{}{path}", gateway.url());
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = reqwest::Client::new().request(method, url).header("X-Okapi-Tenant", tenant);
    let request = body.iter().fold(request, |request, body| request.json(body));
    let answer = request.send().await.unwrap();
    let place = answer.headers().get("location").map(|at| at.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    (status, place.unwrap_or_default(), answer.json().await.unwrap_or_default())
}

/// Enables a tenant; returns the job and its place.
pub async fn enable(gateway: &Gateway, tenant: &str) -> (String, Value) {
    let body = json!({ "module_to": "event-gateway-1.0.0" });
    let (status, place, job) = ask(gateway, ("POST", "/_/tenant"), tenant, Some(body)).await;
    assert_eq!(status, 201, "{job}");
    (place, job)
}

/// Posts an instance as a tenant; returns the status and the JSON of the answer.
pub async fn post(gateway: &Gateway, tenant: &str) -> (u16, Value) {
    let body = json!({ "new": { "id": "a" } });
    let (status, _, answer) = ask(gateway, ("POST", INSTANCE), tenant, Some(body)).await;
    (status, answer)
}
