//! The event counts: how many events were published, are pending or parked, or were given up.
//!
//! Made by the adapters from sums of one state of the store; feeds `http::metrics`. Always true: it
//! adds up.

use std::time::Duration;

/// How many events became what, as the store knows it: each event counts once, so that the sum is
/// the heads'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventCounts {
    /// All that were ever appended.
    pub head: u64,
    /// Those that are in Kafka; a moment late at worst.
    pub published: u64,
    /// Those that the relay has not come to.
    pub pending: u64,
    /// Those that are parked.
    pub parked: u64,
    /// Those that a DELETE_ALL made void before they were published.
    pub superseded: u64,
    /// Those that were given up.
    pub discarded: u64,
    /// How many keys and topics are parked.
    pub scopes: u64,
    /// How long the oldest of the pending has waited.
    pub oldest_pending: Duration,
}

impl EventCounts {
    /// Makes the counts of a store's sums. Parked events are counted before the relay's cursor is
    /// noted.
    pub(super) fn new(
        head: u64,
        relayed_to: u64,
        parked_counts: ParkedCounts,
        oldest_pending: Duration,
    ) -> Self {
        let ParkedCounts { parked, superseded, discarded, scopes } = parked_counts;
        let published = relayed_to.saturating_sub(parked + superseded + discarded);
        let pending = head.saturating_sub(published + parked + superseded + discarded);
        Self { head, published, pending, parked, superseded, discarded, scopes, oldest_pending }
    }
}

/// The part of the event counts that is parked, or was.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ParkedCounts {
    pub(super) parked: u64,
    pub(super) superseded: u64,
    pub(super) discarded: u64,
    pub(super) scopes: u64,
}
