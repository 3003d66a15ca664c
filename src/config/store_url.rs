//! The URL of a store's server: its hosts, and whether it is read as it was meant.
//!
//! A password that contains `#`, `?`, `/` or `@` moves the borders of a URL's parts: its rest would
//! be read as a host or a path, and would stand in messages. So such a URL is refused here, and no
//! message repeats any part of it.

use super::hosts::{self, Endpoint, Flaw};

/// Returns the hosts that the URL names; none if it names none, or sockets.
pub(super) fn hosts(after_scheme: &str) -> Result<Vec<Endpoint>, Flaw> {
    refuse_ambiguous(after_scheme)?;
    let authority = after_scheme.split(['/', '?']).next().unwrap_or_default();
    let named = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    if named.is_empty() || named.to_ascii_lowercase().contains("%2f") {
        return Ok(Vec::new());
    }
    if named
        .split(',')
        .any(|host| host.bytes().filter(|b| *b == b':').count() > 1 && !host.starts_with('['))
    {
        return Err("an IPv6 address must stand in brackets, such as [::1] or [::1]:5432");
    }
    hosts::list(named)
}

fn refuse_ambiguous(text: &str) -> Result<(), Flaw> {
    if text.contains('#') {
        return Err("it has a `#`, which must be written %23 in a user or a password");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it has a space, a line break or a control character");
    }
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if text.split('%').skip(1).any(|rest| !is_escape(rest)) {
        return Err(
            "it has a `%` without two hexadecimal digits; a `%` itself must be written %25",
        );
    }
    let (authority, rest) = text.find(['/', '?']).map_or((text, ""), |at| text.split_at(at));
    if rest.contains('@') || authority.matches('@').count() > 1 {
        return Err(
            "only the `@` between password and host may stand as it is; in user and password, \
             write `@` as %40, `/` as %2F, `?` as %3F",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::hosts;

    #[test]
    fn the_hosts_of_a_url_are_found() {
        let cases = [
            ("u@[::1]/db", "[::1]"),
            ("u:p%40%23%2F@h:1/db?sslmode=require", "h:1"),
            ("h1,[::1]:27017,h2:3/db?replicaSet=rs0", "h1,[::1]:27017,h2:3"),
            ("h", "h"),
            ("/db?host=%2Frun", ""),
            ("u@%2Frun%2Fpostgresql/db", ""),
        ];
        for (url, expected) in cases {
            let found: Vec<_> = hosts(url).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(found.join(","), expected, "{url}");
        }
    }

    #[test]
    fn a_url_whose_borders_a_password_moves_is_refused_and_not_repeated() {
        for mark in ["#", "?", "/", "@", "%", "%z", " ", "\n", ":99999@h:", "://"] {
            let url = format!("user:s3{mark}cret@localhost/db");
            let flaw = hosts(&url).unwrap_err();
            assert!(!flaw.contains("s3") && !flaw.contains("cret"), "{mark}: {flaw}");
        }
        for url in [
            "u@h/db?password=a@b",
            "u@h/db?password=a#b",
            "u@h:99999/db",
            "u@::1/db",
            "u:p@h:pass/db",
        ] {
            assert!(hosts(url).is_err(), "{url}");
        }
    }
}
