//! Credentials: no token and no cookie of a request is in what the gateway stores, publishes or
//! answers with.

use crash::until;
use event_gateway::access::Auth;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::fake_sink::FakeKafka;
use crate::support::gateway::{Gateway, Setup};
use crate::support::keycloak::clock;
use crate::support::raw_http::INSTANCE;
use crate::support::tokens::{NOW, OKAPI_KEY, USER, hs256, okapi_claims};

/// A text that is posted, to be found wherever a credential is looked for.
const POSTED: &str = "Of Mice and Men";
/// A value of a cookie that is no token.
const SESSION: &str = "f3b1c0de5e55101d";

/// Asks the gateway with every credential that a browser, a sidecar and Okapi send; returns the
/// answer's head and body.
async fn ask(gateway: &Gateway, token: &str, call: (Method, &str, Value, u16)) -> String {
    let (method, path, body, status) = call;
    let asked = reqwest::Client::new().request(method, format!("{}{path}", gateway.url()));
    let asked = asked.header("X-Okapi-Tenant", "diku").header("X-Okapi-User-Id", USER);
    let asked = asked.header("X-Okapi-Request-Id", "123456/domain-events");
    let asked = asked.header("X-Okapi-Token", token).bearer_auth(token);
    let asked = asked.header("Cookie", format!("folioAccessToken={token}; session={SESSION}"));
    let asked = if body.is_null() { asked } else { asked.json(&body) };
    let answer = asked.send().await.unwrap();
    let head = format!("{} {:?} ", answer.status(), answer.headers());
    assert_eq!(answer.status(), status, "{path}");
    head + &answer.text().await.unwrap()
}

/// Returns the names, headers and values of the records that a Kafka has.
fn published(kafka: &FakeKafka) -> String {
    kafka.state(|state| {
        let mut all = String::new();
        for event in &state.records {
            all += &format!("{} {} ", event.topic, event.key);
            all.extend(event.record_headers().iter().map(|(name, text)| format!("{name}:{text} ")));
            all += &String::from_utf8_lossy(&event.payload);
        }
        all
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_and_no_cookie_is_stored_published_or_given_back() {
    let token = hs256(OKAPI_KEY.as_bytes(), &okapi_claims("diku", NOW, json!({})));
    for auth in [Auth::Perimeter, Auth::Okapi(OKAPI_KEY.into())] {
        let mode = format!("{auth:?}");
        let gateway = Setup::new().with_auth(auth, &clock()).start().await;
        let kafka = FakeKafka::default();
        let followers = gateway.follow(&kafka);
        let mut answers = String::new();
        for call in [
            (Method::POST, INSTANCE, json!({"new": {"id": "1", "title": POSTED}}), 201),
            (Method::PUT, "/subscriptions/cg.x", json!({}), 201),
            (Method::POST, "/_/tenant", json!({"module_to": "event-gateway-1.0.0"}), 201),
            (Method::GET, "/domain-events", Value::Null, 200),
            (Method::GET, "/subscriptions/cg.x/events?reader=one", Value::Null, 200),
            (Method::GET, "/trail", Value::Null, 200),
            (Method::GET, "/nowhere", Value::Null, 404),
        ] {
            answers += &ask(&gateway, &token, call).await;
        }
        until("it is published", async || published(&kafka).contains(POSTED)).await;
        followers.stop().await;
        let kept = [gateway.stored(), published(&kafka), answers];
        for (kept, where_to) in kept.iter().zip(["stored", "published", "given back"]) {
            assert!(kept.contains(POSTED) && kept.contains(USER), "{mode}: {where_to} is not read");
            for secret in token.split('.').chain([SESSION]) {
                assert!(!kept.contains(secret), "{mode}: {secret} is {where_to}");
            }
        }
    }
}
