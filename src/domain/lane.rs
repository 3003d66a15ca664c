//! A lane: one of the few strands that tenants are spread over on their way to Kafka.
//!
//! A tenant's lane is given when it is enabled and kept by the store.

use std::fmt;

/// A lane's number, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u16);

impl Lane {
    /// The lane of that number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The first `count` lanes.
    pub fn all(count: u16) -> impl Iterator<Item = Self> {
        (0..count).map(Self)
    }

    /// Its number: the partition of its cursors too.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lane-{}", self.0)
    }
}
