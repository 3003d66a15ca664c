//! The feed of a topic: its partitions as Kafka clients read them, made once for all of them.
//!
//! `logs` opens one for each topic that somebody reads, and adds what is appended. A stretch of the
//! log that was read is a chunk, with one batch for each partition that has events there; a few
//! chunks are kept. Older stretches are read when somebody asks, one at a time. Always true:
//! between the batches that a reader gets of a partition no event of it is left out, those of one
//! answer do not overlap, and an end that is told is one past the partition's last event.

mod ahead;
mod chunk;
mod filed;
mod kept;
mod stretches;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::watch;

use super::batch;
use super::cache::{AheadRoom, Cache, Used};
use super::compressed::compress;
use super::epochs;
use super::file_cache::Filed;
use super::topics::Served;
use crate::domain::compression::Compression;
use crate::domain::envelope::Envelope;
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::incarnation::Incarnations;
use crate::domain::partition;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::Scan;
use crate::subscribe::{Error, Part, Subscribe};
pub(super) use chunk::Records;
use chunk::{Batches, Chunk};
use stretches::Stretches;

/// The most events and bytes of a stretch that is read at once.
const EVENTS_MAX: usize = 2_000;
const BYTES_MAX: usize = 1 << 20;
/// The most stretches that one request has read of a partition without finding an event.
const READS_MAX: usize = 4;

/// A topic that somebody reads.
pub(super) struct Feed {
    tenant: TenantId,
    topic: Topic,
    /// The ids of the log, under which its events were published.
    incarnations: Arc<Incarnations>,
    /// The leader epoch of the log's partitions.
    epoch: i32,
    partitions: usize,
    /// Whether a reader passes over what was removed without being told, as in Kafka's own
    /// compacted topics: the last event of each key stays.
    compacted: bool,
    compression: Compression,
    state: Mutex<State>,
    /// Rises as events are added.
    grown: watch::Sender<u64>,
    /// Held while a stretch is read, so that it is read once for all who wait for it.
    reads: tokio::sync::Mutex<()>,
    cache: Arc<Cache>,
    /// The chunks that are in the cache's file; `None` if it has none.
    filed: Option<Filed>,
    this: Weak<Feed>,
}

struct State {
    /// The last event of each partition; [`Position::START`] if there is none.
    last: Vec<Position>,
    /// The position up to which `last` is known.
    known_to: Position,
    /// The position below which events may have been removed.
    floor: Position,
    /// The last event of each partition's last answer.
    answered: Vec<Position>,
    /// The chunks that are kept, by the position up to which each was looked at.
    chunks: BTreeMap<Position, Arc<Chunk>>,
    /// How often the chunks were forgotten.
    forgotten: u64,
    /// The stretches that were read from the log.
    encoded: Stretches,
}

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The first offset that may be read.
    pub(super) start: i64,
    /// One past the last event's offset.
    pub(super) end: i64,
    /// The greatest offset at which a reader may stand.
    pub(super) most: i64,
}

impl Feed {
    /// Makes the feed of a topic, of which nothing is known yet.
    pub(super) fn new(
        Served { tenant, topic, partitions, compacted, compression }: &Served,
        incarnations: Arc<Incarnations>,
        cache: Arc<Cache>,
    ) -> Arc<Self> {
        let partitions = usize::from(*partitions);
        let state = State {
            last: vec![Position::START; partitions],
            known_to: Position::START,
            floor: Position::START,
            answered: vec![Position::START; partitions],
            chunks: BTreeMap::new(),
            forgotten: 0,
            encoded: Stretches::default(),
        };
        Arc::new_cyclic(|this| Self {
            tenant: tenant.clone(),
            topic: topic.clone(),
            epoch: epochs::newest(&incarnations),
            incarnations,
            partitions,
            compacted: *compacted,
            compression: *compression,
            state: Mutex::new(state),
            grown: watch::Sender::new(0),
            reads: tokio::sync::Mutex::default(),
            filed: cache.filed(),
            cache,
            this: this.clone(),
        })
    }

