//! The lease of a group's reader: its right to read for the group, by the store's clock.
//!
//! `subscription` gives it, and the store keeps it in the group's row.

use crate::domain::time::Time;

/// The time by which a lease may seem to have been given in the future: longer than a statement
/// waits after it asked for the time.
const AHEAD_MS: i64 = 1_000;

/// The right of one reader to read for its group, for a while, by the store's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderLease {
    /// The reader's name.
    pub reader: String,
    /// The end of the lease.
    pub expires: Time,
    /// The time for which it was given.
    pub ttl_ms: i64,
}

impl ReaderLease {
    /// Returns whether the lease has not expired. One that was given by a clock far ahead counts as
    /// expired.
    pub fn lasts(&self, now: Time) -> bool {
        let (expires, now) = (self.expires.as_ms(), now.as_ms());
        expires > now && expires <= now.saturating_add(self.ttl_ms).saturating_add(AHEAD_MS)
    }
}
