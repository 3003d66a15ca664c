//! Violations: what is illegal in valid JSON, and where.
//!
//! `change` and `process_event` find them; `http::problem` shows them as 422.

use std::fmt;

/// The most violations that one answer names, however many there are.
pub const MAX: usize = 100;

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
        Self { pointer, code, message: message.into() }
    }
}
