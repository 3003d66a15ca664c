//! The bounded texts of operators' requests: names and reasons.
//!
//! Requests to forget a record, and those to release or discard a parked scope, have them.

use super::Invalid;

/// The most bytes of a name.
pub const NAME_BYTES_MAX: usize = 128;
/// The most bytes of a reason.
pub const REASON_BYTES_MAX: usize = 1_000;
/// The characters of both.
pub const PATTERN: &str = r"^[^\u0000]+$";

/// Parses the name of a module, a producer, an entity or a process event, known or not.
pub fn name(text: &str) -> Result<String, Invalid> {
    bounded("name", text, NAME_BYTES_MAX, "must have 1 to 128 bytes and no NUL")
}

/// Parses a reason.
pub fn reason(text: &str) -> Result<String, Invalid> {
    bounded("reason", text, REASON_BYTES_MAX, "must have 1 to 1,000 bytes and no NUL")
}

fn bounded(
    what: &'static str,
    text: &str,
    bytes_max: usize,
    rule: &'static str,
) -> Result<String, Invalid> {
    if text.is_empty() || text.len() > bytes_max || text.contains('\0') {
        return Err(Invalid::new(what, text, rule));
    }
    Ok(text.to_owned())
}
