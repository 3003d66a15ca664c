//! Attacks by a token's form and by its claims, signed with the right key where that matters.

use serde_json::{Value, json};

use super::{Attack, Stage, token};
use crate::support::tokens::{LETTERS, NOW, b64};

/// Signs two texts as head and claims.
fn signed(stage: &Stage, head: &str, claims: &str) -> String {
    let text = format!("{head}.{claims}");
    format!("{text}.{}", b64(stage.rsa.sign(&text)))
}

/// Texts that are no token, or hardly one.
pub fn forms(stage: &Stage) -> Vec<Attack> {
    let good = stage.good();
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let padded = format!("{body}{}", "=".repeat((4 - body.len() % 4) % 4));
    let claims = |text: &str| signed(stage, head, &b64(text));
    let object = stage.claims(json!({})).to_string();
    let nested = json!({ "jwt": good, "iss": stage.realms.issuer("diku") }).to_string();
    let json_form =
        json!({ "protected": head, "payload": body, "signature": signature }).to_string();
    // The last bit of its last letter is beyond the signature's end.
    let (most, last) = signature.split_at(signature.len() - 1);
    let other = LETTERS[LETTERS.iter().position(|b| *b == last.as_bytes()[0]).unwrap() ^ 1];
    let other = char::from(other);
    vec![
        token("one part", head, "401 malformed"),
        token("two parts", format!("{head}.{body}"), "401 malformed"),
        token("four parts", format!("{good}.{signature}"), "401 malformed"),
        token("five parts", format!("{head}.x.{body}.x.{signature}"), "401 malformed"),
        token("dots", "..", "401 malformed"),
        token("a dot before it", format!(".{good}"), "401 malformed"),
        token("a dot after it", format!("{good}."), "401 malformed"),
        token("no base64", format!("{head}.!{body}.{signature}"), "401 malformed"),
        token("a head that is no JSON", signed(stage, &b64("{"), body), "401 malformed"),
        token("a head that is a list", signed(stage, &b64("[]"), body), "401 malformed"),
        token(
            "more after the head",
            signed(stage, &b64(r#"{"alg":"RS256"}x"#), body),
            "401 malformed",
        ),
        token("an empty head", signed(stage, "", body), "401 malformed"),
        token("empty claims", signed(stage, head, ""), "401 malformed"),
        token("claims that are no JSON", claims("{"), "401 malformed"),
        token("claims that are a list", claims("[]"), "401 malformed"),
        token("claims that are a text", claims(r#""x""#), "401 malformed"),
        token("claims that are null", claims("null"), "401 malformed"),
        token("more after the claims", claims(&format!("{object}{object}")), "401 malformed"),
        token("claims that are no UTF-8", signed(stage, head, &b64([0xff, 0xfe])), "401 malformed"),
        token("padding", signed(stage, head, &format!("{padded}=")), "401 malformed"),
        token(
            "the other base64",
            format!("{head}.{}.{signature}", body.replace('J', "+")),
            "401 malformed",
        ),
        token("a space in it", format!("{head}. {body}.{signature}"), "401 malformed"),
        token("the JSON form", json_form, "401 malformed"),
        token("a token as claims", claims(&good), "401 malformed"),
        token("a token among the claims", claims(&nested), "401 no-expiry"),
        token("quotes around it", format!("\"{good}\""), "401 malformed"),
        token("a scheme before it", format!("Bearer {good}"), "401 malformed"),
        token(
            "the signature's last letter",
            format!("{head}.{body}.{most}{other}"),
            "401 malformed",
        ),
        token("nothing but a word", "null", "401 malformed"),
        token(
            "deep claims",
            claims(&format!("{}1{}", "[".repeat(9_000), "]".repeat(9_000))),
            "401 malformed",
        ),
    ]
}

/// Claims that no access token has.
pub fn claims(stage: &Stage) -> Vec<Attack> {
    let with = |more: Value| stage.rsa.token(&stage.claims(more));
    let text = stage.claims(json!({})).to_string();
    let raw = |member: &str| {
        let head = b64(json!({ "alg": "RS256", "kid": "r" }).to_string());
        signed(stage, &head, &b64(text.replacen('{', &format!("{{{member},"), 1)))
    };
    let without_exp = stage.claims(json!({ "exp": null })).to_string();
    let huge = {
        let head = b64(json!({ "alg": "RS256", "kid": "r" }).to_string());
        signed(stage, &head, &b64(without_exp.replacen('{', r#"{"exp":1e400,"#, 1)))
    };
    let roles = |roles: Value| with(json!({ "realm_access": roles }));
    vec![
        token("just not expired", with(json!({ "exp": NOW - 59 })), "200"),
        token("expired", with(json!({ "exp": NOW - 60 })), "401 expired"),
        token(
            "expired by a part of a second",
            with(json!({ "exp": NOW as f64 - 60.001 })),
            "401 expired",
        ),
        token("no end", with(json!({ "exp": null })), "401 no-expiry"),
        token("an end of zero", with(json!({ "exp": 0 })), "401 expired"),
        token("an end before the epoch", with(json!({ "exp": -1 })), "401 expired"),
        token("an end long before it", with(json!({ "exp": -1e300 })), "401 expired"),
        token("an end as text", with(json!({ "exp": "9999999999" })), "401 malformed"),
        token("an end that is true", with(json!({ "exp": true })), "401 malformed"),
        token("an end in a list", with(json!({ "exp": [NOW + 600] })), "401 malformed"),
        token("an end in an object", with(json!({ "exp": { "at": 1 } })), "401 malformed"),
        token("an end that is no number", huge, "401 malformed"),
        token("two ends", raw(r#""exp":9999999999"#), "401 malformed"),
        token("just begun", with(json!({ "nbf": NOW + 60 })), "200"),
        token("not begun", with(json!({ "nbf": NOW + 61 })), "401 not-yet-valid"),
        token("begun never", with(json!({ "nbf": 1e300 })), "401 not-yet-valid"),
        token("a beginning as text", with(json!({ "nbf": "0" })), "401 malformed"),
        token("two beginnings", raw(r#""nbf":0,"nbf":1"#), "401 malformed"),
        token("an ID token", with(json!({ "typ": "ID" })), "401 kind"),
        token("a refresh token", with(json!({ "typ": "Refresh" })), "401 kind"),
        token("an offline token", with(json!({ "typ": "Offline" })), "401 kind"),
        token("a logout token", with(json!({ "typ": "Logout" })), "401 kind"),
        token("a token that needs a proof", with(json!({ "typ": "DPoP" })), "401 kind"),
        token("no kind", with(json!({ "typ": null })), "401 kind"),
        token("a kind in small letters", with(json!({ "typ": "bearer" })), "401 kind"),
        token("kinds in a list", with(json!({ "typ": ["Bearer"] })), "401 malformed"),
        token("two kinds", raw(r#""typ":"ID""#), "401 malformed"),
        token("two issuers", raw(r#""iss":"https://x""#), "401 malformed"),
        token("two lists of roles", raw(r#""realm_access":{"roles":[]}"#), "401 malformed"),
        token("no roles", roles(json!(null)), "403 permission-missing"),
        token(
            "roles of a client",
            with(json!({
                "realm_access": null,
                "resource_access": { "x": { "roles": ["event-gateway.all"] } },
            })),
            "403 permission-missing",
        ),
        token(
            "roles as a scope",
            with(json!({
                "realm_access": null, "scope": "event-gateway.all", "permissions": ["event-gateway.all"],
            })),
            "403 permission-missing",
        ),
        token("roles as text", roles(json!({ "roles": "event-gateway.all" })), "401 malformed"),
        token("roles that are numbers", roles(json!({ "roles": [1] })), "401 malformed"),
        token("roles without a name", roles(json!("event-gateway.all")), "401 malformed"),
        token(
            "a star as role",
            roles(json!({ "roles": ["*", "event-gateway.*"] })),
            "403 permission-missing",
        ),
        token(
            "another case of a role",
            roles(json!({ "roles": ["EVENT-GATEWAY.ALL"] })),
            "403 permission-missing",
        ),
        token(
            "a role with a space",
            roles(json!({ "roles": ["event-gateway.all "] })),
            "403 permission-missing",
        ),
        token("a number as user", with(json!({ "user_id": 1 })), "401 malformed"),
    ]
}
