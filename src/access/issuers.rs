//! The allow-list of issuers: URLs of Keycloak's realms, where `*` may stand for the realm.
//!
//! `config` parses it, and `keycloak` asks it before anything of an issuer is fetched. A pattern
//! matches the whole text of an issuer, letter by letter: an issuer is a name that is compared, and
//! never a URL that is interpreted.

use std::net::IpAddr;

use regex::Regex;

use crate::domain::Invalid;
use crate::domain::tenant::TenantId;

/// The characters of a realm; `*` stands for one realm of them.
const REALM: &str = "([a-z][a-z0-9_-]{0,30})";
/// A realm's URL: scheme, host, port, path, realm. Nothing in it has a second meaning in URLs.
const URL: &str = concat!(
    r"\A(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?",
    r"((?:/[A-Za-z0-9._~-]+)*/realms/)([a-z][a-z0-9_-]{0,30}|\*)\z",
);
const RULE: &str = "must be URLs of realms, such as https://keycloak/realms/diku, or with `*` for \
                    the realm, separated by commas";

/// A list of issuers.
#[derive(Debug, Clone, Default)]
pub struct Issuers {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    whole: Regex,
}

impl Issuers {
    /// Parses a list that is separated by commas.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let patterns = text.split(',').map(str::trim).map(pattern).collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// Returns the tenant of an issuer, if it is in the list.
    pub(super) fn tenant(&self, issuer: &str) -> Option<TenantId> {
        let found = self.patterns.iter().find_map(|pattern| pattern.whole.captures(issuer))?;
        TenantId::parse(found.get(1)?.as_str()).ok()
    }

    /// Returns whether the list has this issuer itself.
    pub(super) fn names(&self, issuer: &str) -> bool {
        self.texts().any(|text| text == issuer)
    }

    /// Returns the patterns that any realm matches.
    pub fn of_any_realm(&self) -> Vec<&str> {
        self.texts().filter(|text| text.ends_with('*')).collect()
    }

    /// Returns the patterns whose keys are fetched over a network without TLS.
    pub fn without_tls(&self) -> Vec<&str> {
        self.texts().filter(|text| text.starts_with("http:") && !is_local(text)).collect()
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(|pattern| pattern.text.as_str())
    }
}

/// Returns whether the issuer is on this host.
fn is_local(text: &str) -> bool {
    let url = Regex::new(URL).expect("it is a constant");
    let Some(parts) = url.captures(text) else { return false };
    let host = parts[2].trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn pattern(text: &str) -> Result<Pattern, Invalid> {
    let invalid = || Invalid::new("issuer", text, RULE);
    let url = Regex::new(URL).expect("it is a constant");
    let parts = url.captures(text).ok_or_else(invalid)?;
    let realm = &parts[5];
    let is_step = |segment: &str| segment == "." || segment == "..";
    if parts[4].split('/').any(is_step) {
        return Err(invalid());
    }
    let before = regex::escape(&text[..text.len() - realm.len()]);
    let realm = if realm == "*" { REALM.to_owned() } else { format!("({})", regex::escape(realm)) };
    let whole = Regex::new(&format!(r"\A{before}{realm}\z")).map_err(|_| invalid())?;
    Ok(Pattern { text: text.to_owned(), whole })
}

#[cfg(test)]
mod tests {
    use super::Issuers;

    #[test]
    fn a_pattern_matches_whole_issuers_and_one_realm() {
        let issuers = Issuers::parse(
            "https://kc.example:8443/auth/realms/*, http://127.0.0.1:8080/realms/diku",
        );
        let issuers = issuers.unwrap();
        let tenant = |issuer: &str| issuers.tenant(issuer).map(|tenant| tenant.to_string());
        for (issuer, realm) in [
            ("https://kc.example:8443/auth/realms/diku", "diku"),
            ("https://kc.example:8443/auth/realms/college_1-x", "college_1-x"),
            ("http://127.0.0.1:8080/realms/diku", "diku"),
        ] {
            assert_eq!(tenant(issuer).as_deref(), Some(realm), "{issuer}");
        }
        for issuer in [
            "https://kc.example:8443/auth/realms/",
            "https://kc.example:8443/auth/realms/diku/",
            "https://kc.example:8443/auth/realms/diku\n",
            "\nhttps://kc.example:8443/auth/realms/diku",
            "https://kc.example:8443/auth/realms/diku/x",
            "https://kc.example:8443/auth/realms/x/../diku",
            "https://kc.example:8443/auth/realms/%64iku",
            "https://kc.example:8443/auth/realms/diku?x",
            "https://kc.example:8443/auth/realms/diku#x",
            "https://kc.example:8443/auth/realms/Diku",
            "https://kc.example:8443/auth/realms/dikü",
            "https://kc.example:8443/auth/realms/*",
            "https://kc.example:8443/realms/diku",
            "https://kc.example/auth/realms/diku",
            "https://kc.example:8443@evil.example/auth/realms/diku",
            "https://kc-example:8443/auth/realms/diku",
            "https://kcXexample:8443/auth/realms/diku",
            "https://evil.example/?https://kc.example:8443/auth/realms/diku",
            "HTTPS://kc.example:8443/auth/realms/diku",
            "https://KC.example:8443/auth/realms/diku",
            "http://kc.example:8443/auth/realms/diku",
            "http://127.0.0.1:8080/realms/college",
            "http://127.0.0.1:8080/realms/dikux",
            "http://127.0.0.1:80800/realms/diku",
            "",
        ] {
            assert_eq!(tenant(issuer), None, "{issuer:?}");
        }
    }

    #[test]
    fn a_list_that_can_t_be_meant_is_refused() {
        for text in [
            "",
            "*",
            "https://kc",
            "https://kc/realms/",
            "https://kc/realms/*/",
            "https://kc/realms/a*",
            "https://*/realms/diku",
            "https://kc/*/realms/diku",
            "https://kc/x/../realms/diku",
            "https://kc/./realms/diku",
            "https://kc//realms/diku",
            "https://u@kc/realms/diku",
            "https://u:p@kc/realms/diku",
            "https://kc/realms/diku?x=y",
            "https://kc/realms/diku#x",
            "https://kc/realms/%64iku",
            "https://KC/realms/diku",
            "https://kc/realms/Diku",
            "ftp://kc/realms/diku",
            "kc/realms/diku",
            "https://kc/realms/diku,",
            "https://kc/realms/diku https://kc/realms/x",
            "https://kc:port/realms/diku",
            "https://kc/tenants/diku",
        ] {
            assert!(Issuers::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_hardly_safe_is_found() {
        let text = "http://kc/realms/*,http://localhost:1/realms/a,http://127.0.0.1/realms/a,\
                    https://kc/realms/b,http://127.evil.example/realms/a";
        let issuers = Issuers::parse(text).unwrap();
        assert_eq!(issuers.of_any_realm(), ["http://kc/realms/*"]);
        assert!(issuers.names("http://localhost:1/realms/a"));
        assert!(!issuers.names("http://kc/realms/a") && !issuers.names("http://kc/realms/*b"));
        let without = ["http://kc/realms/*", "http://127.evil.example/realms/a"];
        assert_eq!(issuers.without_tls(), without);
    }
}
