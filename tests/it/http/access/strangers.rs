//! Strangers: realms that anybody may invent, since nothing of a token is verified before its keys
//! are there. They keep nobody waiting whose realm may have keys.

use std::sync::Arc;

use crash::{PATIENCE, until};
use event_gateway::access::{Auth, Issuers};
use event_gateway::clock::{Clock, Manual, System};
use event_gateway::domain::position::LogId;
use event_gateway::domain::time::Time;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::gateway::{Gateway, Setup, tenant_id};
use crate::support::keycloak::{Realms, clock};
use crate::support::raw_http::request;
use crate::support::tokens::{Key, NOW};

/// The strangers that are asked at the same time, and those that are asked or wait for it.
const ASKED: usize = 4;
const WAITING: usize = 64;

/// A Keycloak that answers for no invented realm, a gateway, and the requests of an attacker.
struct Flood {
    realms: Realms,
    key: Key,
    gateway: Arc<Gateway>,
    clock: Arc<Manual>,
    requests: JoinSet<u16>,
    /// The number of requests that were refused at once.
    refused: usize,
}

impl Flood {
    /// Begins one of so many invented realms, more than may wait; returns once the others were
    /// refused.
    async fn begin(requests: usize) -> Self {
        let (realms, key, clock) = (Realms::start().await, Key::rsa("r", 0), clock());
        realms.hold_those(|realm| realm.starts_with("invented"));
        for realm in ["diku", "college", "ops", "named", "fresh"] {
            realms.set(realm, &[&key]);
        }
        let mut auth = realms.auth();
        let list = format!("{},{}", realms.issuer("named"), realms.issuer("*"));
        auth.issuers = Issuers::parse(&list).unwrap();
        let gateway = Setup::new().with_auth(Auth::Keycloak(auth), &clock).start().await;
        let (gateway, begun) = (Arc::new(gateway), JoinSet::new());
        let mut flood = Self { realms, key, gateway, clock, requests: begun, refused: 0 };
        for at in 0..requests {
            let (gateway, realm) = (flood.gateway.clone(), format!("invented-{at}"));
            let token = flood.token(&realm);
            flood.requests.spawn(async move { gateway.read_with(&realm, &token).await.status });
        }
        while flood.requests.len() > WAITING {
            let refused = timeout(PATIENCE, flood.requests.join_next()).await;
            let status = refused.expect("it is refused at once").unwrap().unwrap();
            assert_eq!(status, 503);
            flood.refused += 1;
        }
        until("strangers are asked", async || flood.realms.asked_in_all() >= ASKED).await;
        flood
    }

    fn token(&self, realm: &str) -> String {
        self.key.token(&self.realms.claims(realm, json!({})))
    }

    async fn read(&self, realm: &str) -> u16 {
        let token = self.token(realm);
        let read = timeout(PATIENCE, self.gateway.read_with(realm, &token)).await;
        read.expect("it waits for no stranger").status
    }
}

#[tokio::test]
async fn invented_realms_keep_no_tenant_waiting_and_few_of_them_wait() {
    let mut flood = Flood::begin(300).await;
    assert_eq!((flood.realms.asked_in_all(), flood.refused), (ASKED, 300 - WAITING));
    for realm in ["diku", "college"] {
        assert_eq!(flood.read(realm).await, 200, "{realm}");
    }
    for realm in ["ops", "named"] {
        assert_eq!(flood.read(realm).await, 404, "the list names {realm}, which is no tenant");
    }
    let answer = flood.gateway.read_with("fresh", &flood.token("fresh")).await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "keys-unavailable"));
    flood.realms.hold(false);
    while let Some(status) = flood.requests.join_next().await {
        assert_eq!(status.unwrap(), 401);
    }
    assert_eq!(flood.read("fresh").await, 404, "whoever waits no longer is in nobody's way");
    let asked = flood.realms.asked_in_all();
    assert_eq!(asked, WAITING + 5, "whoever was refused was not asked");
    let roles = json!({ "realm_access": { "roles": ["event-gateway.metrics.get"] } });
    let token = flood.key.token(&flood.realms.claims("ops", roles));
    let asked = request("GET", "/metrics", &[("X-Okapi-Token", &token)], b"");
    let told = flood.gateway.exchange(&asked).await;
    let refused = flood.refused + 1;
    let line =
        format!("event_gateway_key_fetches_total{{outcome=\"too-many-strangers\"}} {refused}\n");
    assert!(told.text().contains(&line), "{}", told.text());
}

#[tokio::test]
async fn clients_that_leave_leave_no_more_strangers_than_may_wait() {
    let mut flood = Flood::begin(WAITING + 1).await;
    flood.requests.shutdown().await;
    assert_eq!(flood.read("fresh").await, 503, "those that left are still asked");
    assert_eq!(flood.read("diku").await, 200);
    flood.realms.hold(false);
    until("all were asked", async || flood.realms.asked_in_all() == WAITING + 1).await;
}

#[tokio::test]
async fn a_tenant_that_is_enabled_is_soon_no_stranger() {
    let flood = Flood::begin(WAITING + 1).await;
    assert_eq!(flood.read("fresh").await, 503);
    let log_id = LogId::new(System.new_id());
    flood.gateway.store.enable_if_new(&tenant_id("fresh"), log_id).await.unwrap();
    flood.clock.set(Time::from_ms(NOW * 1_000 + 5_000));
    assert_eq!(flood.read("fresh").await, 200);
}
