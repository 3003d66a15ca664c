//! Reads one header of a request, which must be given at most once, printable ASCII and bounded. An
//! empty header counts as absent.
//!
//! `context`, `token` and `media_type` call it, since `.get()` of actix's headers would silently
//! take the first of two. `traced` reads headers that only serve tracing, and refuses nothing.

use actix_web::HttpRequest;

use super::problem::Problem;

/// The most bytes that a value may have.
const VALUE_BYTES_MAX: usize = 4096;

/// Returns the value of the header `name`, if the request has it.
pub(super) fn single<'a>(
    request: &'a HttpRequest,
    name: &'static str,
) -> Result<Option<&'a str>, Problem> {
    let rule = "must be 1 to 4,096 printable ASCII characters";
    single_of(request, name, VALUE_BYTES_MAX, rule)
}

/// The same, of at most `bytes_max` bytes; `rule` says so.
pub(super) fn single_of<'a>(
    request: &'a HttpRequest,
    name: &'static str,
    bytes_max: usize,
    rule: &'static str,
) -> Result<Option<&'a str>, Problem> {
    let mut values = request.headers().get_all(name).filter(|value| !value.is_empty());
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad(name, "must be given once"));
    }
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > bytes_max || !is_printable(text) {
        return Err(bad(name, rule));
    }
    Ok(Some(text))
}

/// Returns the first value of a header that only serves tracing, cut to the greatest length of a
/// value. A value that can't be a record's header is left out.
pub(super) fn traced<'a>(request: &'a HttpRequest, name: &'static str) -> Option<&'a str> {
    let value = request.headers().get_all(name).find(|value| !value.is_empty())?;
    let Some(text) = value.to_str().ok().filter(|text| is_printable(text)) else {
        tracing::debug!(name, "left out a header that is not printable ASCII");
        return None;
    };
    if text.len() > VALUE_BYTES_MAX {
        tracing::debug!(name, bytes = text.len(), "cut a header that is too long");
    }
    Some(&text[..text.len().min(VALUE_BYTES_MAX)])
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// Returns the problem of a header that breaks a rule.
pub(super) fn bad(name: &'static str, rule: &'static str) -> Problem {
    Problem::BadHeader { name, rule }
}