    /// Returns the leader epoch of the log's partitions.
    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Returns the number of partitions.
    pub(super) fn partitions(&self) -> usize {
        self.partitions
    }

    /// Returns what changes whenever events are added.
    pub(super) fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// Returns the position up to which the ends of the partitions are known.
    pub(super) fn known_to(&self) -> Position {
        self.lock().known_to
    }

    /// Returns the bounds of a partition.
    pub(super) fn bounds(&self, partition: usize) -> Bounds {
        let state = self.lock();
        let last = state.last.get(partition).filter(|last| **last > Position::START);
        let end = last.map_or(0, |last| last.next().as_column());
        let start = if self.compacted { 0 } else { state.floor.as_column() };
        let most = state.known_to.next().as_column();
        Bounds { start, end: end.max(start), most: most.max(end).max(start) }
    }

    /// Reads on until the ends of all partitions are known up to the head.
    pub(super) async fn learn(&self, subscribe: &Subscribe) -> Result<(), Error> {
        loop {
            let after = self.known_to();
            let part = subscribe.read(&self.tenant, after, self.scan()).await?;
            self.note(after, &part);
            if !part.more {
                return Ok(());
            }
        }
    }

    /// Notes where the partitions end after a stretch of this topic, if the stretch begins where
    /// that is known, and wakes whoever waits for more.
    fn note(&self, after: Position, part: &Part) {
        self.take_floor(&part.floors);
        let mut state = self.lock();
        let known_to = state.known_to;
        if after > known_to || part.scanned <= known_to {
            return;
        }
        state.known_to = part.scanned;
        let is_new = |event: &&Arc<Envelope>| event.position > known_to && event.has_content();
        let mut has_new = false;
        for event in part.events.iter().filter(is_new) {
            state.last[self.partition(event)] = event.position;
            has_new = true;
        }
        drop(state);
        if has_new {
            self.grown.send_modify(|grown| *grown += 1);
        }
    }

    /// Adds the events after a position that are of this topic, if they are new, and wakes whoever
    /// waits for them. Nothing of the topic is left out between `after` and the part's end.
    pub(super) fn add(&self, after: Position, part: &Part) {
        self.take_floor(&part.floors);
        let mut state = self.lock();
        let known_to = state.known_to;
        let new = |event: &&Arc<Envelope>| event.topic == self.topic && event.position > known_to;
        let events: Vec<_> = part.events.iter().filter(new).collect();
        state.known_to = known_to.max(part.scanned);
        if events.is_empty() {
            return;
        }
        let before = state.last.clone();
        let mut chunk = self.chunk(after.max(known_to), part.scanned, Some(before), &events);
        for (partition, batch) in &chunk.batches {
            state.last[*partition] = batch.last;
        }
        let forgotten = state.forgotten;
        drop(state);
        compress(&mut chunk.batches, self.compression);
        self.keep(Arc::new(chunk), forgotten);
        self.grown.send_modify(|grown| *grown += 1);
    }

    /// Returns the batches of a partition from an offset on, at most so many bytes, but at least
    /// one batch. Where nothing was found in what was looked at, it is a marker that leads over it.
    /// There are none at the end.
    pub(super) async fn read(
        &self,
        subscribe: &Subscribe,
        partition: usize,
        from: Position,
        bytes_max: usize,
    ) -> Result<Records, Error> {
        let (mut records, mut reads) = (Records::default(), 0);
        let (mut after, mut answered) = (from.back(1), None);
        loop {
            let last = self.lock().last[partition];
            if after >= last {
                break;
            }
            let chunk = match self.kept(partition, after) {
                Some(chunk) => chunk,
                None if records.bytes > 0 || reads == READS_MAX => break,
                None => {
                    reads += 1;
                    self.read_chunk(subscribe, partition, after, None).await?
                }
            };
            if let Some(batch) = chunk.batches.get(&partition).filter(|it| it.last > after) {
                // Clients leave out what lies before the offset that they asked for, but some give
                // all that comes after the first batch, so only that one may reach back.
                let overlaps = batch.first <= after;
                if records.bytes > 0 && (overlaps || records.bytes + batch.bytes.len() > bytes_max)
                {
                    break;
                }
                answered = Some(batch.last);
                records.bytes += batch.bytes.len();
                records.batches.push(batch.bytes.clone());
            }
            after = chunk.scanned;
        }
        if let Some(answered) = answered {
            let mut state = self.lock();
            let before = std::mem::replace(&mut state.answered[partition], answered);
            let goes_on = before == from.back(1) && after < state.last[partition];
            records.next_after = goes_on.then_some(after);
        }
        if records.batches.is_empty() && after >= from {
            let last = after.min(self.lock().last[partition]);
            records.batches.extend((last >= from).then(|| batch::marker(last, self.epoch)));
        }
        Ok(records)
    }

