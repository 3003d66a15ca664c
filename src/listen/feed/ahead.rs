//! Reading ahead: while a client takes its answer, the stretches that it asks for next are read.

use std::sync::Arc;

use super::{Feed, Records};
use crate::domain::position::Position;
use crate::listen::cache::AheadRoom;
use crate::subscribe::Subscribe;

/// The most stretches that are read ahead of a reader.
const STRETCHES: usize = 2;

impl Feed {
    /// Reads the stretches after an answer, if the client reads on from answer to answer, and
    /// nothing else of the topic is read. They are kept as any other; if that fails, each is read
    /// when it is asked for.
    pub(in crate::listen) fn read_ahead(
        &self,
        subscribe: &Arc<Subscribe>,
        partition: usize,
        answer: &Records,
    ) {
        let (Some(next), Some(feed)) = (answer.next_after, self.this.upgrade()) else { return };
        if self.reads.try_lock().is_err() || self.missing(partition, next).is_none() {
            return;
        }
        let subscribe = subscribe.clone();
        tokio::spawn(async move {
            // What was not kept is not read on and on.
            for _ in 0..STRETCHES {
                let Some((after, room)) = feed.missing(partition, next) else { return };
                if let Err(error) = feed.read_chunk(&subscribe, partition, after, room).await {
                    tracing::debug!(topic = %feed.topic, %error, "failed to read ahead");
                    return;
                }
            }
        });
    }

    /// Returns the position after which the first stretch begins that is not kept, and its room;
    /// `None` if all are, if the partition ends, or if there is no room for more than the next one.
    fn missing(
        &self,
        partition: usize,
        mut after: Position,
    ) -> Option<(Position, Option<AheadRoom>)> {
        for number in 0..STRETCHES {
            if after >= self.lock().last[partition] {
                return None;
            }
            match self.find(partition, after) {
                Some(chunk) => after = chunk.scanned,
                None if number == 0 => return Some((after, None)),
                None => return self.cache.room_ahead().map(|room| (after, Some(room))),
            }
        }
        None
    }
}
