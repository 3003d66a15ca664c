//! Poisoned lists of keys: what a realm lists is used only if it can be meant for signatures.

use serde_json::{Value, json};

use super::outcome;
use crate::support::keycloak::Realms;
use crate::support::tokens::{Key, hs256_with, with};

/// A list of keys, a token, and the answer that it must get.
struct Poison {
    name: &'static str,
    keys: Vec<Value>,
    token: String,
    expected: &'static str,
}

fn poisons(key: &Key, other: &Key, claims: &Value) -> Vec<Poison> {
    let signed = || key.token(claims);
    let but = |more: Value| with(key.jwk(), more);
    let poison = |name, listed: Value, expected| {
        let keys = vec![listed, other.jwk()];
        Poison { name, keys, token: signed(), expected }
    };
    let short = Key::rsa_of(&key.kid, 1024);
    let secret = json!({ "kty": "oct", "kid": key.kid, "use": "sig", "alg": "HS256", "k": "eA" });
    let mut many: Vec<_> = (0..64).map(|at| other.named(&format!("k{at}")).jwk()).collect();
    many.push(key.jwk());
    let mut all = vec![
        poison("as it should be", key.jwk(), "200"),
        poison("no algorithm", but(json!({ "alg": null })), "200"),
        poison("operations", but(json!({ "key_ops": ["verify"] })), "200"),
        poison("a key that encrypts", but(json!({ "use": "enc" })), "401 key"),
        poison("no use", but(json!({ "use": null })), "401 key"),
        poison("a use in capitals", but(json!({ "use": "SIG" })), "401 key"),
        poison("uses in a list", but(json!({ "use": ["sig"] })), "401 key"),
        poison("other operations", but(json!({ "key_ops": ["encrypt"] })), "401 key"),
        poison("no operations", but(json!({ "key_ops": [] })), "401 key"),
        poison("an algorithm that encrypts", but(json!({ "alg": "RSA-OAEP" })), "401 key"),
        poison("another algorithm", but(json!({ "alg": "RS512" })), "401 key"),
        poison("an algorithm of secrets", but(json!({ "alg": "HS256" })), "401 key"),
        poison("the private part", but(json!({ "d": "AQAB" })), "401 key"),
        poison("another kind", but(json!({ "kty": "EC" })), "401 key"),
        poison("a kind in small letters", but(json!({ "kty": "rsa" })), "401 key"),
        poison("no kind", but(json!({ "kty": null })), "401 key"),
        poison("no id", but(json!({ "kid": null })), "401 key"),
        poison("a number as id", but(json!({ "kid": 1 })), "401 key"),
        poison("no modulus", but(json!({ "n": null })), "401 key"),
        poison("an empty modulus", but(json!({ "n": "" })), "401 malformed"),
        poison("a modulus that is none", but(json!({ "n": "!" })), "401 key"),
        poison("an exponent of one", but(json!({ "e": "AQ" })), "401 malformed"),
        poison("an exponent of two", but(json!({ "e": "Ag" })), "401 malformed"),
        poison("another key", other.named(&key.kid).jwk(), "401 key"),
    ];
    all.extend([
        Poison {
            name: "a short key",
            keys: vec![short.jwk(), other.jwk()],
            token: short.token(claims),
            expected: "401 malformed",
        },
        Poison {
            name: "an id that two keys have",
            keys: vec![key.jwk(), other.named(&key.kid).jwk(), other.jwk()],
            token: signed(),
            expected: "401 key",
        },
        Poison {
            name: "a secret as a key",
            keys: vec![secret, other.jwk()],
            token: hs256_with(b"x", &json!({ "kid": key.kid }), claims),
            expected: "401 algorithm",
        },
        Poison {
            name: "more keys than are read",
            keys: many,
            token: signed(),
            expected: "401 key",
        },
        Poison {
            name: "no keys",
            keys: Vec::new(),
            token: signed(),
            expected: "503 keys-unavailable",
        },
        Poison {
            name: "no key that is meant",
            keys: vec![but(json!({ "use": "enc" }))],
            token: signed(),
            expected: "503 keys-unavailable",
        },
        Poison {
            name: "other things than keys",
            keys: vec![json!(1), json!(null), json!([]), key.jwk()],
            token: signed(),
            expected: "200",
        },
    ]);
    all
}

#[tokio::test]
async fn a_key_is_used_only_if_it_can_be_meant_for_signatures() {
    let realms = Realms::start().await;
    let (key, other) = (Key::rsa("r", 0), Key::ec("other"));
    let mut wrong = Vec::new();
    let poisons = poisons(&key, &other, &realms.claims("diku", json!({})));
    assert!(poisons.len() > 30);
    for Poison { name, keys, token, expected } in poisons {
        realms.set_raw("diku", "200 OK", json!({ "keys": keys }).to_string());
        let (gateway, _) = realms.gateway().await;
        let found = outcome(&gateway.read_with("diku", &token).await);
        if found != expected {
            wrong.push(format!("{name}: {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
