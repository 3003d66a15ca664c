//! The `Prefer` header (RFC 7240), of which `wait=N` alone is known: answer once published, or
//! after N seconds.
//!
//! Fed by a request; feeds `receipts`. Other preferences are ignored, as the RFC has it.

use std::time::Duration;

use actix_web::HttpRequest;

use super::header;
use super::problem::Problem;

/// The longest wait; who asks for more gets this.
const WAIT_SECS_MAX: u64 = 60;

/// How long the client would wait for `published`, if it would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefer {
    pub(super) wait: Option<Duration>,
}

/// Reads all `Prefer` headers of the request; of two `wait`s the first counts.
pub(super) fn prefer(request: &HttpRequest) -> Result<Prefer, Problem> {
    let bad = || header::bad("Prefer", "must be RFC 7240's, with wait=N in whole seconds");
    for value in request.headers().get_all("Prefer") {
        let text = value.to_str().map_err(|_| bad())?;
        if let Some(wait) = wait(text) {
            return Ok(Prefer { wait: Some(wait.ok_or_else(bad)?) });
        }
    }
    Ok(Prefer { wait: None })
}

/// The first `wait` in a list of preferences; the inner `None` is one that is no number.
fn wait(list: &str) -> Option<Option<Duration>> {
    unquoted_split(list, ',').find_map(|preference| {
        let preference = unquoted_split(preference, ';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        name.trim().eq_ignore_ascii_case("wait").then(|| seconds(value.trim()))
    })
}

/// Splits at `separator` where it stands outside quotes.
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

    use super::wait;

    #[test]
    fn wait_is_found_among_others() {
        let secs = |n| Some(Some(Duration::from_secs(n)));
        assert_eq!(wait("wait=5"), secs(5));
        assert_eq!(wait("respond-async, Wait = \"10\" ; x=y"), secs(10));
        assert_eq!(wait(r#"note="a\", wait=x", wait=0"#), secs(0));
        assert_eq!(wait("wait=1, wait=x"), secs(1));
        assert_eq!(wait("return=minimal"), None);
    }

    #[test]
    fn longer_waits_are_cut_and_broken_ones_are_told() {
        assert_eq!(wait("wait=61"), Some(Some(Duration::from_secs(60))));
        assert_eq!(wait("wait=99999999999999999999"), Some(Some(Duration::from_secs(60))));
        for text in ["wait", "wait=", "wait=-1", "wait=1.5", "wait=+1", "wait=x", "wait=\"\""] {
            assert_eq!(wait(text), Some(None), "{text}");
        }
    }
}
