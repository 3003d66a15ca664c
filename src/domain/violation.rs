//! Violations: what is illegal in valid JSON, and where.
//!
//! `change` and `process_event` find them; `http::problem` shows them as 422.

use std::fmt;

/// The most violations that one answer names, however many there are.
pub const MAX: usize = 100;

/// The code of every violation.
pub const CODES: [&str; 33] = [
    "duplicate-name",
    "empty-list",
    "empty-range",
    "id-mismatch",
    "illegal-event-id",
    "illegal-file",
    "illegal-header",
    "illegal-key",
    "illegal-list",
    "illegal-number",
    "illegal-reason",
    "illegal-start",
    "illegal-target",
    "illegal-topics",
    "illegal-value",
    "key-mismatch",
    "missing",
    "missing-reason",
    "missing-start",
    "needs-target",
    "no-payload",
    "no-state",
    "not-a-boolean",
    "not-a-list",
    "not-a-string",
    "not-an-object",
    "not-permitted",
    "too-deep",
    "too-many",
    "too-old",
    "type-mismatch",
    "unknown-member",
    "unknown-topic",
];

/// One illegal place of a posted body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The JSON pointer into the body, such as `/3/new/id`; the empty string stands for the whole
    /// body.
    pub pointer: String,
    /// The violation's kind as a kebab-case word: the problem's `type` and FOLIO's `code`.
    pub code: &'static str,
    /// The rule that is broken, in words.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

impl Violation {
    pub(crate) fn new(pointer: String, code: &'static str, message: impl Into<String>) -> Self {
        debug_assert!(CODES.contains(&code), "{code} is not listed, and so not documented");
        Self { pointer, code, message: message.into() }
    }
}
