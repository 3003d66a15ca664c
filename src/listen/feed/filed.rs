//! The chunks of a feed in the cache's file: one is written there once it is encoded again, and
//! looked for there before the log is read.
//!
//! A chunk that is read once is not written. The floor of the log, which is asked for after the
//! file was read, says whether a reader may have a chunk that is found.

use super::Feed;
use super::chunk::Chunk;
use crate::domain::floors::Floors;
use crate::domain::position::Position;
use crate::listen::cache::Used;
use crate::listen::file_cache::Stretch;
use crate::subscribe::{Error, Subscribe};

impl Feed {
    /// Returns the chunk that has the events after a position, if the file has it, and the log has
    /// not lost all of it.
    pub(super) async fn find_filed(
        &self,
        subscribe: &Subscribe,
        after: Position,
    ) -> Result<Option<Chunk>, Error> {
        let Some(filed) = &self.filed else { return Ok(None) };
        let Some(Stretch { after, scanned, batches }) = filed.read(after).await else {
            return Ok(None);
        };
        self.take_floor(&subscribe.floors(&self.tenant).await?);
        if scanned < self.lock().floor {
            return Ok(None);
        }
        self.cache.found_in("file");
        Ok(Some(Chunk { after, scanned, before: None, batches, used: Used::default() }))
    }

    /// Writes a chunk that was read from the log to the file, beside whoever waits for it, if all
    /// of its stretch was read before.
    pub(super) fn file(&self, chunk: &Chunk, forgotten: u64) {
        let Some(filed) = &self.filed else { return };
        let Chunk { after, scanned, batches, .. } = chunk;
        if self.lock().encoded.add(*after, *scanned) {
            let batches = batches.clone();
            filed.write(Stretch { after: *after, scanned: *scanned, batches }, forgotten);
        }
    }

    /// Takes the floor of the topic; whatever the file has below a higher one goes.
    pub(super) fn take_floor(&self, floors: &Floors) {
        let floor = floors.of(&self.topic).floor;
        let former = std::mem::replace(&mut self.lock().floor, floor);
        if floor > former {
            self.filed.iter().for_each(|filed| filed.drop_below(floor));
        }
    }
}
