//! Stories about the settings of access: what is no lock ends the start, and no token is in the
//! log.

use serde_json::json;

use crate::support::keycloak::Realms;
use crate::support::serve;
use crate::support::tokens::{Key, OKAPI_KEY};

/// Variables, with their values.
type Variables<'a> = &'a [(&'a str, &'a str)];

const ISSUERS: (&str, &str) = ("AUTH_ISSUERS", "https://keycloak/realms/*");
const OKAPI: (&str, &str) = ("AUTH_MODE", "okapi");
const KEYCLOAK: (&str, &str) = ("AUTH_MODE", "keycloak");

/// Returns the error of a start that fails.
fn refusal(variables: Variables) -> String {
    let setup = serve::setup(&["diku"]);
    let setup = variables.iter().fold(setup, |setup, (name, value)| setup.with(name, value));
    let status = setup.command(&["serve"]).status().unwrap();
    assert!(!status.success(), "{variables:?} was accepted: {}", setup.log());
    setup.log()
}

#[test]
fn settings_that_are_no_lock_end_the_start_with_their_names() {
    let short = "x".repeat(31);
    let cases: [(Variables, &str); 19] = [
        (&[("AUTH_MODE", "none")], "it must be one of perimeter, okapi, keycloak"),
        (&[("HTTP_HOST", "0.0.0.0")], "set AUTH_MODE"),
        (&[OKAPI], "set AUTH_OKAPI_KEY or AUTH_OKAPI_KEY_FILE"),
        (&[OKAPI, ("AUTH_OKAPI_KEY", "")], "set AUTH_OKAPI_KEY or AUTH_OKAPI_KEY_FILE"),
        (&[OKAPI, ("AUTH_OKAPI_KEY", &short)], "AUTH_OKAPI_KEY has less than 32 bytes"),
        (&[OKAPI, ("AUTH_OKAPI_KEY_FILE", "/nowhere")], "AUTH_OKAPI_KEY_FILE is /nowhere"),
        (&[OKAPI, ("AUTH_OKAPI_KEY_FILE", "/dev/null")], "has less than 32 bytes"),
        (&[OKAPI, ("AUTH_OKAPI_KEY", OKAPI_KEY), ("AUTH_OKAPI_KEY_FILE", "x")], "set only one"),
        (
            &[OKAPI, ("AUTH_OKAPI_KEY", OKAPI_KEY), ISSUERS],
            "AUTH_ISSUERS is set, but AUTH_MODE is okapi",
        ),
        (&[KEYCLOAK], "set AUTH_ISSUERS"),
        (&[KEYCLOAK, ("AUTH_ISSUERS", "*")], "AUTH_ISSUERS is `*`: it must be URLs of realms"),
        (&[KEYCLOAK, ("AUTH_ISSUERS", "https://kc/realms/*/x")], "AUTH_ISSUERS"),
        (&[KEYCLOAK, ISSUERS, ("AUTH_OPERATOR_ISSUERS", "x")], "AUTH_OPERATOR_ISSUERS"),
        (
            &[KEYCLOAK, ISSUERS, ("AUTH_OKAPI_KEY", OKAPI_KEY)],
            "AUTH_OKAPI_KEY is set, but AUTH_MODE is",
        ),
        (&[KEYCLOAK, ISSUERS, ("AUTH_JWKS_STALE_S", "60")], "AUTH_JWKS_STALE_S is less than"),
        (&[KEYCLOAK, ISSUERS, ("AUTH_REALMS_MAX", "0")], "AUTH_REALMS_MAX is `0`"),
        (&[ISSUERS], "AUTH_ISSUERS is set, but AUTH_MODE is unset"),
        (&[("AUTH_AUDIENCE", "x")], "AUTH_AUDIENCE is set, but AUTH_MODE is unset"),
        (&[("AUTH_METRICS", "closed")], "AUTH_METRICS is closed, but AUTH_MODE is perimeter"),
    ];
    for (variables, told) in cases {
        let said = refusal(variables);
        assert!(said.contains(told), "{variables:?}: {said}");
        assert!(!said.contains(OKAPI_KEY) && !said.contains(&short), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_a_mode_tells_it_and_no_token_is_in_its_log() {
    let realms = Realms::start().await;
    let key = Key::rsa("r", 0);
    realms.set("diku", &[&key]);
    let setup = serve::setup(&["diku"]).with("BROKER", "none").with("LOG_LEVEL", "trace");
    let setup = setup.with("AUTH_MODE", "keycloak").with("AUTH_ISSUERS", realms.issuer("*"));
    let setup = setup.with("AUTH_OPERATOR_ISSUERS", realms.issuer("*"));
    let serve = setup.serve();
    let far = json!({ "exp": 4_000_000_000_u64 });
    let good = key.token(&realms.claims("diku", far.clone()));
    let bad = Key::ec("other").token(&realms.claims("diku", far));
    let client = reqwest::Client::new();
    let read = async |tenant: &str, token: &str| {
        let asked = client.get(format!("{}/domain-events", serve.url));
        let asked = asked.header("X-Okapi-Tenant", tenant).bearer_auth(token);
        asked.header("X-Okapi-Token", token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(read("diku", &good).await, 200);
    assert_eq!(read("college", &good).await, 403);
    assert_eq!(read("diku", &bad).await, 401);
    realms.down(true);
    let stranger = key.token(&realms.claims("stranger", json!({ "exp": 4_000_000_000_u64 })));
    for _ in 0..3 {
        assert_eq!(read("stranger", &stranger).await, 503);
    }
    assert_eq!(serve.terminate().code(), Some(0));
    let log = setup.log();
    for part in good.split('.').chain(bad.split('.')) {
        assert!(!log.contains(part), "{log}");
    }
    assert!(log.contains("AUTH_OPERATOR_ISSUERS has"), "{log}");
    assert_eq!(log.matches("failed to fetch an issuer's keys").count(), 1, "{log}");
    let told = log.lines().find(|line| line.contains("the gateway checks tokens")).unwrap();
    assert!(told.contains("keycloak"), "{told}");
}
