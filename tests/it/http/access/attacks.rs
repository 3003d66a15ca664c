//! Attacks on tokens and tenants: each is refused, in the way that the table says.
//!
//! The attacker knows everything but the private keys: public keys, other realms' valid tokens, and
//! a server of his own. Beside the attacks stand a few requests that must pass, so that no table is
//! passed by refusing everything.

#![allow(clippy::too_many_lines, reason = "each function is one table")]

mod claims;
mod headers;
mod heads;
mod issuers;
mod okapi;
mod poisoned;
mod tenants;

use event_gateway::access::Auth;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Setup};
use crate::support::keycloak::{Realms, clock};
use crate::support::raw_http::{Answer, request};
use crate::support::tokens::{Key, with};

/// An attack: the headers that it sends, and the answer that it must get.
pub struct Attack {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    expected: &'static str,
}

/// Makes an attack as tenant `diku` with a token.
pub fn token(name: &'static str, token: impl Into<String>, expected: &'static str) -> Attack {
    as_tenant("diku", name, token, expected)
}

/// Makes an attack as some tenant with a token.
pub fn as_tenant(
    tenant: &str,
    name: &'static str,
    token: impl Into<String>,
    expected: &'static str,
) -> Attack {
    let headers = vec![("X-Okapi-Tenant", tenant.to_owned()), ("X-Okapi-Token", token.into())];
    Attack { name, headers, expected }
}

/// Makes an attack as tenant `diku` with other headers than that of the token.
pub fn headers(
    name: &'static str,
    more: &[(&'static str, &str)],
    expected: &'static str,
) -> Attack {
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let headers = [("X-Okapi-Tenant", "diku".to_owned())].into_iter().chain(more).collect();
    Attack { name, headers, expected }
}

/// The stage: two realms with keys, an operator's realm, and the attacker's own server.
pub struct Stage {
    realms: Realms,
    attacker: Realms,
    /// The keys of the realm `diku`: they sign.
    rsa: Key,
    ec: Key,
    /// The key of `diku` that encrypts.
    enc: Key,
    /// The key of the realm `college`.
    college: Key,
    /// The attacker's key.
    evil: Key,
}

impl Stage {
    async fn begin() -> Self {
        let (realms, attacker) = (Realms::start().await, Realms::start().await);
        let (rsa, ec, enc) = (Key::rsa("r", 0), Key::ec("e"), Key::rsa("enc", 2));
        let (college, evil) = (Key::rsa("c", 1), Key::ec("evil"));
        let encrypts = with(enc.jwk(), json!({ "use": "enc", "alg": "RSA-OAEP" }));
        let keys = json!({ "keys": [encrypts, rsa.jwk(), ec.jwk()] });
        realms.set_raw("diku", "200 OK", keys.to_string());
        realms.set("college", &[&college]);
        realms.set("ops", &[&college.named("o")]);
        for realm in ["diku", "college"] {
            attacker.set(realm, &[&evil, &evil.named("r")]);
        }
        Self { realms, attacker, rsa, ec, enc, college, evil }
    }

    /// Returns the claims of a token of `diku`, with others, too.
    fn claims(&self, more: Value) -> Value {
        self.realms.claims("diku", more)
    }

    /// Returns a token that passes.
    fn good(&self) -> String {
        self.rsa.token(&self.claims(json!({})))
    }

    /// Returns a token of `diku` with other members in its head.
    fn head(&self, head: Value) -> String {
        self.rsa.token_with(&head, &self.claims(json!({})))
    }
}

/// Returns the status, and the kind of defect or the problem.
fn outcome(answer: &Answer) -> String {
    let status = answer.status;
    match status {
        200 => "200".to_owned(),
        401 if answer.problem() == "token-refused" => {
            let reason = &answer.json()["errors"][0]["parameters"][0]["value"];
            format!("401 {}", reason.as_str().unwrap())
        }
        _ => format!("{status} {}", answer.problem()),
    }
}

/// Runs attacks on a gateway, and returns how many there were.
async fn run(gateway: &Gateway, attacks: Vec<Attack>) -> usize {
    let mut wrong = Vec::new();
    for Attack { name, headers, expected } in &attacks {
        let sent: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = gateway.exchange(&request("GET", "/domain-events", &sent, b"")).await;
        let found = outcome(&answer);
        let is_told = |(name, value): &(&str, &str)| {
            name.contains("Token") && value.len() > 20 && answer.text().contains(value)
        };
        if found != *expected || sent.iter().any(is_told) {
            wrong.push(format!("{name}: {found}, not {expected}: {}", answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    attacks.iter().filter(|attack| attack.expected != "200").count()
}

#[tokio::test]
async fn whatever_an_attacker_sends_is_refused_in_the_way_that_the_table_says() {
    let stage = Stage::begin().await;
    let (gateway, _) = stage.realms.gateway().await;
    let tables = [
        heads::algorithms(&stage),
        heads::keys(&stage),
        claims::forms(&stage),
        claims::claims(&stage),
        issuers::issuers(&stage),
        headers::headers(&stage),
        tenants::tenants(&stage),
    ];
    let mut count = 0;
    for table in tables {
        count += run(&gateway, table).await;
    }
    let auth = Auth::Okapi(okapi::KEY.into());
    let gateway = Setup::new().with_auth(auth, &clock()).start().await;
    count += run(&gateway, okapi::tokens(&stage)).await;
    assert!(count >= 170, "{count}");
    assert_eq!(stage.attacker.asked_in_all(), 0, "the attacker's server was asked");
}
