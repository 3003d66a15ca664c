//! Entities and process events: what a producer publishes, and the settings of each.
//!
//! `config` makes them of the tenants' files; `http` looks them up in `settings`.

use std::fmt;

use super::Invalid;
use super::compression::Compression;
use super::event::EventType;
use super::key::Pointer;
use super::producer::is_name;
use super::topic::Template;
use super::wire_form::WireForm;

/// A domain entity's name in singular form, such as `holdings-record`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityName(String);

impl EntityName {
    /// Parses a name, and checks its rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if !is_name(text) {
            return Err(Invalid::new("entity", text, "must match ^[a-z][a-z0-9-]{0,62}$"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process event's name, such as `DI_COMPLETED`; never one of the domain events' types.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(String);

impl EventName {
    /// The form of a name, which the domain events' types have, too.
    pub const PATTERN: &str = "^[A-Za-z][A-Za-z0-9_-]{0,62}$";

    /// Parses a name, and checks its rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        let taken = !matches!(EventType::from_column(text), EventType::Process(_));
        if !starts || text.len() > 63 || !text.bytes().all(legal) || taken {
            let rule = "must match ^[A-Za-z][A-Za-z0-9_-]{0,62}$ and be no domain event's type";
            return Err(Invalid::new("process event", text, rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the topic of an entity or a process event is named and created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// The template that makes the topic's name.
    pub template: Template,
    /// The number of partitions of a new topic.
    pub partitions: u16,
    /// `retention.ms` of a new topic.
    pub retention_ms: i64,
    /// Whether a new topic is compacted, and the log too, as far as it is published.
    pub compacted: bool,
    /// How the batches of its records are compressed; `None`: as Kafka's brokers have it, and by
    /// the listener not at all.
    pub compression: Option<Compression>,
    /// How long the log keeps its events; `None`: as long as those of topics that don't say it.
    pub log_retention: Option<LogRetention>,
    /// Whether the log keeps events that every sink has.
    pub stored: bool,
    /// How a DELETE_ALL is published.
    pub delete_all: DeleteAllMode,
}

/// How long the log keeps events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRetention {
    /// For ever.
    Forever,
    /// For so many milliseconds.
    Ms(i64),
}

/// How a DELETE_ALL is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteAllMode {
    /// As one record.
    Record,
    /// As one DELETE for each key that has a record.
    Expand,
}

impl TopicSettings {
    /// Returns whether some of the topic's events are removed from the log, however long events
    /// are kept of topics that don't say it.
    pub fn removes(&self) -> bool {
        matches!(self.log_retention, Some(LogRetention::Ms(_))) || self.compacted || !self.stored
    }
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            template: Template::convention(),
            partitions: 1,
            retention_ms: 604_800_000,
            compacted: false,
            compression: None,
            log_retention: None,
            stored: true,
            delete_all: DeleteAllMode::Record,
        }
    }
}

/// The settings of one process event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessEvent {
    /// The wire form of its payloads.
    pub wire_form: WireForm,
    /// The topic that its events go to.
    pub topic: TopicSettings,
}

/// The settings of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// The pointer that finds the key in a state.
    pub key: Pointer,
    /// The wire form of its events.
    pub wire_form: WireForm,
    /// The topic that its events go to.
    pub topic: TopicSettings,
}

#[cfg(test)]
mod tests {
    use super::{EntityName, EventName};

    #[test]
    fn names_keep_their_rules() {
        assert!(EntityName::parse("holdings-record").is_ok());
        assert!(EventName::parse("DI_COMPLETED").is_ok());
        for bad in ["", "Item", "a_b", "a.b", "1a"] {
            assert!(EntityName::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "DELETE_ALL", "CREATE", "_x", "a.b", "1a"] {
            assert!(EventName::parse(bad).is_err(), "{bad}");
        }
    }
}
