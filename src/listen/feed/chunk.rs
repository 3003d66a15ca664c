//! A stretch of the log as batches, one for each partition that has events there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::envelope::Envelope;
use crate::domain::incarnation::Incarnations;
use crate::domain::position::Position;
use crate::listen::batch::{Batch, BatchBuilder};
use crate::listen::cache::Used;

/// A stretch of the log as batches.
pub(super) struct Chunk {
    pub(super) after: Position,
    pub(super) scanned: Position,
    /// Each partition's last event before a stretch of the newest events, which may lie far before
    /// it. Nothing of the partition stands in between.
    pub(super) before: Option<Vec<Position>>,
    pub(super) batches: BTreeMap<usize, Batch>,
    /// When the chunk was used last.
    pub(super) used: Used,
}

/// A part of a partition, for one request.
#[derive(Debug, Default)]
pub(in crate::listen) struct Records {
    /// The batches, one after the other.
    pub(in crate::listen) batches: Vec<Bytes>,
    /// The bytes of those that have events.
    pub(in crate::listen) bytes: usize,
    /// Where a reader goes on that has read on from the answer before; `None` at the end.
    pub(super) next_after: Option<Position>,
}

impl Records {
    /// Returns whether they lead a reader on, over a stretch without an event of the partition.
    pub(in crate::listen) fn lead_on(&self) -> bool {
        self.bytes == 0 && !self.batches.is_empty()
    }
}

/// The bytes that the headers and the key of a record have, about.
const HEADERS_BYTES: usize = 600;

/// The batches of a chunk that is being made.
pub(super) struct Batches<'a> {
    /// The ids of the log, under which its events were published.
    incarnations: &'a Incarnations,
    /// The bytes that each batch has in the end, about.
    bytes_each: usize,
    builders: BTreeMap<usize, BatchBuilder>,
}

impl<'a> Batches<'a> {
    /// Begins without any, for events that go to so many partitions.
    pub(super) fn new(
        incarnations: &'a Incarnations,
        events: &[&Arc<Envelope>],
        partitions: usize,
    ) -> Self {
        let bytes = |event: &&Arc<Envelope>| event.payload.len() + HEADERS_BYTES;
        let bytes: usize = events.iter().map(bytes).sum();
        let bytes_each = bytes / partitions.min(events.len()).max(1);
        Self { incarnations, bytes_each, builders: BTreeMap::new() }
    }

    /// Adds an event to its partition.
    pub(super) fn push(&mut self, partition: usize, event: &Envelope) {
        let event = &*as_published(event, self.incarnations);
        match self.builders.get_mut(&partition) {
            Some(builder) => builder.push(event),
            None => {
                drop(self.builders.insert(partition, BatchBuilder::new(event, self.bytes_each)))
            }
        }
    }

    /// Returns the batches of a log in its incarnation of this number.
    pub(super) fn finish(self, epoch: i32) -> BTreeMap<usize, Batch> {
        let builders = self.builders.into_iter();
        builders.map(|(partition, builder)| (partition, builder.finish(epoch))).collect()
    }
}

/// Returns an event as it was published: one from before a restore has the id that the log had.
fn as_published<'a>(event: &'a Envelope, incarnations: &Incarnations) -> Cow<'a, Envelope> {
    match incarnations.at(event.position) {
        Some(log_id) if log_id != event.log_id => Cow::Owned(Envelope { log_id, ..event.clone() }),
        _ => Cow::Borrowed(event),
    }
}
