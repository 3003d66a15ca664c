//! Attacks on Okapi's tokens, whose key the attacker doesn't have.

use openssl::hash::MessageDigest;
use serde_json::{Value, json};

use super::{Attack, Stage, as_tenant, token};
use crate::support::tokens::{NOW, b64, hmac, hs256, hs256_with, okapi_claims, unsigned};

pub const KEY: &str = "dGhpcyBrZXkgaXMgc2hhcmVkIHdpdGggbW9kLWF1dGh0b2tlbg";

fn claims(more: Value) -> Value {
    okapi_claims("diku", NOW, more)
}

/// Tokens that mod-authtoken would not sign.
pub fn tokens(stage: &Stage) -> Vec<Attack> {
    let key = KEY.as_bytes();
    let good = hs256(key, &claims(json!({})));
    let (text, signature) = good.rsplit_once('.').unwrap();
    let bare = |alg: &str| format!("{}.", unsigned(&json!({ "alg": alg }), &claims(json!({}))));
    let longer = |digest, alg: &str| {
        let text = unsigned(&json!({ "alg": alg }), &claims(json!({})));
        format!("{text}.{}", b64(hmac(digest, key, &text)))
    };
    let of = |more: Value| hs256(key, &claims(more));
    let raw = |member: &str| {
        let text = claims(json!({})).to_string().replacen('{', &format!("{{{member},"), 1);
        let text = format!("{}.{}", b64(r#"{"alg":"HS256"}"#), b64(text));
        format!("{text}.{}", b64(hmac(MessageDigest::sha256(), key, &text)))
    };
    let oct = json!({ "jwk": { "kty": "oct", "k": b64("x".repeat(32)) } });
    let all_tenants = json!({ "permissions": ["event-gateway.all-tenants.all"] });
    vec![
        token("a token that passes", &good, "200"),
        token("none", bare("none"), "401 algorithm"),
        token("None", bare("None"), "401 algorithm"),
        token("an empty signature", format!("{text}."), "401 signature"),
        token("half a signature", format!("{text}.{}", &signature[..20]), "401 signature"),
        token("another's signature", stage.rsa.token(&claims(json!({}))), "401 algorithm"),
        token("EC", stage.ec.token(&claims(json!({}))), "401 algorithm"),
        token("Keycloak's", stage.good(), "401 algorithm"),
        token("HS384", longer(MessageDigest::sha384(), "HS384"), "401 algorithm"),
        token("HS512", longer(MessageDigest::sha512(), "HS512"), "401 algorithm"),
        token("another key", hs256(b"another", &claims(json!({}))), "401 signature"),
        token("an empty key", hs256(b"", &claims(json!({}))), "401 signature"),
        token("a zero as key", hs256(b"\0", &claims(json!({}))), "401 signature"),
        token("a part of the key", hs256(&key[..32], &claims(json!({}))), "401 signature"),
        token(
            "the key and more",
            hs256(format!("{KEY}\n").as_bytes(), &claims(json!({}))),
            "401 signature",
        ),
        token(
            "the key decoded",
            hs256(b"this key is shared with mod-authtoken", &claims(json!({}))),
            "401 signature",
        ),
        token(
            "a key along with it",
            hs256_with("x".repeat(32).as_bytes(), &oct, &claims(json!({}))),
            "401 signature",
        ),
        token(
            "an id of a key",
            hs256_with(b"", &json!({ "kid": "/dev/null" }), &claims(json!({}))),
            "401 signature",
        ),
        token(
            "an extension",
            hs256_with(key, &json!({ "crit": ["x"] }), &claims(json!({}))),
            "401 algorithm",
        ),
        token("a refresh token", of(json!({ "type": "refresh" })), "401 kind"),
        token("a module's token", of(json!({ "type": "module" })), "401 kind"),
        token("a dummy", of(json!({ "type": "dummy" })), "401 kind"),
        token("a kind in capitals", of(json!({ "type": "ACCESS" })), "401 kind"),
        token("a kind with a space", of(json!({ "type": "access " })), "401 kind"),
        token("kinds in a list", of(json!({ "type": ["access"] })), "401 malformed"),
        token("two kinds", raw(r#""type":"refresh""#), "401 malformed"),
        token("no kind", of(json!({ "type": null })), "401 kind"),
        token("expired", of(json!({ "exp": NOW - 60 })), "401 expired"),
        token("no end", of(json!({ "exp": null })), "401 no-expiry"),
        token("an end as text", of(json!({ "exp": "9999999999" })), "401 malformed"),
        token("not begun", of(json!({ "nbf": NOW + 61 })), "401 not-yet-valid"),
        token("no tenant", of(json!({ "tenant": null })), "401 malformed"),
        token("two tenants", raw(r#""tenant":"college""#), "401 malformed"),
        token("tenants in a list", of(json!({ "tenant": ["diku", "college"] })), "401 malformed"),
        token("capitals", of(json!({ "tenant": "DIKU" })), "401 tenant"),
        token("a letter without a dot", of(json!({ "tenant": "dıku" })), "401 tenant"),
        token("a NUL", of(json!({ "tenant": "diku\0" })), "401 tenant"),
        token("a space", of(json!({ "tenant": "diku " })), "401 tenant"),
        token("an empty tenant", of(json!({ "tenant": "" })), "401 tenant"),
        token("another tenant's token", of(json!({ "tenant": "college" })), "403 tenant-mismatch"),
        as_tenant("college", "another tenant", &good, "403 tenant-mismatch"),
        as_tenant("college", "for all tenants", of(all_tenants.clone()), "403 tenant-mismatch"),
        token("for all tenants, in the own", of(all_tenants), "403 permission-missing"),
        token(
            "permissions as text",
            of(json!({ "permissions": "event-gateway.all" })),
            "401 malformed",
        ),
        token("no permissions", of(json!({ "permissions": null })), "403 permission-missing"),
        token(
            "roles",
            of(json!({ "permissions": null, "realm_access": { "roles": ["event-gateway.all"] } })),
            "403 permission-missing",
        ),
    ]
}
