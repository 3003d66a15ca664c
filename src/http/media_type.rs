//! The content type and content encoding of a body.
//!
//! They are read from a request's headers, and tell `items` which format to read. JSON is always
//! UTF-8.

use actix_web::HttpRequest;

use super::header;
use super::problem::Problem;

/// The format of a body of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFormat {
    /// `application/json`: an object or an array of objects.
    Json,
    /// `application/x-ndjson`: an object on each line.
    Lines,
}

/// Reads the format of a body of changes from the headers.
pub(super) fn body_format(request: &HttpRequest) -> Result<BodyFormat, Problem> {
    const ACCEPTED: &str = "application/json or application/x-ndjson";
    refuse_encodings(request)?;
    match essence(request, ACCEPTED)?.as_str() {
        "application/json" => Ok(BodyFormat::Json),
        "application/x-ndjson" => Ok(BodyFormat::Lines),
        _ => Err(Problem::UnsupportedMediaType { accepted: ACCEPTED }),
    }
}

/// Refuses a body whose content type is not JSON.
pub(super) fn json(request: &HttpRequest) -> Result<(), Problem> {
    const ACCEPTED: &str = "application/json";
    refuse_encodings(request)?;
    match essence(request, ACCEPTED)?.as_str() {
        "application/json" => Ok(()),
        _ => Err(Problem::UnsupportedMediaType { accepted: ACCEPTED }),
    }
}

/// Returns the media type without its parameters, in lower case. Refuses charsets other than UTF-8.
fn essence(request: &HttpRequest, accepted: &'static str) -> Result<String, Problem> {
    let unsupported = Problem::UnsupportedMediaType { accepted };
    let Some(text) = header::single(request, "Content-Type")? else { return Err(unsupported) };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let other_charset = parts.filter_map(|p| p.split_once('=')).any(|(name, value)| {
        let charset = name.trim().eq_ignore_ascii_case("charset");
        charset && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if other_charset { Err(unsupported) } else { Ok(essence) }
}

fn refuse_encodings(request: &HttpRequest) -> Result<(), Problem> {
    let identity = |value: &[u8]| {
        let value = value.trim_ascii();
        value.is_empty() || value.eq_ignore_ascii_case(b"identity")
    };
    let mut values = request.headers().get_all("Content-Encoding");
    if values.all(|value| value.as_bytes().split(|b| *b == b',').all(identity)) {
        return Ok(());
    }
    Err(Problem::CompressedBody)
}
