//! The chunks of all feeds that are kept in memory: so many bytes, the most recently used ones.
//!
//! The file that has others (`file_cache`) is reached from here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::file_cache::{FileCache, Filed};
use crate::domain::position::Position;
use crate::metrics::Metrics;

/// The bytes that a chunk takes besides its batches, about.
const CHUNK_BYTES: usize = 512;

/// The bytes of a chunk that is read ahead, at most.
const AHEAD_BYTES: usize = 4 << 20;

/// When a chunk was used last, for the cache alone.
#[derive(Debug, Default)]
pub(super) struct Used {
    at: AtomicU64,
    /// The room that it takes of the chunks that are read ahead, until a reader comes to it.
    room: Mutex<Option<AheadRoom>>,
}

/// Room for one chunk that is read ahead of its reader.
pub(super) type AheadRoom = OwnedSemaphorePermit;

impl Used {
    /// Makes the use of a chunk that nobody has come to yet.
    pub(super) fn not_yet(room: Option<AheadRoom>) -> Self {
        Self { at: AtomicU64::default(), room: Mutex::new(room) }
    }
}

/// The chunks in the order of use, and how many bytes they have.
pub(super) struct Cache {
    bytes_max: usize,
    /// How many chunks may be read ahead at once, beside the one that each reader asks for next.
    ahead: Arc<Semaphore>,
    /// The file for what memory has no room for; `None` if there is none.
    file: Option<Arc<FileCache>>,
    metrics: Arc<Metrics>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Rises with every use.
    uses: u64,
    bytes: usize,
    chunks: BTreeMap<u64, (usize, Place)>,
}

/// Whoever has chunks that the cache counts.
pub(super) trait Holder: Send + Sync {
    /// Drops the chunk that goes up to a position: the cache has no room for it.
    fn drop_chunk(&self, scanned: Position);
}

/// The holder of a chunk, and the position up to which the chunk goes.
type Place = (Weak<dyn Holder>, Position);

impl Cache {
    /// Makes a cache of so many bytes of memory.
    pub(super) fn new(bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        let ahead = Arc::new(Semaphore::new(bytes_max / AHEAD_BYTES));
        Self { bytes_max, ahead, file: None, metrics, kept: Mutex::default() }
    }

    /// Gives it a file.
    pub(super) fn with_file(self, file: Option<Arc<FileCache>>) -> Self {
        Self { file, ..self }
    }

    /// Returns the place of a feed's chunks in the file; `None` if there is no file.
    pub(super) fn filed(&self) -> Option<Filed> {
        self.file.as_ref().map(FileCache::filed)
    }

    /// Counts a chunk that was found in memory, in the file or in the log.
    pub(super) fn found_in(&self, place: &'static str) {
        self.metrics.chunk_found(place);
    }

    /// Returns room for a chunk that is read ahead; `None` if there might be none for what others
    /// use.
    pub(super) fn room_ahead(&self) -> Option<AheadRoom> {
        self.ahead.clone().try_acquire_owned().ok()
    }

    /// Keeps a chunk, and has the least recently used ones dropped that there is no room for.
    pub(super) fn keep(&self, used: &Used, bytes: usize, place: Place) {
        let mut dropped = Vec::new();
        let mut kept = self.lock();
        let bytes = bytes + CHUNK_BYTES;
        kept.uses += 1;
        used.at.store(kept.uses, Ordering::Relaxed);
        let at = kept.uses;
        kept.chunks.insert(at, (bytes, place));
        kept.bytes += bytes;
        while kept.bytes > self.bytes_max && kept.chunks.len() > 1 {
            let Some((_, (bytes, place))) = kept.chunks.pop_first() else { break };
            kept.bytes -= bytes;
            dropped.push(place);
        }
        self.metrics.listener_caches("memory", kept.bytes as u64);
        drop(kept);
        for (holder, scanned) in dropped {
            if let Some(holder) = holder.upgrade() {
                holder.drop_chunk(scanned);
            }
        }
    }

    /// Notes that a chunk is used.
    pub(super) fn used(&self, used: &Used) {
        drop(used.room.lock().expect("no holder panics").take());
        let mut kept = self.lock();
        let Some(chunk) = kept.chunks.remove(&used.at.load(Ordering::Relaxed)) else { return };
        kept.uses += 1;
        used.at.store(kept.uses, Ordering::Relaxed);
        let at = kept.uses;
        kept.chunks.insert(at, chunk);
    }

    /// Forgets a chunk that its feed has dropped.
    pub(super) fn forget(&self, used: &Used) {
        let mut kept = self.lock();
        if let Some((bytes, _)) = kept.chunks.remove(&used.at.load(Ordering::Relaxed)) {
            kept.bytes -= bytes;
            self.metrics.listener_caches("memory", kept.bytes as u64);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Weak};

    use super::{AHEAD_BYTES, CHUNK_BYTES, Cache, Holder, Used};
    use crate::domain::position::Position;

    struct Nobody;

    impl Holder for Nobody {
        fn drop_chunk(&self, _: Position) {}
    }

    fn nobody() -> Weak<dyn Holder> {
        Weak::<Nobody>::new()
    }

    #[test]
    fn a_chunk_that_is_read_ahead_has_room_until_a_reader_comes_to_it() {
        let cache = Cache::new(3 * AHEAD_BYTES - 1, Arc::default());
        let [first, second] = [(); 2].map(|()| cache.room_ahead());
        assert!(first.is_some() && second.is_some());
        assert!(cache.room_ahead().is_none(), "more would drop what others use");
        let (read, dropped) = (Used::not_yet(first), Used::not_yet(second));
        cache.keep(&read, 100, (nobody(), Position::new(1).unwrap()));
        assert!(cache.room_ahead().is_none());
        cache.used(&read);
        let third = cache.room_ahead();
        assert!(third.is_some() && cache.room_ahead().is_none());
        drop(dropped);
        assert!(cache.room_ahead().is_some());
        assert!(Cache::new(AHEAD_BYTES - 1, Arc::default()).room_ahead().is_none());
    }

    #[test]
    fn the_least_recently_used_chunks_make_room() {
        let cache = Cache::new(2 * (CHUNK_BYTES + 100), Arc::default());
        let chunks = [Used::default(), Used::default(), Used::default()];
        let kept = |cache: &Cache| {
            let kept = cache.lock();
            (kept.chunks.values().map(|(_, (_, at))| at.number()).collect::<Vec<_>>(), kept.bytes)
        };
        for (at, chunk) in (1..).zip(&chunks[..2]) {
            cache.keep(chunk, 100, (nobody(), Position::new(at).unwrap()));
        }
        cache.used(&chunks[0]);
        cache.keep(&chunks[2], 100, (nobody(), Position::new(3).unwrap()));
        assert_eq!(kept(&cache), (vec![1, 3], 2 * (CHUNK_BYTES + 100)));
        cache.used(&chunks[1]);
        cache.forget(&chunks[1]);
        cache.forget(&chunks[0]);
        assert_eq!(kept(&cache), (vec![3], CHUNK_BYTES + 100));
    }
}
