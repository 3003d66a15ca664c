//! Attacks by headers: doubled, mixed, elsewhere.

use serde_json::json;

use super::{Attack, Stage, headers as attack};

const TOKEN: &str = "X-Okapi-Token";
const AUTHORIZATION: &str = "Authorization";

/// Headers of tokens that are no token's, or that contradict each other.
pub fn headers(stage: &Stage) -> Vec<Attack> {
    let good = stage.good();
    let other = stage.rsa.token(&stage.claims(json!({ "jti": "other" })));
    let (bearer, of_other) = (format!("Bearer {good}"), format!("Bearer {other}"));
    let long = format!("{good}{}", "x".repeat(33 << 10));
    vec![
        attack("both headers", &[(TOKEN, &good), (AUTHORIZATION, &bearer)], "200"),
        attack("the scheme in small letters", &[(AUTHORIZATION, &format!("bearer {good}"))], "200"),
        attack("an empty one beside it", &[(TOKEN, ""), (TOKEN, &good)], "200"),
        attack("no token", &[], "401 token-missing"),
        attack("an empty token", &[(TOKEN, "")], "401 token-missing"),
        attack("empty headers", &[(TOKEN, ""), (AUTHORIZATION, "")], "401 token-missing"),
        attack("a token twice", &[(TOKEN, &good), (TOKEN, &good)], "400 bad-header"),
        attack("two tokens", &[(TOKEN, &good), (TOKEN, &other)], "400 bad-header"),
        attack(
            "a good token behind a bad one",
            &[(TOKEN, "x.y.z"), (TOKEN, &good)],
            "400 bad-header",
        ),
        attack("other letters", &[(TOKEN, &good), ("x-okapi-TOKEN", &other)], "400 bad-header"),
        attack(
            "Bearer twice",
            &[(AUTHORIZATION, &bearer), (AUTHORIZATION, &bearer)],
            "400 bad-header",
        ),
        attack(
            "two of Bearer",
            &[(AUTHORIZATION, &bearer), (AUTHORIZATION, &of_other)],
            "400 bad-header",
        ),
        attack(
            "another one as Bearer",
            &[(TOKEN, &good), (AUTHORIZATION, &of_other)],
            "400 bad-header",
        ),
        attack(
            "a bad one as Bearer",
            &[(TOKEN, &good), (AUTHORIZATION, "Bearer x.y.z")],
            "400 bad-header",
        ),
        attack("Basic", &[(AUTHORIZATION, "Basic YTpi")], "400 bad-header"),
        attack(
            "Basic beside it",
            &[(TOKEN, &good), (AUTHORIZATION, "Basic YTpi")],
            "400 bad-header",
        ),
        attack("Digest", &[(AUTHORIZATION, "Digest username=\"a\"")], "400 bad-header"),
        attack("DPoP", &[(AUTHORIZATION, &format!("DPoP {good}"))], "400 bad-header"),
        attack("no scheme", &[(AUTHORIZATION, &good)], "400 bad-header"),
        attack("a scheme alone", &[(AUTHORIZATION, "Bearer")], "400 bad-header"),
        attack("two spaces", &[(AUTHORIZATION, &format!("Bearer  {good}"))], "400 bad-header"),
        attack(
            "two in one",
            &[(AUTHORIZATION, &format!("{bearer}, {of_other}"))],
            "400 bad-header",
        ),
        attack("more after it", &[(AUTHORIZATION, &format!("{bearer} x"))], "400 bad-header"),
        attack("two in one token", &[(TOKEN, &format!("{good},{other}"))], "401 malformed"),
        attack("a long token", &[(TOKEN, &long)], "400 bad-header"),
        attack("letters that are no ASCII", &[(TOKEN, "tökén")], "400 bad-header"),
        attack("a cookie", &[("Cookie", &format!("folioAccessToken={good}"))], "401 token-missing"),
        attack("a proxy's header", &[("Proxy-Authorization", &bearer)], "401 token-missing"),
        attack("a system's token", &[("X-System-Token", &good)], "401 token-missing"),
        attack("an underscore", &[("X_Okapi_Token", &good)], "401 token-missing"),
    ]
}
