//! The keys of Keycloak's realms: fetched once, rotated, stale while Keycloak is down, and never
//! more than is allowed.

use std::sync::Arc;
use std::time::Duration;

use crash::{PATIENCE, until};
use event_gateway::access::{Auth, KeycloakConfig};
use event_gateway::clock::Manual;
use event_gateway::domain::time::Time;
use serde_json::json;
use tokio::time::timeout;

use crate::support::gateway::{Gateway, Setup};
use crate::support::keycloak::{Realms, clock};
use crate::support::raw_http::request;
use crate::support::tokens::{Key, NOW};

/// A realm with a key, a gateway that takes its tokens, and the clock.
struct Story {
    realms: Realms,
    key: Key,
    gateway: Arc<Gateway>,
    clock: Arc<Manual>,
}

impl Story {
    async fn begin() -> Self {
        let realms = Realms::start().await;
        let key = Key::rsa("first", 0);
        realms.set("diku", &[&key]);
        let (gateway, clock) = realms.gateway().await;
        Self { realms, key, gateway: Arc::new(gateway), clock }
    }

    /// Sets the clock to so many seconds after the beginning.
    fn at(&self, seconds: i64) {
        self.clock.set(Time::from_ms((NOW + seconds) * 1_000));
    }

    fn token(&self, key: &Key) -> String {
        key.token(&self.realms.claims("diku", json!({ "exp": NOW + 1_000_000 })))
    }

    /// Returns the status of a request with a token that this key has signed.
    async fn read(&self, key: &Key) -> u16 {
        self.gateway.read_with("diku", &self.token(key)).await.status
    }
}

