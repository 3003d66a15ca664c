//! The chunks of a feed that are kept in memory, each until the cache has no room for it, or an
//! event of it is erased.

use std::sync::Arc;

use super::Feed;
use super::chunk::Chunk;
use crate::domain::position::Position;
use crate::listen::cache::Holder;
use crate::listen::file_cache::Filed;

impl Feed {
    /// Returns the chunk that has a partition's next events after a position, if one is kept, for a
    /// reader that comes to it.
    pub(super) fn kept(&self, partition: usize, after: Position) -> Option<Arc<Chunk>> {
        let found = self.find(partition, after)?;
        self.cache.used(&found.used);
        self.cache.found_in("memory");
        Some(found)
    }

    pub(super) fn find(&self, partition: usize, after: Position) -> Option<Arc<Chunk>> {
        let state = self.lock();
        let (_, chunk) = state.chunks.range(after.next()..).next()?;
        let from = chunk.before.as_ref().map_or(chunk.after, |all| all[partition].min(chunk.after));
        (from <= after).then(|| chunk.clone())
    }

    /// Keeps a chunk, unless the chunks were forgotten since it was read: then it may have what
    /// was erased.
    pub(super) fn keep(&self, chunk: Arc<Chunk>, forgotten: u64) {
        let mut state = self.lock();
        if state.forgotten != forgotten {
            return;
        }
        let former = state.chunks.insert(chunk.scanned, chunk.clone());
        drop(state);
        former.iter().for_each(|former| self.cache.forget(&former.used));
        let bytes = chunk.batches.values().map(|batch| batch.bytes.len()).sum();
        self.cache.keep(&chunk.used, bytes, (self.this.clone(), chunk.scanned));
    }

    /// Drops what is kept, in memory and in the file: an event of it was erased.
    pub(in crate::listen) fn forget(&self) {
        let mut state = self.lock();
        state.forgotten += 1;
        let forgotten = state.forgotten;
        let chunks = std::mem::take(&mut state.chunks);
        drop(state);
        self.filed.iter().for_each(|filed| filed.forget(forgotten));
        chunks.values().for_each(|chunk| self.cache.forget(&chunk.used));
    }

    /// Drops what is kept, and writes nothing to the file any more: the log has ended.
    pub(in crate::listen) fn retire(&self) {
        self.forget();
        self.filed.iter().for_each(Filed::close);
    }

    /// Returns the number of chunks that are kept.
    #[cfg(test)]
    pub(in crate::listen) fn chunks(&self) -> usize {
        self.lock().chunks.len()
    }
}

impl Holder for Feed {
    fn drop_chunk(&self, scanned: Position) {
        self.lock().chunks.remove(&scanned);
    }
}
