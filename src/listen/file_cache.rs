//! The cache's second tier: a file with chunks that memory has no room for, so that each is encoded
//! once and not again for every reader.
//!
//! Feeds write chunks here that they have encoded a second time, and look for one before they read
//! the log. The file has no name, so it ends with the process, and at most so many bytes (`ring`).
//! Always true: whatever goes wrong with the file, the log is read instead; a chunk is given as it
//! was written or not at all; and what is forgotten is cleared in the file, also if it is being
//! written meanwhile.

mod disk;
mod packed;
mod ring;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
#[cfg(test)]
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::CacheFile;
use crate::domain::position::Position;
use crate::metrics::Metrics;
use packed::{Batches, pack, packed_bytes, unpack};
use ring::{FeedNumber, Region, Ring};

/// The bytes that a chunk has at least: a smaller one is soon encoded.
const CHUNK_BYTES_MIN: usize = 16 << 10;
/// The most chunks that wait to be written: others are written when they are encoded again.
const WRITES_MAX: usize = 8;
/// The bytes that stay free on the disk, where others write too.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// The file, and what lies in it.
pub(super) struct FileCache {
    file: File,
    ring: Mutex<Ring>,
    /// Held while the file is changed, so that no two changes meet.
    changes: Mutex<()>,
    writes: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// A stretch of a log as batches, which have all events of the topic there.
pub(super) struct Stretch {
    pub(super) after: Position,
    pub(super) scanned: Position,
    pub(super) batches: Batches,
}

/// The chunks that a feed has in the file; they go with it.
pub(super) struct Filed {
    cache: Arc<FileCache>,
    feed: FeedNumber,
}

impl FileCache {
    /// Makes the file in its folder; none, and a line of the log, if that fails.
    /// For a moment it is named by an id.
    pub(super) fn open(
        CacheFile { folder, bytes_max }: &CacheFile,
        id: Uuid,
        metrics: Arc<Metrics>,
    ) -> Option<Arc<Self>> {
        match disk::unnamed(folder, id) {
            Ok(file) => Some(Arc::new(Self {
                file,
                ring: Mutex::new(Ring::new(*bytes_max)),
                changes: Mutex::default(),
                writes: Arc::new(Semaphore::new(WRITES_MAX)),
                metrics,
            })),
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(
                    %folder, %error,
                    "failed to make the file of the listener's cache: what memory has no room for \
                     is encoded again for each reader"
                );
                None
            }
        }
    }

    /// Returns the place of a new feed's chunks.
    pub(super) fn filed(self: &Arc<Self>) -> Filed {
        Filed { cache: self.clone(), feed: self.ring().open() }
    }

    /// Writes a chunk, and keeps it unless its feed has forgotten its chunks meanwhile. It blocks.
    fn write(&self, feed: FeedNumber, stretch: &Stretch, forgotten: u64) -> io::Result<()> {
        let mut packed = pack(&stretch.batches);
        let (length, checksum) = (packed.len(), crc32c::crc32c(&packed));
        let _changes = self.changes();
        if disk::free_bytes(&self.file)? < FREE_BYTES_MIN {
            return Err(ErrorKind::StorageFull.into());
        }
        let Some(bytes) = self.ring().reserve(length) else { return Ok(()) };
        packed.resize(usize::try_from(bytes.end - bytes.start).unwrap_or(length), 0);
        let written = self.clear().and_then(|()| self.file.write_all_at(&packed, bytes.start));
        if let Err(error) = written {
            self.ring().give_back(bytes);
            // Whatever came to be written goes; the error is told all the same.
            let _ = self.clear();
            return Err(error);
        }
        let Stretch { after, scanned, .. } = *stretch;
        let region = Region { after, scanned, bytes, packed: length, checksum };
        self.ring().keep(feed, forgotten, region);
        self.clear()
    }

    /// Reads a chunk; `None` if it is not there any more, or not as it was written. It blocks.
    fn read(&self, feed: FeedNumber, number: u64, region: &Region) -> Option<Stretch> {
        let mut packed = vec![0; region.packed];
        let read = self.file.read_exact_at(&mut packed, region.bytes.start);
        // Others may have been written over it meanwhile.
        if !self.ring().has(feed, region.scanned, number) {
            return None;
        }
        let is_whole = crc32c::crc32c(&packed) == region.checksum;
        let damaged = || io::Error::new(ErrorKind::InvalidData, "a chunk is damaged");
        let batches = read.and_then(|()| {
            let batches = is_whole.then(|| unpack(Bytes::from(packed))).flatten();
            batches.ok_or_else(damaged)
        });
        match batches {
            Ok(batches) => {
                let Region { after, scanned, .. } = *region;
                Some(Stretch { after, scanned, batches })
            }
            Err(error) => {
                self.failed(&error);
                self.ring().drop_chunk(feed, region.scanned, number);
                self.clear_now();
                None
            }
        }
    }

