//! The event counts: the numbers of events that are published, pending, parked, superseded and
//! discarded.
//!
//! Adapters make them from sums of one state of the store, for `http::metrics`. They always add up.

/// The numbers of events by state in the store. Each event counts once, so the states add up to
/// `head`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventCounts {
    /// The events that were ever appended.
    pub head: u64,
    /// The events that are in Kafka; a moment late at worst.
    pub published: u64,
    /// The events that the relay has not reached.
    pub pending: u64,
    /// The events that are parked.
    pub parked: u64,
    /// The events that a DELETE_ALL made void before they were published.
    pub superseded: u64,
    /// The events that were given up.
    pub discarded: u64,
    /// The number of keys and topics that any sink has parked.
    pub scopes: u64,
}

impl EventCounts {
    /// Makes the counts from a store's sums. Parked events are counted before the relay's cursor is
    /// checkpointed.
    pub(super) fn new(head: u64, relayed_to: u64, parked_counts: ParkedCounts) -> Self {
        let ParkedCounts { parked, superseded, discarded, scopes } = parked_counts;
        let published = relayed_to.saturating_sub(parked + superseded + discarded);
        let pending = head.saturating_sub(published + parked + superseded + discarded);
        Self { head, published, pending, parked, superseded, discarded, scopes }
    }
}

/// The part of the event counts that comes from parked scopes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ParkedCounts {
    pub(super) parked: u64,
    pub(super) superseded: u64,
    pub(super) discarded: u64,
    pub(super) scopes: u64,
}
