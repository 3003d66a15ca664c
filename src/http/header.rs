//! One header of a request: at most once, printable ASCII, bounded.
//!
//! Fed with actix's headers, whose `.get()` would silently take the first of two; feeds `context`,
//! `token`, `media_type` and `prefer`.

use actix_web::HttpRequest;

use super::problem::Problem;

/// The most bytes of a value.
const VALUE_BYTES_MAX: usize = 4096;

/// The value of that header, if the request has it.
pub(super) fn single<'a>(request: &'a HttpRequest, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = request.headers().get_all(name);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad(name, "must be given once"));
    }
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > VALUE_BYTES_MAX || !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(bad(name, "must be 1 to 4,096 printable ASCII characters"));
    }
    Ok(Some(text))
}

/// A header that is not what it must be.
pub(super) fn bad(name: &'static str, rule: &'static str) -> Problem {
    Problem::BadHeader { name, rule }
}
