//! The name of a group, as it stands in paths, on the command line and in the store.
//!
//! A group that is made over HTTP is named for a module; Kafka clients give any name.

use std::fmt;

use crate::domain::Invalid;
use crate::domain::filter;
use crate::domain::topic::Topic;

/// The name of a group: `cg.` and a module's name, such as `cg.search`, or what a Kafka client
/// calls its group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(String);

impl Group {
    /// The most bytes of a name.
    pub const BYTES_MAX: usize = 100;

    /// The form of a name.
    pub const PATTERN: &str = r"^cg\.[a-z0-9._-]+$";

    /// Parses a name, and checks its rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        match text.strip_prefix("cg.") {
            Some(module)
                if !module.is_empty()
                    && text.len() <= Self::BYTES_MAX
                    && module.bytes().all(legal) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => {
                let rule = "must be cg. and the module's name, such as cg.search: at most 100 of \
                            a-z 0-9 . _ -";
                Err(Invalid::new("group", text, rule))
            }
        }
    }

    /// Parses the name of a Kafka client's group, which is any text.
    pub fn of_kafka(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > Topic::BYTES_MAX || text.contains(char::is_control) {
            let rule = "must have 1 to 249 bytes and no control characters";
            return Err(Invalid::new("group", text, rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A pattern of the names of groups, in the grammar of the patterns of topics: `*` is any run of
/// characters within a dot segment, `**` any run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPattern(String);

impl GroupPattern {
    /// Parses a pattern: a group's name, which may have stars.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if Group::of_kafka(text).is_err() || text.contains("***") {
            let rule = "must be the name of a group, of 1 to 249 bytes without control \
                        characters, in which * and ** may stand for any run of characters";
            return Err(Invalid::new("group pattern", text, rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns whether the pattern matches a group.
    pub fn matches(&self, group: &Group) -> bool {
        filter::matches(self.0.as_bytes(), group.as_str().as_bytes())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, GroupPattern};

    #[test]
    fn a_pattern_of_groups_has_the_grammar_of_that_of_topics() {
        for (pattern, group, expected) in [
            ("cg.search", "cg.search", true),
            ("cg.search", "cg.search2", false),
            ("cg.search", "cg.searc", false),
            ("cg.*", "cg.search", true),
            ("cg.*", "cg.a.b", false),
            ("cg.**", "cg.a.b", true),
            ("*", "console-consumer-1", true),
            ("console-consumer-*", "cg.search", false),
            ("a group", "a group", true),
        ] {
            let pattern = GroupPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(&Group::of_kafka(group).unwrap()), expected, "{pattern:?}");
        }
        for bad in ["", "***", "a\nb", &"x".repeat(250)] {
            assert!(GroupPattern::parse(bad).is_err(), "{bad:?}");
        }
    }
}
