//! A real Keycloak: its tokens, its keys, their rotation, and its end.
//!
//! It is left out where Keycloak can't be downloaded; `scripts/services` says so, and `./test` does
//! at its end.

use std::sync::Arc;
use std::time::Duration;

use crash::PATIENCE;
use event_gateway::access::{Auth, Issuers, KeycloakConfig};
use event_gateway::clock::{Clock, Manual, System};

use crate::support::gateway::{Gateway, Setup};
use crate::support::real_keycloak::{Keycloak, text};

async fn gateway(keycloak: &Keycloak) -> (Gateway, Arc<Manual>) {
    let clock = Arc::new(Manual::new(System.now()));
    let auth = KeycloakConfig {
        issuers: Issuers::parse(&keycloak.issuer("*")).unwrap(),
        operator_issuers: Issuers::parse(&keycloak.issuer("ops")).unwrap(),
        audience: None,
        keys_ttl: Duration::from_secs(300),
        keys_stale_max: Duration::from_secs(3_600),
        keys_wait: PATIENCE,
        fetch_timeout: PATIENCE,
        realms_max: 10,
    };
    (Setup::new().with_auth(Auth::Keycloak(auth), &clock).start().await, clock)
}

#[tokio::test]
async fn a_real_keycloak_s_tokens_are_taken_through_a_rotation_and_its_end() {
    let Some(mut keycloak) = Keycloak::start().await else { return };
    let (gateway, clock) = gateway(&keycloak).await;
    let begin = clock.now();
    let read = async |tenant: &str, token: &str| {
        let answer = gateway.read_with(tenant, token).await;
        (answer.status, answer.text().to_owned())
    };
    let all = keycloak.tokens("diku", "folio", "ann", "secret").await;
    let (first, elliptic) = (text(&all["access_token"]), keycloak.token("diku", "elliptic").await);
    for token in [&first, &elliptic] {
        assert_eq!(read("diku", token).await.0, 200, "{}", read("diku", token).await.1);
        assert_eq!(read("college", token).await.0, 403);
    }
    for (kind, reason) in [("id_token", "kind"), ("refresh_token", "algorithm")] {
        let (status, told) = read("diku", &text(&all[kind])).await;
        assert!(status == 401 && told.contains(&format!("\"{reason}\"")), "{kind}: {told}");
    }
    let operator = keycloak.token("ops", "folio").await;
    for tenant in ["diku", "college"] {
        assert_eq!(read(tenant, &operator).await.0, 200);
    }
    keycloak.rotate().await;
    let second = keycloak.token("diku", "folio").await;
    assert_ne!(first.split('.').next(), second.split('.').next(), "the key is another one");
    clock.set(begin.after(31_000));
    assert_eq!((read("diku", &second).await.0, read("diku", &first).await.0), (200, 200));
    keycloak.server.kill().await.unwrap();
    clock.set(begin.after(400_000));
    assert_eq!((read("diku", &second).await.0, read("ops", &operator).await.0), (200, 404));
    clock.set(begin.after(3_640_000));
    assert_eq!(read("diku", &second).await.0, 503);
}
