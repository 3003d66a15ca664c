//! The ring of the cache's file: which chunk lies in which bytes, and which bytes are to be
//! cleared.
//!
//! `file_cache` asks it, and does with the file what it says. Regions follow each other up to the
//! end of the file, and from its start again, over the oldest ones. Always true: a byte of the file
//! that is in no region, and that nobody is about to write, is zero or among those to be cleared.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::domain::position::Position;

/// The bytes of a file system's block: regions are so long, or a multiple of that.
const BLOCK: u64 = 4_096;

/// The number of a feed that has chunks in the file.
pub(super) type FeedNumber = u64;

/// A chunk in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) after: Position,
    pub(super) scanned: Position,
    /// The bytes of the file that it takes.
    pub(super) bytes: Range<u64>,
    /// The number of those that have the chunk; the others are zero.
    pub(super) packed: usize,
    pub(super) checksum: u32,
}

/// The chunks of a feed.
#[derive(Default)]
struct Chunks {
    /// How often its chunks were forgotten.
    forgotten: u64,
    /// The regions with their numbers, by the position up to which each chunk goes.
    regions: BTreeMap<Position, (u64, Region)>,
}

/// The regions of a file.
pub(super) struct Ring {
    bytes_max: u64,
    /// The byte at which the next region begins.
    next: u64,
    /// The last number that a feed or a region was given.
    numbers: u64,
    feeds: HashMap<FeedNumber, Chunks>,
    /// The chunk of each region, by its first byte.
    places: BTreeMap<u64, (FeedNumber, Position)>,
    /// The bytes of all regions.
    bytes: u64,
    /// The bytes that are to be cleared.
    uncleared: Vec<Range<u64>>,
}

