//! Reads the `Prefer` header (RFC 7240). The one known preference is `wait=N`: answer once
//! published, or after N seconds.
//!
//! `submit` calls it. A preference that is unknown or malformed is ignored, as the RFC demands.

use std::time::Duration;

use actix_web::HttpRequest;

/// The longest wait; a request for a longer one gets this.
const WAIT_SECS_MAX: u64 = 60;

/// The time for which the client would wait for `published`, if it gave one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefer {
    pub(super) wait: Option<Duration>,
}

/// Reads all `Prefer` headers of the request as one list. The first `wait` counts.
pub(super) fn prefer(request: &HttpRequest) -> Prefer {
    let values = request.headers().get_all("Prefer");
    Prefer { wait: values.filter_map(|value| wait(value.to_str().ok()?)).next().flatten() }
}

/// Finds the first `wait` in a list of preferences. The inner `None` is a `wait` without a number.
fn wait(list: &str) -> Option<Option<Duration>> {
    unquoted_split(list, ',').find_map(|preference| {
        let preference = unquoted_split(preference, ';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        name.trim().eq_ignore_ascii_case("wait").then(|| seconds(value.trim()))
    })
}

/// Splits at each `separator` that is outside quotes.
fn unquoted_split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return c == separator && !quoted,
        }
        false
    })
}

fn seconds(word: &str) -> Option<Duration> {
    let digits = word.strip_prefix('"').and_then(|w| w.strip_suffix('"')).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX).min(WAIT_SECS_MAX)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::test::TestRequest;

    fn wait(values: &[&str]) -> Option<u64> {
        let request =
            values.iter().fold(TestRequest::get(), |r, value| r.append_header(("Prefer", *value)));
        super::prefer(&request.to_http_request()).wait.map(|wait| Duration::as_secs(&wait))
    }

    #[test]
    fn wait_is_found_among_others() {
        for (secs, values) in [
            (5, &["wait=5"][..]),
            (5, &["wait=5, foo"]),
            (10, &["respond-async, Wait = \"10\" ; x=y"]),
            (0, &[r#"note="a\", wait=x", wait=0"#]),
            (1, &["wait=1, wait=x"]),
            (2, &["foo", "\u{fc}", "wait=2", "wait=3"]),
            (60, &["wait=61"]),
            (60, &["wait=99999999999999999999"]),
        ] {
            assert_eq!(wait(values), Some(secs), "{values:?}");
        }
        assert_eq!(wait(&["return=minimal"]), None);
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        for text in
            ["wait", "wait=", "wait=-1", "wait=1.5", "wait=+1", "wait=x", "wait=\"\"", "", ",;=\""]
        {
            assert_eq!(wait(&[text]), None, "{text}");
        }
        assert_eq!(wait(&["wait=x", "wait=5"]), None);
    }
}