    /// Clears what is to be cleared, as soon as a thread has the time.
    fn clear_soon(self: &Arc<Self>) {
        if !self.ring().has_uncleared() {
            return;
        }
        let cache = self.clone();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || cache.clear_now())),
            Err(_) => cache.clear_now(),
        }
    }

    /// Clears what is to be cleared. It blocks.
    fn clear_now(&self) {
        let _changes = self.changes();
        if let Err(error) = self.clear() {
            self.failed(&error);
        }
    }

    /// Clears what is to be cleared, while nobody else changes the file. If that fails, it is left
    /// for the next time, and nothing is written until then.
    fn clear(&self) -> io::Result<()> {
        let mut ranges = self.ring().take_uncleared().into_iter();
        let mut cleared = Ok(());
        for range in ranges.by_ref() {
            cleared = disk::clear(&self.file, &range);
            if cleared.is_err() {
                self.ring().give_back(range);
                break;
            }
        }
        let mut ring = self.ring();
        ranges.for_each(|range| ring.give_back(range));
        self.metrics.listener_caches("file", ring.bytes());
        cleared
    }

    fn failed(&self, error: &io::Error) {
        self.metrics.cache_file_failed();
        tracing::warn!(
            %error,
            "failed to use the file of the listener's cache: the log is read instead"
        );
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filed {
    /// Returns the chunk that has the next events after a position, if the file has one.
    pub(super) async fn read(&self, after: Position) -> Option<Stretch> {
        let (number, region) = self.cache.ring().find(self.feed, after)?;
        let (cache, feed) = (self.cache.clone(), self.feed);
        spawn_blocking(move || cache.read(feed, number, &region)).await.ok().flatten()
    }

    /// Writes a chunk beside whoever waits for it. `forgotten` says how often the feed had
    /// forgotten its chunks before this one was read.
    pub(super) fn write(&self, stretch: Stretch, forgotten: u64) {
        if packed_bytes(&stretch.batches) < CHUNK_BYTES_MIN {
            return;
        }
        let Ok(turn) = self.cache.writes.clone().try_acquire_owned() else { return };
        let (cache, feed) = (self.cache.clone(), self.feed);
        spawn_blocking(move || {
            if let Err(error) = cache.write(feed, &stretch, forgotten) {
                cache.failed(&error);
            }
            drop(turn);
        });
    }

    /// Drops the chunks, which the feed has forgotten so often now, and clears them in the file.
    pub(super) fn forget(&self, forgotten: u64) {
        self.cache.ring().forget(self.feed, forgotten);
        self.cache.clear_soon();
    }

    /// Drops the chunks that end before a position, and clears them in the file.
    pub(super) fn drop_below(&self, floor: Position) {
        self.cache.ring().drop_below(self.feed, floor);
        self.cache.clear_soon();
    }

    /// Drops the chunks, clears them in the file, and keeps none any more.
    pub(super) fn close(&self) {
        self.cache.ring().close(self.feed);
        self.cache.clear_soon();
    }
}

impl Drop for Filed {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
impl FileCache {
    /// Makes a file of so many bytes in a folder, for a test.
    pub(super) fn of_test(folder: &Path, bytes_max: u64, metrics: &Arc<Metrics>) -> Arc<Self> {
        let config = CacheFile { folder: folder.to_owned(), bytes_max };
        Self::open(&config, Uuid::from_u128(1), metrics.clone()).unwrap()
    }

    /// Returns all bytes of the file, once nothing is left to be written or cleared.
    pub(super) async fn settled(&self) -> Vec<u8> {
        let writes = u32::try_from(WRITES_MAX).unwrap();
        let _none = self.writes.acquire_many(writes).await.unwrap();
        self.clear_now();
        let mut bytes = vec![0; usize::try_from(self.file.metadata().unwrap().len()).unwrap()];
        self.file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    /// Returns the bytes that chunks take.
    pub(super) fn bytes(&self) -> u64 {
        self.ring().bytes()
    }
}

#[cfg(test)]
mod tests;
