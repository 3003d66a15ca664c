//! Attacks by a token's head: the algorithm, and the key that should fit.

use openssl::hash::MessageDigest;
use serde_json::{Value, json};

use super::{Attack, Stage, token};
use crate::support::tokens::{b64, hmac, hs256_with, unsigned};

/// Algorithm confusion, and signatures that are none.
pub fn algorithms(stage: &Stage) -> Vec<Attack> {
    let claims = stage.claims(json!({}));
    let (rsa, ec) = (&stage.rsa, &stage.ec);
    let bare = |alg: Value| {
        format!("{}.", unsigned(&json!({ "alg": alg, "typ": "JWT", "kid": "r" }), &claims))
    };
    let keyed = |key: &[u8]| hs256_with(key, &json!({ "kid": "r" }), &claims);
    let longer = |digest, alg: &str| {
        let text = unsigned(&json!({ "alg": alg, "kid": "r" }), &claims);
        format!("{text}.{}", b64(hmac(digest, &rsa.pem(), &text)))
    };
    let pem = String::from_utf8(rsa.pem()).unwrap();
    let signed = |signature: &[u8]| {
        let text = unsigned(&json!({ "alg": "ES256", "kid": "e" }), &claims);
        format!("{text}.{}", b64(signature))
    };
    let text = unsigned(&json!({ "alg": "ES256", "kid": "e" }), &claims);
    let raw = ec.sign(&text);
    let good = stage.good();
    let (before, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let other = rsa.token(&stage.claims(json!({ "jti": "other" })));
    let changed = b64(stage.claims(json!({ "user_id": "another" })).to_string());
    let twice = |head: &str| {
        let text = format!("{}.{}", b64(head), b64(claims.to_string()));
        format!("{text}.{}", b64(rsa.sign(&text)))
    };
    let [head, body, _] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    vec![
        token("a token that passes", &good, "200"),
        token("the other algorithm", ec.token(&claims), "200"),
        token("none", bare(json!("none")), "401 algorithm"),
        token("None", bare(json!("None")), "401 algorithm"),
        token("NONE", bare(json!("NONE")), "401 algorithm"),
        token("nOnE", bare(json!("nOnE")), "401 algorithm"),
        token("no algorithm's name", bare(json!("")), "401 algorithm"),
        token("a null algorithm", bare(json!(null)), "401 malformed"),
        token("a number as algorithm", bare(json!(0)), "401 malformed"),
        token("algorithms in a list", stage.head(json!({ "alg": ["RS256"] })), "401 malformed"),
        token("no algorithm", stage.head(json!({ "alg": null })), "401 malformed"),
        token("none with a signature", stage.head(json!({ "alg": "none" })), "401 algorithm"),
        token("HS256 with the public key", keyed(&rsa.pem()), "401 algorithm"),
        token("HS256 with its trimmed text", keyed(pem.trim().as_bytes()), "401 algorithm"),
        token(
            "HS256 with the listed key",
            keyed(rsa.jwk().to_string().as_bytes()),
            "401 algorithm",
        ),
        token(
            "HS256 with the modulus",
            keyed(rsa.jwk()["n"].as_str().unwrap().as_bytes()),
            "401 algorithm",
        ),
        token("HS256 with an empty key", keyed(b""), "401 algorithm"),
        token("HS256 with the key's id", keyed(b"r"), "401 algorithm"),
        token(
            "HS384 with the public key",
            longer(MessageDigest::sha384(), "HS384"),
            "401 algorithm",
        ),
        token(
            "HS512 with the public key",
            longer(MessageDigest::sha512(), "HS512"),
            "401 algorithm",
        ),
        token("RS384", stage.head(json!({ "alg": "RS384" })), "401 algorithm"),
        token("RS512", stage.head(json!({ "alg": "RS512" })), "401 algorithm"),
        token("PS256", stage.head(json!({ "alg": "PS256" })), "401 algorithm"),
        token("ES384", stage.head(json!({ "alg": "ES384" })), "401 algorithm"),
        token("EdDSA", stage.head(json!({ "alg": "EdDSA" })), "401 algorithm"),
        token("RSA-OAEP", stage.head(json!({ "alg": "RSA-OAEP" })), "401 algorithm"),
        token("small letters", stage.head(json!({ "alg": "rs256" })), "401 algorithm"),
        token("a space after it", stage.head(json!({ "alg": "RS256 " })), "401 algorithm"),
        token("RS256 with an EC key's id", stage.head(json!({ "kid": "e" })), "401 key"),
        token(
            "ES256 with an RSA key's id",
            ec.token_with(&json!({ "kid": "r" }), &claims),
            "401 key",
        ),
        token("ES256 on an RSA signature", stage.head(json!({ "alg": "ES256" })), "401 key"),
        token("an ES256 signature of zeros", signed(&[0; 64]), "401 signature"),
        token("an ES256 signature of ones", signed(&[0xff; 64]), "401 signature"),
        token("r without s", signed(&[&raw[..32], &[0; 32]].concat()), "401 signature"),
        token("s without r", signed(&[&[0; 32], &raw[32..]].concat()), "401 signature"),
        token("a byte too few", signed(&raw[..63]), "401 signature"),
        token("a byte too many", signed(&[&raw[..], &[0]].concat()), "401 signature"),
        token("s before r", signed(&[&raw[32..], &raw[..32]].concat()), "401 signature"),
        token("an empty signature", format!("{before}."), "401 signature"),
        token("half a signature", format!("{before}.{}", &signature[..120]), "401 signature"),
        token("another bit", format!("{before}.{flipped}{}", &signature[1..]), "401 signature"),
        token(
            "another token's signature",
            format!("{before}.{}", other.rsplit('.').next().unwrap()),
            "401 signature",
        ),
        token("changed claims", format!("{head}.{changed}.{signature}"), "401 signature"),
        token(
            "a changed head",
            format!(
                "{}.{body}.{signature}",
                b64(json!({ "alg": "RS256", "kid": "r" }).to_string())
            ),
            "401 signature",
        ),
        token(
            "two algorithms",
            twice(r#"{"alg":"none","alg":"RS256","kid":"r"}"#),
            "401 malformed",
        ),
        token(
            "RS256 and none",
            twice(r#"{"alg":"RS256","alg":"none","kid":"r"}"#),
            "401 malformed",
        ),
        token("an extension", stage.head(json!({ "crit": ["exp"] })), "401 algorithm"),
        token("bare claims", stage.head(json!({ "b64": false, "crit": ["b64"] })), "401 algorithm"),
        token("bare claims, not critical", stage.head(json!({ "b64": false })), "401 algorithm"),
        token("compressed claims", stage.head(json!({ "zip": "DEF" })), "401 algorithm"),
        token("encrypted claims", stage.head(json!({ "enc": "A128GCM" })), "401 algorithm"),
        token("a token in the token", stage.head(json!({ "cty": "JWT" })), "401 algorithm"),
        token("an access token by its type", stage.head(json!({ "typ": "at+jwt" })), "200"),
        token("no type", stage.head(json!({ "typ": null })), "200"),
        token("an encrypted one by its type", stage.head(json!({ "typ": "JWE" })), "401 kind"),
        token("a logout token", stage.head(json!({ "typ": "logout+jwt" })), "401 kind"),
        token("a proof of possession", stage.head(json!({ "typ": "dpop+jwt" })), "401 kind"),
        token("a type in a list", stage.head(json!({ "typ": ["JWT"] })), "401 malformed"),
    ]
}

/// Tricks with the id of the key, and keys that the token brings along.
pub fn keys(stage: &Stage) -> Vec<Attack> {
    let claims = stage.claims(json!({}));
    let (evil, url) = (&stage.evil, stage.attacker.issuer("diku"));
    let certs = format!("{url}/protocol/openid-connect/certs");
    let kid = |kid: Value| stage.head(json!({ "kid": kid }));
    let brings = |head: Value| evil.named("r").token_with(&head, &claims);
    let twice =
        format!("{}.{}", b64(r#"{"alg":"RS256","kid":"x","kid":"r"}"#), b64(claims.to_string()));
    let twice = format!("{twice}.{}", b64(stage.rsa.sign(&twice)));
    vec![
        token("no id", kid(json!(null)), "401 key"),
        token("an empty id", kid(json!("")), "401 key"),
        token("a number as id", kid(json!(1)), "401 malformed"),
        token("a list of ids", kid(json!(["r"])), "401 malformed"),
        token("an object as id", kid(json!({ "r": "r" })), "401 malformed"),
        token("a path", kid(json!("../../../../dev/null")), "401 key"),
        token("SQL", kid(json!("r' or '1'='1")), "401 key"),
        token("a command", kid(json!("r; sleep 9")), "401 key"),
        token("a URL", kid(json!(certs)), "401 key"),
        token("a line break", kid(json!("r\r\nX: y")), "401 key"),
        token("a NUL", kid(json!("r\0")), "401 key"),
        token("a long id", kid(json!("r".repeat(1_000))), "401 key"),
        token("another case", kid(json!("R")), "401 key"),
        token("a space", kid(json!("r ")), "401 key"),
        token("a letter that looks alike", kid(json!("г")), "401 key"),
        token("two ids", twice, "401 malformed"),
        token("the key that encrypts", stage.enc.token(&claims), "401 key"),
        token("that key under the other id", stage.enc.named("r").token(&claims), "401 signature"),
        token("another realm's key", stage.college.token(&claims), "401 key"),
        token("it under this realm's id", stage.college.named("r").token(&claims), "401 signature"),
        token("the attacker's key", evil.token(&claims), "401 key"),
        token("it under an EC key's id", evil.named("e").token(&claims), "401 signature"),
        token("jku", brings(json!({ "jku": certs })), "401 key"),
        token(
            "jku under an EC key's id",
            evil.named("e").token_with(&json!({ "jku": certs }), &claims),
            "401 signature",
        ),
        token("x5u", brings(json!({ "x5u": certs })), "401 key"),
        token("x5c", brings(json!({ "x5c": ["MIIB"] })), "401 key"),
        token("jwk", brings(json!({ "jwk": evil.jwk() })), "401 key"),
        token(
            "jwk under an EC key's id",
            evil.named("e").token_with(&json!({ "jwk": evil.jwk() }), &claims),
            "401 signature",
        ),
        token("jwk and no id", brings(json!({ "jwk": evil.jwk(), "kid": null })), "401 key"),
    ]
}
