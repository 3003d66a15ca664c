//! The nouns: what a domain event gateway talks about. No async, no I/O, no clock.
//!
//! Fed by `http` (what modules post) and `config` (what tenants are set to); feeds every other
//! room. Text becomes a noun here once, at the edge; nothing below checks it again.

pub mod change;
pub mod conflict;
pub mod delete_all;
pub mod draft;
pub mod entity;
pub mod envelope;
pub mod event;
pub mod filter;
pub mod follower;
pub mod headers;
pub mod json;
pub mod key;
pub mod lane;
pub mod ledger;
pub mod parked;
pub mod position;
pub mod process_event;
pub mod producer;
pub mod settings;
pub mod states;
pub mod subject;
pub mod tenant;
pub mod time;
pub mod topic;
pub mod transition;
pub mod violation;
pub mod wire_form;

/// A name that breaks its rule: what it was meant to be, its text, and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{value}` is invalid: {rule}")]
pub struct Invalid {
    /// The noun: "tenant", "topic", ….
    pub what: &'static str,
    /// The text that was refused.
    pub value: String,
    /// The rule it breaks, for a reader.
    pub rule: &'static str,
}

impl Invalid {
    pub(crate) fn new(what: &'static str, value: &str, rule: &'static str) -> Self {
        let mut shown = String::new();
        for c in value.chars().take(200) {
            // It goes into logs and answers, where a line break would begin another line.
            if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
        }
        Self { what, value: shown, rule }
    }
}