#[tokio::test]
async fn keys_are_asked_for_once_and_again_when_their_time_is_over() {
    let story = Story::begin().await;
    for (seconds, asked) in [(0, 1), (1, 1), (299, 1), (300, 2), (599, 2), (600, 3)] {
        story.at(seconds);
        assert_eq!(story.read(&story.key).await, 200);
        assert_eq!(story.realms.asked("diku"), asked, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_key_that_is_new_is_found_and_one_that_was_removed_is_refused() {
    let story = Story::begin().await;
    let second = Key::ec("second");
    assert_eq!(story.read(&story.key).await, 200);
    story.realms.set("diku", &[&story.key, &second]);
    story.at(30);
    assert_eq!((story.read(&second).await, story.read(&story.key).await), (200, 200));
    assert_eq!(story.realms.asked("diku"), 2);
    story.realms.set("diku", &[&second]);
    story.at(300);
    assert_eq!(story.read(&story.key).await, 200, "its time is not over");
    story.at(330);
    assert_eq!((story.read(&second).await, story.read(&story.key).await), (200, 401));
    assert_eq!(story.realms.asked("diku"), 3);
}

#[tokio::test]
async fn unknown_key_ids_ask_an_issuer_at_most_every_30_seconds() {
    let story = Story::begin().await;
    for (seconds, asked) in [(0, 1), (29, 1), (30, 2), (59, 2), (60, 3)] {
        story.at(seconds);
        for kid in ["a", "b", "c"] {
            assert_eq!(story.read(&Key::ec(kid)).await, 401);
        }
        assert_eq!(story.realms.asked("diku"), asked, "after {seconds} s");
    }
    assert_eq!(story.read(&story.key).await, 200);
}

#[tokio::test]
async fn while_keycloak_is_down_keys_are_used_until_they_are_too_old() {
    let story = Story::begin().await;
    assert_eq!(story.read(&story.key).await, 200);
    story.realms.down(true);
    for seconds in [300, 301, 330, 3_000, 3_599] {
        story.at(seconds);
        assert_eq!(story.read(&story.key).await, 200, "after {seconds} s");
    }
    // Nobody can tell whether the key is new.
    assert_eq!(story.read(&Key::ec("new")).await, 503);
    story.at(3_600);
    let answer = story.gateway.read_with("diku", &story.token(&story.key)).await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "keys-unavailable"));
    assert_eq!(answer.header("Retry-After"), Some("1"));
    story.realms.down(false);
    story.at(3_700);
    assert_eq!(story.read(&story.key).await, 200);
}

#[tokio::test]
async fn a_keycloak_that_is_down_is_asked_at_most_every_30_seconds() {
    let story = Story::begin().await;
    story.realms.down(true);
    for (seconds, asked) in [(0, 1), (29, 1), (30, 2), (60, 3)] {
        story.at(seconds);
        for _ in 0..3 {
            assert_eq!(story.read(&story.key).await, 503);
        }
        assert_eq!(story.realms.asked("diku"), asked, "after {seconds} s");
    }
    story.realms.down(false);
    story.at(90);
    assert_eq!(story.read(&story.key).await, 200);
}

#[tokio::test]
async fn many_requests_share_one_fetch_and_a_client_that_leaves_does_not_end_it() {
    let story = Story::begin().await;
    story.realms.hold(true);
    let token = story.token(&story.key);
    let gone = {
        let (gateway, token) = (story.gateway.clone(), token.clone());
        tokio::spawn(async move { gateway.read_with("diku", &token).await.status })
    };
    until("the keys are asked for", async || story.realms.asked("diku") == 1).await;
    let others: Vec<_> = (0..20)
        .map(|_| {
            let (gateway, token) = (story.gateway.clone(), token.clone());
            tokio::spawn(async move { gateway.read_with("diku", &token).await.status })
        })
        .collect();
    gone.abort();
    let _ = gone.await;
    story.realms.hold(false);
    for other in others {
        assert_eq!(other.await.unwrap(), 200);
    }
    assert_eq!(story.realms.asked("diku"), 1);
}

#[tokio::test]
async fn a_realm_that_is_gone_has_no_keys_once_that_was_said_twice() {
    let story = Story::begin().await;
    assert_eq!(story.read(&story.key).await, 200);
    story.realms.remove("diku");
    story.at(300);
    assert_eq!(story.read(&story.key).await, 200, "a server that starts may have said so");
    assert_eq!(story.read(&Key::ec("new")).await, 503, "nobody can tell whether it is new");
    story.realms.set("diku", &[&story.key]);
    story.at(330);
    until("it answers again", async || story.read(&Key::ec("new")).await == 401).await;
    story.realms.remove("diku");
    story.at(700);
    assert_eq!(story.read(&story.key).await, 200, "it was there in between");
    story.at(730);
    until("it is gone", async || story.read(&story.key).await == 401).await;
    story.realms.set("diku", &[&story.key]);
    story.at(760);
    assert_eq!(story.read(&story.key).await, 200);
}

/// Begins a story in which a Keycloak may hang for longer than any test waits.
async fn hanging(keys_wait: Duration) -> Story {
    let (realms, key, clock) = (Realms::start().await, Key::rsa("first", 0), clock());
    realms.set("diku", &[&key]);
    let auth = KeycloakConfig { keys_wait, fetch_timeout: 10 * PATIENCE, ..realms.auth() };
    let gateway = Setup::new().with_auth(Auth::Keycloak(auth), &clock).start().await;
    let story = Story { realms, key, gateway: Arc::new(gateway), clock };
    assert_eq!(story.read(&story.key).await, 200);
    story
}

/// Reads while the Keycloak hangs.
async fn read_at_once(story: &Story) {
    let read = timeout(PATIENCE, story.read(&story.key)).await;
    assert_eq!(read.expect("nobody waits for it"), 200);
}

#[tokio::test]
async fn who_has_a_key_that_may_be_used_waits_for_no_keycloak_that_hangs() {
    let story = hanging(Duration::ZERO).await;
    story.realms.hold(true);
    story.at(300);
    for _ in 0..3 {
        read_at_once(&story).await;
    }
    until("it is asked", async || story.realms.asked("diku") == 2).await;
    story.realms.hold(false);
    until("its keys are fresh", async || story.read(&Key::ec("new")).await == 401).await;
}

#[tokio::test]
async fn nobody_waits_for_a_keycloak_that_has_failed_however_long_he_may() {
    let story = hanging(10 * PATIENCE).await;
    story.realms.down(true);
    story.at(300);
    read_at_once(&story).await;
    story.realms.hold(true);
    story.at(330);
    read_at_once(&story).await;
    until("it is asked again", async || story.realms.asked("diku") == 3).await;
    story.realms.down(false);
    story.realms.hold(false);
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_keys_fresh() {
    let story = Story::begin().await;
    assert_eq!(story.read(&story.key).await, 200);
    story.at(-3_600);
    assert_eq!(story.read(&story.key).await, 200);
    assert_eq!(story.realms.asked("diku"), 2);
}

#[tokio::test]
async fn an_answer_that_is_no_list_of_keys_changes_nothing() {
    let story = Story::begin().await;
    assert_eq!(story.read(&story.key).await, 200);
    let (key, good) = (story.key.jwk(), json!({ "keys": [story.key.jwk()] }).to_string());
    let large = format!("{}{good}", " ".repeat(256 << 10));
    let college = story.realms.issuer("college");
    let elsewhere = format!("302 Found\r\nLocation: {college}/protocol/openid-connect/certs");
    story.realms.set("college", &[&story.key]);
    let cases: [(&str, &str); 9] = [
        ("200 OK", "{}"),
        ("200 OK", "null"),
        ("200 OK", "<html>"),
        ("200 OK", r#"{"keys":[]}"#),
        ("200 OK", &key.to_string()),
        ("200 OK", &large),
        ("500 Internal Server Error", &good),
        ("204 No Content", ""),
        (&elsewhere, &good),
    ];
    for (at, (status, body)) in (1..).zip(cases) {
        story.realms.set_raw("diku", status, body);
        story.at(at * 300);
        assert_eq!(story.read(&story.key).await, 200, "{status} {body:.40}");
        let asked = 1 + usize::try_from(at).unwrap();
        // What was fetched before may still be under way, beside a request that had a key.
        until("it is asked again", async || {
            assert_eq!(story.read(&story.key).await, 200);
            story.realms.asked("diku") == asked
        })
        .await;
    }
    assert_eq!(story.realms.asked("college"), 0, "no redirect is followed");
}

#[tokio::test]
async fn invented_realms_take_no_place_from_those_that_have_keys() {
    let realms = Realms::start().await;
    let key = Key::rsa("r", 0);
    let mut auth = realms.auth();
    auth.realms_max = 2;
    let gateway = Setup::new().with_auth(Auth::Keycloak(auth), &clock()).start().await;
    let read = async |realm: &str| {
        let token = key.token(&realms.claims(realm, json!({})));
        gateway.read_with(realm, &token).await.status
    };
    for realm in ["diku", "college", "third"] {
        realms.set(realm, &[&key]);
    }
    assert_eq!((read("diku").await, read("college").await), (200, 200));
    for at in 0..300 {
        assert_eq!(read(&format!("invented-{at}")).await, 401);
    }
    assert_eq!((read("diku").await, read("college").await), (200, 200));
    assert_eq!((realms.asked("diku"), realms.asked("college")), (1, 1));
    // A third realm takes the place of one of them, which is fetched again.
    read("third").await;
    assert_eq!((read("diku").await, read("college").await), (200, 200));
    let asked = realms.asked("diku") + realms.asked("college");
    assert!((3..=4).contains(&asked), "{asked}");
    let metrics = Key::rsa("r", 0).token(
        &realms
            .claims("ops", json!({ "realm_access": { "roles": ["event-gateway.metrics.get"] } })),
    );
    realms.set("ops", &[&key]);
    let asked = request("GET", "/metrics", &[("X-Okapi-Token", &metrics)], b"");
    let told = gateway.exchange(&asked).await;
    let line = "event_gateway_key_fetches_total{outcome=\"unknown-realm\"} 300\n";
    assert!(told.text().contains(line), "{}", told.text());
}
