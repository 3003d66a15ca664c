//! The modes in which a token, or the perimeter's word, lists what a caller may do: each route asks
//! for its own permission there, and for no other.

use event_gateway::access::{Auth, PERMISSIONS, Permission};
use event_gateway::http::{Access, access};
use serde_json::json;

use crate::support::gateway::{Gateway, Setup};
use crate::support::keycloak::clock;
use crate::support::raw_http::request;
use crate::support::tokens::{NOW, OKAPI_KEY, hs256, okapi_claims};

const ID: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";
/// It is of all tenants, so that no token of one may read it.
const METRICS: &str = "/metrics";

/// The header by which a caller with these permissions says what it may do.
type Says = fn(&[&str]) -> (&'static str, String);

fn okapi(permissions: &[&str]) -> (&'static str, String) {
    let claims = okapi_claims("diku", NOW, json!({ "permissions": permissions }));
    ("X-Okapi-Token", hs256(OKAPI_KEY.as_bytes(), &claims))
}

fn perimeter(permissions: &[&str]) -> (&'static str, String) {
    ("X-Okapi-Permissions", json!(permissions).to_string())
}

/// Returns the status that a caller gets, and the permission that it is told to lack.
async fn answer(gateway: &Gateway, route: &Access, says: (&str, String)) -> (u16, Option<String>) {
    let target =
        ["{id}", "{eventId}"].iter().fold(route.path.to_owned(), |it, id| it.replace(id, ID));
    let target = target.replace("{producer}", "inventory").replace("{entity}", "instance");
    let target = target.replace("{event}", "DI_COMPLETED").replace("{group}", "cg.a");
    let headers = [("X-Okapi-Tenant", "diku"), (says.0, &says.1)];
    let body: &[u8] = if ["POST", "PUT"].contains(&route.method) { b"[]" } else { b"" };
    let answer = gateway.exchange(&request(route.method, &target, &headers, body)).await;
    let lacks = (answer.status == 403).then(|| {
        assert_eq!(answer.problem(), "permission-missing");
        answer.json()["errors"][0]["parameters"][0]["value"].as_str().unwrap().to_owned()
    });
    (answer.status, lacks)
}

/// Tries each route whose path does not begin with what is `checked` before.
async fn each_route_asks_for_its_own(auth: Auth, says: Says, checked: Option<&str>) {
    let gateway = Setup::new().with_auth(auth, &clock()).start().await;
    for route in access() {
        let Some(Permission { name, .. }) = route.permission else { continue };
        if checked.is_some_and(|before| route.path.starts_with(before)) {
            assert_ne!(answer(&gateway, &route, says(&[])).await.0, 403, "{route:?}");
            continue;
        }
        let others: Vec<_> =
            PERMISSIONS.iter().map(|it| it.name).filter(|it| *it != name).collect();
        for lacking in [&others[..], &[]] {
            let refused = answer(&gateway, &route, says(lacking)).await;
            assert_eq!(refused, (403, Some(name.to_owned())), "{route:?}");
        }
        let (status, _) = answer(&gateway, &route, says(&[name])).await;
        let is_of_operators = route.path == METRICS && checked.is_none();
        assert_eq!(status == 403, is_of_operators, "{route:?}: {status}");
    }
}

#[tokio::test]
async fn a_webhook_needs_the_right_to_read_and_a_removal_with_dead_letters_that_to_discard() {
    let gateway = Setup::new().with_auth(Auth::Perimeter, &clock()).start().await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let webhook = json!({ "url": "https://example.org/", "secrets": [secret] });
    let webhook = json!({ "handler": { "webhook": webhook } }).to_string();
    let put = "event-gateway.subscriptions.item.put";
    let ask = async |method: &str, target: &str, body: &str, permissions: &[&str]| {
        let (says, length) = (perimeter(permissions), body.len().to_string());
        let headers = [
            ("X-Okapi-Tenant", "diku"),
            (says.0, &*says.1),
            ("Content-Type", "application/json"),
            ("Content-Length", &*length),
        ];
        gateway.exchange(&request(method, target, &headers, body.as_bytes())).await
    };
    for (method, target, body, own, also, done) in [
        ("PUT", "/subscriptions/cg.a", &*webhook, put, "subscriptions.item.events.get", 201),
        (
            "DELETE",
            "/subscriptions/cg.a?discard=x",
            "",
            "event-gateway.subscriptions.item.delete",
            "dead-letters.discard.post",
            204,
        ),
    ] {
        let also = format!("event-gateway.{also}");
        let refused = ask(method, target, body, &[own]).await;
        assert_eq!((refused.status, &*refused.problem()), (403, "permission-missing"), "{method}");
        assert_eq!(refused.json()["errors"][0]["parameters"][0]["value"], also, "{method}");
        assert_eq!(ask(method, target, body, &[own, &also]).await.status, done, "{method}");
    }
    assert_eq!(ask("PUT", "/subscriptions/cg.b", "{}", &[put]).await.status, 201);
}

#[tokio::test]
async fn with_okapi_s_tokens_each_route_asks_for_its_own_permission() {
    each_route_asks_for_its_own(Auth::Okapi(OKAPI_KEY.into()), okapi, None).await;
}

/// Okapi alone calls the system interface, and asks for no permission then.
#[tokio::test]
async fn behind_a_perimeter_each_route_asks_for_its_own_permission() {
    each_route_asks_for_its_own(Auth::Perimeter, perimeter, Some("/_/tenant")).await;
}
