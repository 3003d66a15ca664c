//! Digests: the content of a record in few bytes, and the sum of them for each block of positions.
//!
//! The log and a topic are read in different orders; sums don't depend on the order. An event and
//! its record have the same digest, whatever headers a replay adds, and whichever of the log's ids
//! the record has.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::domain::envelope::Envelope;
use crate::domain::position::Position;
use crate::sink::TopicRecord;

/// The number of positions of a block.
const BLOCK: u64 = 4096;

/// A digest, or a sum of digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest {
    /// The hash of key, value and headers.
    content: u64,
    /// The hash of position and time.
    time: u64,
}

impl Digest {
    /// Returns the digest of an event's record.
    pub(super) fn of_event(event: &Envelope) -> Self {
        let headers = event.record_headers();
        let headers = headers.iter().map(|(name, value)| (name, value.as_bytes()));
        let value = event.value().map_or(&[][..], |value| value);
        let content = content(event.key.as_str().as_bytes(), value, headers);
        Self { content, time: time(event.position, Some(event.time.as_ms())) }
    }

    /// Returns the digest of a record; a replay may have given it another time.
    pub(super) fn of_record(record: &TopicRecord, position: Position) -> Self {
        let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let value = record.value.as_deref().unwrap_or_default();
        Self {
            content: content(&record.key, value, headers),
            time: time(position, record.own_time_ms()),
        }
    }

    /// Returns whether both are of the same content and, if that is asked for, of the same time.
    pub(super) fn is_same(self, other: Self, with_time: bool) -> bool {
        self.content == other.content && (!with_time || self.time == other.time)
    }

    /// Adds another digest.
    pub(super) fn add(&mut self, other: Self) {
        self.content = self.content.wrapping_add(other.content);
        self.time = self.time.wrapping_add(other.time);
    }
}

fn content<'a>(
    key: &[u8],
    value: &[u8],
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> u64 {
    let mut hash = DefaultHasher::new();
    (key, value).hash(&mut hash);
    let of_event = headers.filter(|(name, _)| !["log_id", "replay_id"].contains(name));
    of_event.for_each(|header| header.hash(&mut hash));
    hash.finish()
}

fn time(position: Position, time_ms: Option<i64>) -> u64 {
    let mut hash = DefaultHasher::new();
    (position, time_ms).hash(&mut hash);
    hash.finish()
}

/// The sum of the digests of each block.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums(BTreeMap<u64, Digest>);

impl Sums {
    /// Adds the digest of the event at a position.
    pub(super) fn add(&mut self, position: Position, digest: Digest) {
        self.0.entry(block_of(position)).or_default().add(digest);
    }

    /// Returns the sum of a block.
    pub(super) fn of(&self, block: u64) -> Digest {
        self.0.get(&block).copied().unwrap_or_default()
    }

    /// Returns the blocks that have a sum.
    pub(super) fn blocks(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }
}

/// Returns the block of a position.
pub(super) fn block_of(position: Position) -> u64 {
    position.number() / BLOCK
}

/// Returns the positions of a block.
pub(super) fn positions_of(block: u64) -> std::ops::Range<u64> {
    block * BLOCK..(block + 1) * BLOCK
}