    /// Returns the place and time of a partition's first event that is no older than a time.
    pub(super) async fn since(
        &self,
        subscribe: &Subscribe,
        partition: usize,
        time: Time,
    ) -> Result<Option<(Position, Time)>, Error> {
        let mut after = Position::START;
        loop {
            let scan = Scan { from: Some(time), ..self.scan() };
            let part = subscribe.read(&self.tenant, after, scan).await?;
            let mut its = part.events.iter().filter(|event| self.partition(event) == partition);
            if let Some(first) = its.find(|event| event.time >= time) {
                return Ok(Some((first.position, first.time)));
            }
            if !part.more || part.scanned >= self.lock().last[partition] {
                return Ok(None);
            }
            after = part.scanned;
        }
    }

    /// Returns the number of those who wait for more.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.grown.receiver_count()
    }

    /// Reads the stretch after a position from the cache's file or the log, unless it was read
    /// while this waited; ahead of a reader, if it takes room for that.
    async fn read_chunk(
        &self,
        subscribe: &Subscribe,
        partition: usize,
        after: Position,
        ahead: Option<AheadRoom>,
    ) -> Result<Arc<Chunk>, Error> {
        let _reads = self.reads.lock().await;
        if let Some(chunk) = self.kept(partition, after) {
            return Ok(chunk);
        }
        let forgotten = self.lock().forgotten;
        if let Some(mut chunk) = self.find_filed(subscribe, after).await? {
            chunk.used = Used::not_yet(ahead);
            let chunk = Arc::new(chunk);
            self.keep(chunk.clone(), forgotten);
            return Ok(chunk);
        }
        let part = subscribe.read(&self.tenant, after, self.scan()).await?;
        self.note(after, &part);
        let events: Vec<_> = part.events.iter().collect();
        let mut chunk = self.chunk(after, part.scanned, None, &events);
        compress(&mut chunk.batches, self.compression);
        chunk.used = Used::not_yet(ahead);
        let chunk = Arc::new(chunk);
        self.cache.found_in("log");
        if !events.is_empty() {
            self.file(&chunk, forgotten);
            self.keep(chunk.clone(), forgotten);
        }
        Ok(chunk)
    }

    /// Makes a chunk of a topic's events, of which the log has no other between `after` and
    /// `scanned`.
    fn chunk(
        &self,
        after: Position,
        scanned: Position,
        before: Option<Vec<Position>>,
        events: &[&Arc<Envelope>],
    ) -> Chunk {
        let mut batches = Batches::new(&self.incarnations, events, self.partitions);
        for event in events.iter().filter(|event| event.has_content()) {
            batches.push(self.partition(event), event);
        }
        let batches = batches.finish(self.epoch);
        Chunk { after, scanned, before, batches, used: Used::default() }
    }

    fn partition(&self, event: &Envelope) -> usize {
        partition::of_key(event.key.as_str().as_bytes(), self.partitions)
    }

    fn scan(&self) -> Scan {
        let topics = vec![TopicPattern::exact(&self.topic)];
        let filter = Filter { topics, ..Filter::default() };
        Scan { bytes_max: BYTES_MAX, ..Scan::page_of_enabled(filter, EVENTS_MAX) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests;