impl Ring {
    /// Makes the ring of a file of so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max: bytes_max / BLOCK * BLOCK,
            next: 0,
            numbers: 0,
            feeds: HashMap::new(),
            places: BTreeMap::new(),
            bytes: 0,
            uncleared: Vec::new(),
        }
    }

    /// Returns the bytes of all regions.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the number of a new feed.
    pub(super) fn open(&mut self) -> FeedNumber {
        self.numbers += 1;
        self.feeds.insert(self.numbers, Chunks::default());
        self.numbers
    }

    /// Drops a feed with its chunks; none of it is kept any more.
    pub(super) fn close(&mut self, feed: FeedNumber) {
        self.drop_chunks(feed, |_| true);
        self.feeds.remove(&feed);
    }

    /// Drops the chunks of a feed, which has forgotten them so often now.
    pub(super) fn forget(&mut self, feed: FeedNumber, forgotten: u64) {
        self.drop_chunks(feed, |_| true);
        if let Some(chunks) = self.feeds.get_mut(&feed) {
            chunks.forgotten = forgotten;
        }
    }

    /// Drops the chunks of a feed that end before a position.
    pub(super) fn drop_below(&mut self, feed: FeedNumber, floor: Position) {
        self.drop_chunks(feed, |scanned| scanned < floor);
    }

    /// Returns the region of the chunk that has a feed's next events after a position, with its
    /// number.
    pub(super) fn find(&self, feed: FeedNumber, after: Position) -> Option<(u64, Region)> {
        let (_, found) = self.feeds.get(&feed)?.regions.range(after.next()..).next()?;
        (found.1.after <= after).then(|| found.clone())
    }

    /// Returns whether a chunk still has the region of this number.
    pub(super) fn has(&self, feed: FeedNumber, scanned: Position, number: u64) -> bool {
        let found = self.feeds.get(&feed).and_then(|chunks| chunks.regions.get(&scanned));
        found.is_some_and(|(its, _)| *its == number)
    }

    /// Drops a chunk, if it still has the region of this number.
    pub(super) fn drop_chunk(&mut self, feed: FeedNumber, scanned: Position, number: u64) {
        if self.has(feed, scanned, number) {
            self.drop_chunks(feed, |its| its == scanned);
        }
    }

    /// Returns the bytes for a chunk, of which whatever lies there is dropped; `None` if the file
    /// is too small for it. Whoever asks writes all of them, or gives them back.
    pub(super) fn reserve(&mut self, packed: usize) -> Option<Range<u64>> {
        let length = u64::try_from(packed).ok()?.div_ceil(BLOCK) * BLOCK;
        if length > self.bytes_max {
            return None;
        }
        if self.next + length > self.bytes_max {
            self.drop_overlapping(&(self.next..self.bytes_max));
            self.next = 0;
        }
        let bytes = self.next..self.next + length;
        self.drop_overlapping(&bytes);
        // They are written, and need not be cleared before.
        self.uncleared = self.uncleared.iter().flat_map(|range| without(range, &bytes)).collect();
        self.next = bytes.end;
        Some(bytes)
    }

    /// Keeps a chunk that was written, unless the feed has forgotten its chunks since it was read,
    /// or is closed. Returns whether it is kept; its bytes are to be cleared if it is not.
    pub(super) fn keep(&mut self, feed: FeedNumber, forgotten: u64, region: Region) -> bool {
        let is_there = |chunks: &Chunks| chunks.forgotten == forgotten;
        if !self.feeds.get(&feed).is_some_and(is_there) {
            self.give_back(region.bytes);
            return false;
        }
        self.drop_chunks(feed, |scanned| scanned == region.scanned);
        self.numbers += 1;
        self.bytes += region.bytes.end - region.bytes.start;
        self.places.insert(region.bytes.start, (feed, region.scanned));
        let chunks = self.feeds.entry(feed).or_default();
        chunks.regions.insert(region.scanned, (self.numbers, region));
        true
    }

    /// Takes bytes that have no chunk: they are to be cleared.
    pub(super) fn give_back(&mut self, bytes: Range<u64>) {
        self.uncleared.push(bytes);
    }

    /// Takes the bytes that are to be cleared, in order, each stretch as long as it goes.
    pub(super) fn take_uncleared(&mut self) -> Vec<Range<u64>> {
        let mut all = std::mem::take(&mut self.uncleared);
        all.sort_by_key(|range| range.start);
        all.dedup_by(|next, before| {
            let follows = next.start <= before.end;
            if follows {
                before.end = before.end.max(next.end);
            }
            follows
        });
        all
    }

    /// Returns whether any bytes are to be cleared.
    pub(super) fn has_uncleared(&self) -> bool {
        !self.uncleared.is_empty()
    }

    fn drop_chunks(&mut self, feed: FeedNumber, goes: impl Fn(Position) -> bool) {
        let Some(chunks) = self.feeds.get_mut(&feed) else { return };
        let gone = chunks.regions.extract_if(.., |scanned, _| goes(*scanned));
        for (_, (_, region)) in gone {
            self.places.remove(&region.bytes.start);
            self.bytes -= region.bytes.end - region.bytes.start;
            self.uncleared.push(region.bytes);
        }
    }

    fn drop_overlapping(&mut self, bytes: &Range<u64>) {
        let before = self.places.range(..bytes.start).next_back();
        let within = self.places.range(bytes.clone());
        let all: Vec<_> = before.into_iter().chain(within).map(|(_, place)| *place).collect();
        for (feed, scanned) in all {
            let found = self.feeds.get(&feed).and_then(|chunks| chunks.regions.get(&scanned));
            if found.is_some_and(|(_, region)| region.bytes.end > bytes.start) {
                self.drop_chunks(feed, |its| its == scanned);
            }
        }
    }
}

/// Returns the parts of a range that are not in another one.
fn without(range: &Range<u64>, other: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let before = range.start..range.end.min(other.start);
    let after = range.start.max(other.end)..range.end;
    [before, after].into_iter().filter(|part| part.start < part.end)
}

#[cfg(test)]
mod tests;
