//! Violations: what is illegal in valid JSON, and where.
//!
//! Made by `change` and `process_event`; shown by `http::problem` as 422.

/// The most that are named at once: what is illegal a million times is not said a million times.
pub const MAX: usize = 100;

/// One illegal place of a posted body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer into the body, such as `/3/new/id`; the whole body is the empty string.
    pub pointer: String,
    /// Kebab word: the problem's `type` and FOLIO's `code`.
    pub code: &'static str,
    /// The rule that is broken, for a reader.
    pub message: String,
}

impl Violation {
    pub(crate) fn new(pointer: String, code: &'static str, message: impl Into<String>) -> Self {
        Self { pointer, code, message: message.into() }
    }
}
