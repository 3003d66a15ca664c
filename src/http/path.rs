//! The segments of a request's path, decoded strictly.
//!
//! It reads the raw target, since actix decodes lossily, and hands the names to the handlers.

use actix_web::HttpRequest;

use super::operation::Operation;
use super::problem::Problem;
use super::problem::kind::Kind;
use super::schema;
use crate::domain::percent;

/// Adds to a description the names of a path that is about a producer's entity or event.
pub(super) fn describe_subject(operation: Operation, subject: &'static str) -> Operation {
    operation
        .path("producer", schema::some_text())
        .path(subject, schema::some_text())
        .problems(&[Kind::BadPath])
}

/// Returns `N` segments from `first` on; the segment after the leading slash has the number 0.
pub(super) fn segments<const N: usize>(
    request: &HttpRequest,
    first: usize,
) -> Result<[String; N], Problem> {
    let mut raw = request.uri().path().split('/').skip(1 + first);
    let mut decoded: [String; N] = std::array::from_fn(|_| String::new());
    for slot in &mut decoded {
        let segment = raw.next().unwrap_or_default();
        *slot = percent::decode(segment)
            .ok_or_else(|| Problem::bad_path(segment, "must be percent-encoded UTF-8"))?;
    }
    Ok(decoded)
}
