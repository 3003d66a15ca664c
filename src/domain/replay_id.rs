//! The id of a replay, and the name of the follower that the replay is.
//!
//! The submission makes it, and every record of the replay carries it.

use std::fmt;

use uuid::Uuid;

use super::follower::Follower;
use super::{Invalid, hyphenated};

/// The beginning of the names of the followers that replays are.
const FOLLOWER: &str = "replay-";

/// The id of a replay, which its records have as the header `replay_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplayId(Uuid);

impl ReplayId {
    /// Wraps a UUID that the clock's room made.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// Parses hyphenated text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        hyphenated("replay id", text).map(Self)
    }

    /// Returns the name of the follower that this replay is.
    pub fn follower(self) -> Follower {
        Follower::parse(&format!("{FOLLOWER}{self}")).expect("a UUID has no other characters")
    }

    /// Returns the replay that a follower is; `None` if it is no replay.
    pub fn of_follower(follower: &Follower) -> Option<Self> {
        Self::parse(follower.as_str().strip_prefix(FOLLOWER)?).ok()
    }
}

impl fmt::Display for ReplayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Follower, ReplayId};

    #[test]
    fn a_follower_names_its_replay() {
        let id = ReplayId::new(Uuid::from_u128(7));
        assert_eq!(ReplayId::of_follower(&id.follower()), Some(id));
        assert_eq!(ReplayId::of_follower(&Follower::relay()), None);
        assert!(ReplayId::parse("00000000000000000000000000000007").is_err());
    }
}
