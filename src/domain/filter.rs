//! Filters: which events a follower or a reader wants. The grammar is closed, and all of it is
//! here.
//!
//! Filters are parsed at the edge. Stores apply them while they scan, so that every store filters
//! alike.

use super::Invalid;
use super::entity::EventName;
use super::envelope::Envelope;
use super::event::EventType;
use super::key::Key;
use super::topic::Topic;

/// A pattern of topic names: `*` is any run of characters within a dot segment, `**` any run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPattern(String);

impl TopicPattern {
    /// The form of a pattern, which is at most as long as a topic's name.
    pub const PATTERN: &str = r"^(?!.*\*\*\*)[a-zA-Z0-9._*-]+$";

    /// Parses a pattern: nothing but a topic's characters and stars.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-*".contains(&b);
        if text.is_empty()
            || text.len() > Topic::BYTES_MAX
            || text.contains("***")
            || !text.bytes().all(legal)
        {
            let rule =
                "must have 1 to 249 of a-z A-Z 0-9 . _ - and *, ** for any run of characters";
            return Err(Invalid::new("topic pattern", text, rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the pattern that matches exactly this topic.
    pub fn exact(topic: &Topic) -> Self {
        Self(topic.as_str().to_owned())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the topic, where the pattern matches exactly one.
    pub fn topic(&self) -> Option<Topic> {
        Topic::parse(&self.0).ok()
    }

    /// Returns whether the pattern matches a topic.
    pub fn matches(&self, topic: &Topic) -> bool {
        let (pattern, name) = (self.0.as_str(), topic.as_str());
        pattern == name || pattern.contains('*') && matches(pattern.as_bytes(), name.as_bytes())
    }
}

/// Goes over the pattern, and keeps which prefixes of the name the pattern so far can match. The
/// time is pattern length times name length, whatever the stars.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let mut made = vec![false; name.len() + 1];
    made[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let across = pattern[at..].starts_with(b"**");
        if pattern[at] == b'*' {
            for end in 1..=name.len() {
                made[end] |= made[end - 1] && (across || name[end - 1] != b'.');
            }
        } else {
            for end in (1..=name.len()).rev() {
                made[end] = made[end - 1] && name[end - 1] == pattern[at];
            }
            made[0] = false;
        }
        at += if across { 2 } else { 1 };
    }
    made[name.len()]
}

/// Parses a type that a filter names. Types are open words: a domain event's type or any name that
/// a process event may have is accepted, whether or not the log has such an event.
pub fn event_type(text: &str) -> Result<String, Invalid> {
    match EventType::from_column(text) {
        EventType::Process(name) if EventName::parse(&name).is_err() => {
            let rule = "must be a type such as UPDATE, or the name of a process event: 1 to 63 of \
                        A-Z a-z 0-9 _ -, with a letter first";
            Err(Invalid::new("type", text, rule))
        }
        event_type => Ok(event_type.as_str().to_owned()),
    }
}

/// The events that are wanted: of each list that isn't empty, one item must match, and of the
/// headers all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The topics; an empty list matches any.
    pub topics: Vec<TopicPattern>,
    /// The keys; an empty list matches any.
    pub keys: Vec<Key>,
    /// The types, such as `UPDATE`; an empty list matches any.
    pub types: Vec<String>,
    /// The headers that the event's record has, with their values; an empty list matches any.
    pub headers: Vec<(String, String)>,
}

impl Filter {
    /// Returns whether the event is wanted.
    pub fn matches(&self, event: &Envelope) -> bool {
        (self.keys.is_empty() || self.keys.contains(&event.key))
            && (self.types.is_empty() || self.types.iter().any(|t| t == event.event_type.as_str()))
            && self.has_topic(&event.topic)
            && self.has_headers(event)
    }

    /// Returns whether events of a topic may be wanted.
    pub fn has_topic(&self, topic: &Topic) -> bool {
        self.topics.is_empty() || self.topics.iter().any(|pattern| pattern.matches(topic))
    }

    fn has_headers(&self, event: &Envelope) -> bool {
        if self.headers.is_empty() {
            return true;
        }
        let has = event.record_headers();
        self.headers.iter().all(|(name, value)| has.value(name) == Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Topic, TopicPattern, event_type};

    #[test]
    fn a_type_is_any_word_that_an_event_may_have() {
        for legal in ["CREATE", "DELETE_ALL", "ERASED", "DI_COMPLETED", "REINDEX", "foo"] {
            assert_eq!(event_type(legal).as_deref(), Ok(legal));
        }
        for illegal in ["", "a b", "a.b", "_x", "1", "\n", &"x".repeat(64)] {
            assert!(event_type(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn one_star_stays_within_a_segment_and_two_cross() {
        let cases = [
            ("folio.*.inventory.*", "folio.diku.inventory.item", true),
            ("folio.*.inventory.*", "folio.diku.x.inventory.item", false),
            ("folio.**", "folio.diku.inventory.item", true),
            ("**", "x", true),
            ("**.item", "folio.diku.inventory.item", true),
            ("*.item", "folio.diku.inventory.item", false),
            ("folio.d*u.**.item", "folio.diku.inventory.item", true),
            ("folio", "folio.diku", false),
            ("a*b*c", "aXbXbc", true),
            ("**a**a**a**a**b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ];
        for (pattern, topic, expected) in cases {
            let matched =
                TopicPattern::parse(pattern).unwrap().matches(&Topic::parse(topic).unwrap());
            assert_eq!(matched, expected, "{pattern} on {topic}");
        }
    }

    #[test]
    fn a_pattern_without_stars_is_one_topic() {
        let topic = |pattern| TopicPattern::parse(pattern).unwrap().topic();
        assert_eq!(topic("folio.diku.x"), Some(Topic::parse("folio.diku.x").unwrap()));
        for none in ["folio.*.x", "**", "."] {
            assert_eq!(topic(none), None, "{none}");
        }
    }

    #[test]
    fn other_characters_are_refused() {
        for pattern in ["", "a b", "a?", "[a]", "***"] {
            assert!(TopicPattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
