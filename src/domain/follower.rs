//! A follower's name.
//!
//! Cursors and parked scopes belong to a follower, and are kept under its name.

use std::fmt;

use super::Invalid;

/// A follower's name: `relay`, or another name of `a-z 0-9 . -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Follower(String);

impl Follower {
    /// The name of the live relay to Kafka.
    pub const RELAY: &str = "relay";
    /// The name of the sink that keeps hexkit's collection.
    pub const HEXKIT: &str = "hexkit";

    /// Returns the live relay to Kafka.
    pub fn relay() -> Self {
        Self(Self::RELAY.to_owned())
    }

    /// Returns the sink that keeps hexkit's collection.
    pub fn hexkit() -> Self {
        Self(Self::HEXKIT.to_owned())
    }

    /// Parses a name, and checks its rule.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        if text.is_empty() || text.len() > 128 || !text.bytes().all(legal) {
            return Err(Invalid::new("follower", text, "must have 1 to 128 of a-z 0-9 . -"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
