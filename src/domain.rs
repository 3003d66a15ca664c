//! The nouns: what a domain event gateway talks about. No async, no I/O, no clock.
//!
//! `http` makes them of requests, and `config` of the tenants' files; every other room uses them.
//! Text becomes a noun here once, at the edge; nothing below checks it again.

pub mod change;
pub mod claim;
pub mod compression;
pub mod conflict;
pub mod content;
pub mod cursor;
pub mod delete_all;
pub mod draft;
pub mod entity;
pub mod envelope;
pub mod erasure;
pub mod event;
pub mod expansion;
pub mod filter;
pub mod floors;
pub mod follower;
pub mod headers;
pub mod incarnation;
pub mod json;
pub mod key;
pub mod known_topic;
pub mod lane;
pub mod ledger;
pub mod networks;
mod object_reader;
pub mod parked;
pub mod partition;
pub mod percent;
pub mod position;
pub mod process_event;
pub mod producer;
pub mod quota;
pub mod replay;
mod replay_id;
pub mod retention;
pub mod service_name;
pub mod settings;
pub mod states;
pub mod subject;
pub mod subscription;
pub mod tenant;
pub mod tenant_job;
pub mod text;
pub mod time;
pub mod topic;
pub mod trace_parent;

pub mod trail;
pub mod transition;
pub mod violation;
pub mod wire_form;

use uuid::Uuid;

/// A text that breaks the rule for its noun: the noun, the text, and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{value}` is invalid: {rule}")]
pub struct Invalid {
    /// The noun: "tenant", "topic", ….
    pub what: &'static str,
    /// The text that was refused.
    pub value: String,
    /// The rule that it breaks, in words.
    pub rule: &'static str,
}

/// The form of a UUID that is written in the one way in which ids of the gateway's own are.
pub const UUID_PATTERN: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

/// Parses the UUID of a noun in the one way in which it is written: hyphenated, in lower case.
pub(crate) fn hyphenated(what: &'static str, text: &str) -> Result<Uuid, Invalid> {
    let id = Uuid::parse_str(text).ok().filter(|id| id.to_string() == text);
    id.ok_or_else(|| Invalid::new(what, text, "must be a hyphenated UUID"))
}

impl Invalid {
    pub(crate) fn new(what: &'static str, value: &str, rule: &'static str) -> Self {
        let mut shown = String::new();
        for c in value.chars().take(200) {
            // The text goes into log lines and answers, where a line break would begin another
            // line.
            if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
        }
        Self { what, value: shown, rule }
    }
}
