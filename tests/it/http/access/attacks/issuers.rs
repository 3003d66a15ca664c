//! Attacks by the issuer: URLs that look like one of the list, and realms that are others'.

use serde_json::json;

use super::{Attack, Stage, as_tenant, token};

/// Issuers that are not in the list, and tokens of realms that are.
pub fn issuers(stage: &Stage) -> Vec<Attack> {
    let good = stage.realms.issuer("diku");
    let host = stage.realms.url.trim_start_matches("http://").to_owned();
    let port = host.split(':').nth(1).unwrap().to_owned();
    let evil = stage.attacker.url.trim_start_matches("http://").to_owned();
    let of = |issuer: String| stage.rsa.token(&stage.claims(json!({ "iss": issuer })));
    let by_attacker = |issuer: String| {
        let (evil, claims) = (&stage.evil, stage.claims(json!({ "iss": issuer })));
        evil.named("r").token(&claims)
    };
    let mut attacks = vec![
        token("the attacker's server", by_attacker(stage.attacker.issuer("diku")), "401 issuer"),
        token("no issuer", stage.rsa.token(&stage.claims(json!({ "iss": null }))), "401 malformed"),
        token("a number", stage.rsa.token(&stage.claims(json!({ "iss": 1 }))), "401 malformed"),
        token("a list", stage.rsa.token(&stage.claims(json!({ "iss": [good] }))), "401 malformed"),
    ];
    let looks_alike = [
        ("an empty issuer", String::new()),
        ("a slash after it", format!("{good}/")),
        ("userinfo", format!("http://user@{host}/realms/diku")),
        ("userinfo with a password", format!("http://a:b@{host}/realms/diku")),
        ("the host as userinfo", format!("http://{host}@{evil}/realms/diku")),
        ("the path as userinfo", format!("http://{host}/realms/diku@{evil}/realms/diku")),
        ("the host as userinfo's fragment", format!("http://{host}#@{evil}/realms/diku")),
        ("the host as a first label", format!("http://{host}.evil.example/realms/diku")),
        ("a longer port", format!("http://{host}0/realms/diku")),
        ("another port", format!("http://{evil}/realms/diku")),
        ("no port", "http://127.0.0.1/realms/diku".to_owned()),
        ("another name of the host", format!("http://localhost:{port}/realms/diku")),
        ("another form of the address", format!("http://0x7f.1:{port}/realms/diku")),
        ("the address as a number", format!("http://2130706433:{port}/realms/diku")),
        ("the address in IPv6", format!("http://[::ffff:127.0.0.1]:{port}/realms/diku")),
        ("a dot after the host", format!("http://127.0.0.1.:{port}/realms/diku")),
        ("another scheme", format!("https://{host}/realms/diku")),
        ("the scheme in capitals", format!("HTTP://{host}/realms/diku")),
        ("no scheme", format!("{host}/realms/diku")),
        ("a file", "file:///realms/diku".to_owned()),
        ("a query", format!("{good}?x=/realms/diku")),
        ("a query before the realm", format!("http://{host}/?/realms/diku")),
        ("a fragment", format!("{good}#x")),
        ("parameters", format!("{good};x=y")),
        ("a step up", format!("http://{host}/realms/x/../diku")),
        ("a step up from the realm", format!("{good}/../college")),
        ("steps up and away", format!("http://{host}/realms/../../x/realms/diku")),
        ("a step nowhere", format!("http://{host}/realms/./diku")),
        ("two slashes", format!("http://{host}//realms/diku")),
        ("two slashes before the realm", format!("http://{host}/realms//diku")),
        ("backslashes", format!("http://{host}\\realms\\diku")),
        ("an escaped letter", format!("http://{host}/realms/%64iku")),
        ("an escaped slash", format!("http://{host}/realms%2Fdiku")),
        ("an escaped step up", format!("http://{host}/realms/x%2F..%2Fdiku")),
        ("another path", format!("http://{host}/auth/realms/diku")),
        ("a path below it", format!("{good}/protocol/openid-connect")),
        ("realms in capitals", format!("http://{host}/Realms/diku")),
        ("the realm in capitals", stage.realms.issuer("DIKU")),
        ("a capital letter", stage.realms.issuer("Diku")),
        ("a letter with dots", stage.realms.issuer("dıku")),
        ("letters of full width", stage.realms.issuer("ｄｉｋｕ")),
        ("a letter that is not seen", stage.realms.issuer("diku\u{200b}")),
        ("a NUL", stage.realms.issuer("diku\0")),
        ("a line break", format!("{good}\n")),
        ("a line break before it", format!("x\n{good}")),
        ("a tab", stage.realms.issuer("diku\t")),
        ("a space", stage.realms.issuer("diku ")),
        ("a space before it", format!(" {good}")),
        ("a star", stage.realms.issuer("*")),
        ("no realm", stage.realms.issuer("")),
        ("a long realm", stage.realms.issuer(&"d".repeat(32))),
        ("a realm with a dot", stage.realms.issuer("diku.college")),
        ("a realm with a digit first", stage.realms.issuer("1diku")),
    ];
    for (name, issuer) in looks_alike {
        attacks.push(token(name, of(issuer), "401 issuer"));
    }
    let college = |more| stage.realms.claims("college", more);
    attacks.extend([
        as_tenant(
            "college",
            "another realm's token",
            stage.college.token(&college(json!({}))),
            "200",
        ),
        token(
            "it with this tenant",
            stage.college.token(&college(json!({}))),
            "403 tenant-mismatch",
        ),
        as_tenant(
            "college",
            "a realm's key for another realm",
            stage.rsa.token(&college(json!({}))),
            "401 key",
        ),
        as_tenant(
            "college",
            "it under the other realm's id",
            stage.rsa.named("c").token(&college(json!({}))),
            "401 signature",
        ),
        as_tenant(
            "college",
            "a tenant as a claim",
            stage.rsa.token(&stage.claims(json!({ "tenant": "college" }))),
            "403 tenant-mismatch",
        ),
        as_tenant(
            "nowhere",
            "a realm that is none",
            stage.rsa.token(&stage.realms.claims("nowhere", json!({}))),
            "401 key",
        ),
    ]);
    attacks
}
