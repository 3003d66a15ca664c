//! The audit of one topic: reads its records, then looks for the events that none of them has, and
//! for records that differ from their events.

use std::collections::HashMap;
use std::ops::ControlFlow;

use roaring::RoaringTreemap;

use super::audited_log::{AuditedLog, Expected};
use super::digest::{self, Digest};
use super::finding::{Defect, Finding, Run, TopicAudit};
use super::seen::{Follows, Seen, SeenRun, count};
use super::{Error, Progress};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::floors::Floor;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::topic::Topic;
use crate::sink::{Origin, PartitionRange, TopicRecord};

/// The most keys of a compacted topic whose last position is kept.
const KEYS_MAX: usize = 100_000;

/// One topic, and what was found in it so far.
pub(super) struct TopicInAudit<'a> {
    log: &'a AuditedLog<'a>,
    expected: &'a Expected,
    floor: Floor,
    seen: Seen,
    /// By partition, the first position that the sink has not removed by its retention; `None`
    /// until it is known.
    horizons: Vec<(PartitionRange, Option<Position>)>,
    audit: TopicAudit,
}

/// The ids of events, by position.
type EventIds = HashMap<Position, EventId>;

/// A record of an event that is compared.
struct Compared {
    run: Run,
    position: Position,
    place: (i32, i64),
}

impl<'a> TopicInAudit<'a> {
    pub(super) fn new(
        log: &'a AuditedLog<'a>,
        topic: &Topic,
        floor: Floor,
        expected: &'a Expected,
    ) -> Self {
        let mut audit = TopicAudit::new(topic.clone());
        audit.counts.events = expected.positions.len();
        audit.counts.unpublished = expected.unpublished.len();
        audit.counts.erased = expected.erased.len();
        Self { log, expected, floor, seen: Seen::default(), horizons: Vec::new(), audit }
    }

    /// Audits the topic.
    pub(super) async fn audit(
        mut self,
        report: &(dyn Fn(Progress<'_>) + Send + Sync),
    ) -> Result<TopicAudit, Error> {
        self.read(report).await?;
        self.find_missing().await?;
        let suspects = self.suspects().await?;
        if !suspects.is_empty() {
            self.find_altered(&suspects).await?;
        }
        Ok(self.audit)
    }

    /// Reads all records. A missing topic has none.
    async fn read(&mut self, report: &(dyn Fn(Progress<'_>) + Send + Sync)) -> Result<(), Error> {
        let Some(mut reading) = self.open().await? else { return Ok(()) };
        self.horizons = reading.partitions.iter().map(|range| (*range, None)).collect();
        let (mut read, all) = (0, reading.offsets());
        while let Some(records) = reading.records.recv().await {
            let records = records?;
            read += records.len() as u64;
            let former_ids = self.former_ids(&records).await?;
            for record in records {
                self.pass(&record, &former_ids).await?;
            }
            report(Progress::Topic(&self.audit.topic, read, all));
        }
        Ok(())
    }

    async fn open(&self) -> Result<Option<crate::sink::TopicReading>, Error> {
        let log = self.log;
        Ok(log.deps.kafka.read_topic(&self.audit.topic, log.since).await?)
    }

    /// Notes a record, and whether it is in order.
    async fn pass(&mut self, record: &TopicRecord, former_ids: &EventIds) -> Result<(), Error> {
        let Some(compared) = self.compared(record, former_ids) else { return Ok(()) };
        let Compared { run, position, place } = &compared;
        if !self.expected.positions.contains(position.number()) {
            // A scope that was parked when the audit began may be released since.
            if self.expected.unpublished.contains(position.number()) {
                return Ok(());
            }
            if self.expected.erased.contains(position.number()) {
                self.see_horizon(record, run, *position);
                return Ok(());
            }
            if self.floor.may_lack(*position) {
                self.audit.counts.removed += 1;
                self.see_horizon(record, run, *position);
            } else {
                self.found(Defect::Unknown, compared);
            }
            return Ok(());
        }
        self.audit.counts.records += 1;
        self.see_horizon(record, run, *position);
        let seen = self.seen.0.entry(run.clone()).or_default();
        seen.without_time |= record.own_time_ms().is_none() || *run != Run::Live;
        match seen.pass(place.0, *position, Digest::of_record(record, *position)) {
            Follows::InOrder => {}
            Follows::Again => self.found(Defect::Duplicated, compared),
            Follows::Late(last) if self.is_reordered(&compared, &record.key, last).await? => {
                self.found(Defect::Reordered, compared);
            }
            Follows::Late(_) => {}
        }
        Ok(())
    }

    /// Returns the ids of the log's events at the positions of records that have a former id of the
    /// log. Where the log went back, another event may have such a position now.
    async fn former_ids(&self, records: &[TopicRecord]) -> Result<EventIds, Error> {
        let newest = self.log.incarnations.newest();
        let origins = records.iter().filter_map(TopicRecord::origin);
        let former = origins.filter(|origin| {
            Some(origin.log_id) != newest && self.log.incarnations.has(origin.log_id)
        });
        let mut positions: RoaringTreemap = former.map(|it| it.position.number()).collect();
        positions &= &self.expected.positions;
        let mut ids = HashMap::new();
        let look = |event: Envelope| {
            ids.insert(event.position, event.event_id);
        };
        self.log.at(&self.audit.topic, &positions, look).await?;
        Ok(ids)
    }

    /// Returns the event of a record, if it is one that is compared; counts the others.
    fn compared(&mut self, record: &TopicRecord, former_ids: &EventIds) -> Option<Compared> {
        let (counts, incarnations) = (&mut self.audit.counts, &self.log.incarnations);
        let origin = record.origin().filter(|origin| incarnations.has(origin.log_id));
        let Some(Origin { log_id, position, event_id, replay_id }) = origin else {
            counts.foreign += 1;
            return None;
        };
        let is_former = incarnations.newest() != Some(log_id);
        let is_other = is_former && former_ids.get(&position).is_some_and(|id| *id != event_id);
        if is_other || !incarnations.count(log_id, position) {
            counts.former += 1;
            return None;
        }
        let run = replay_id.map_or(Run::Live, Run::Replay);
        let place = (record.partition, record.offset);
        let is_compared = (self.log.from..=self.log.to).contains(&position);
        is_compared.then_some(Compared { run, position, place })
    }

    /// Notes the position of a partition's first record that was published in its turn: the sink
    /// may have removed earlier ones.
    fn see_horizon(&mut self, record: &TopicRecord, run: &Run, position: Position) {
        let partition = usize::try_from(record.partition).unwrap_or_default();
        let Some((_, horizon)) = self.horizons.get_mut(partition) else { return };
        let key = std::str::from_utf8(&record.key).ok().and_then(|key| Key::parse(key).ok());
        let topic = &self.audit.topic;
        let in_turn = |key: Key| !self.log.is_released(topic, &key, position);
        if horizon.is_none() && *run == Run::Live && key.is_some_and(in_turn) {
            *horizon = Some(position);
        }
    }

    /// Returns whether a later event of the key stands before a late record in its partition.
    async fn is_reordered(
        &self,
        compared: &Compared,
        key: &[u8],
        last: Position,
    ) -> Result<bool, Error> {
        let Compared { run, position, place } = compared;
        let key = std::str::from_utf8(key).ok().and_then(|key| Key::parse(key).ok());
        let (Some(key), Some(seen)) = (key, self.seen.0.get(run)) else { return Ok(false) };
        let mut is_reordered = false;
        let range = (*position, last);
        let look = |later: Position| {
            is_reordered = seen.has_in(place.0, later);
            if is_reordered { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        self.log.later(&self.audit.topic, &key, range, look).await?;
        Ok(is_reordered)
    }

    /// Looks for the events of which no run has a record.
    async fn find_missing(&mut self) -> Result<(), Error> {
        let missing = self.seen.missing(&self.expected.positions);
        let (mut keys, topic) = (HashMap::new(), self.audit.topic.clone());
        let mut events = Vec::new();
        let spec = self.log.deps.settings.spec(&self.log.tenant, &topic);
        for some in chunks(&missing) {
            let look = |event: Envelope| {
                // It may have been erased meanwhile.
                if event.erased.is_none() {
                    let is_tombstone = event.value().is_none();
                    events.push((event.position, event.key, is_tombstone));
                }
            };
            self.log.at(&topic, &some, look).await?;
            for (position, key, is_tombstone) in events.drain(..) {
                if spec.compacted
                    && (is_tombstone || self.has_later(&mut keys, &key, position).await?)
                {
                    self.audit.counts.compacted += 1;
                } else if self.has_expired(&key, position) {
                    self.audit.counts.expired += 1;
                } else {
                    self.audit.missing.insert(position.number());
                    let (defect, run) = (Defect::Missing, Run::Live);
                    self.audit.found(Finding { defect, position, place: None, run });
                }
            }
        }
        Ok(())
    }

    /// Returns whether the topic has a later event of the key. `keys` keeps the last such position
    /// of each key.
    async fn has_later(
        &self,
        keys: &mut HashMap<Key, Position>,
        key: &Key,
        position: Position,
    ) -> Result<bool, Error> {
        if let Some(last) = keys.get(key) {
            return Ok(*last > position);
        }
        let mut last = Position::START;
        let look = |later: Position| {
            if self.seen.has(later) {
                last = later;
            }
            ControlFlow::Continue(())
        };
        self.log.later(&self.audit.topic, key, (position, self.log.to), look).await?;
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(key.clone(), last);
        Ok(last > position)
    }

    /// Returns whether the sink may have removed the record of an event by its retention: not if
    /// reading began after what is left.
    fn has_expired(&self, key: &Key, position: Position) -> bool {
        let partitions = self.horizons.len();
        let partition = self.log.deps.kafka.partition(key.as_str().as_bytes(), partitions);
        let Some((range, horizon)) = self.horizons.get(partition) else { return false };
        range.first > 0
            && range.start == range.first
            && horizon.is_none_or(|horizon| position < horizon)
    }

    /// Returns the events of the blocks whose records differ from the log, by run.
    async fn suspects(&self) -> Result<Vec<(Run, RoaringTreemap)>, Error> {
        let mut suspects = Vec::new();
        for (run, seen) in &self.seen.0 {
            let mut positions = RoaringTreemap::new();
            for block in seen.sums.blocks() {
                if !self.is_same(run, seen, block).await? {
                    positions.insert_range(digest::positions_of(block));
                }
            }
            positions &= &self.expected.positions;
            if !positions.is_empty() {
                suspects.push((run.clone(), positions));
            }
        }
        Ok(suspects)
    }

    /// Returns whether the records of a run in a block are those of their events.
    async fn is_same(&self, run: &Run, seen: &SeenRun, block: u64) -> Result<bool, Error> {
        let (range, sum) = (digest::positions_of(block), seen.sums.of(block));
        let with_time = !seen.without_time;
        if *run == Run::Live && seen.count(&range) == count(&self.expected.positions, &range) {
            return Ok(sum.is_same(self.expected.sums.of(block), with_time));
        }
        // The run has only some of the block's events: these are added up alone.
        let mut positions = RoaringTreemap::new();
        positions.insert_range(range);
        positions &= &self.expected.positions;
        let positions = positions.iter().filter(|number| seen.has(at(*number))).collect();
        let mut expected = Digest::default();
        let look = |event: Envelope| expected.add(Digest::of_event(&event));
        self.log.at(&self.audit.topic, &positions, look).await?;
        Ok(sum.is_same(expected, with_time))
    }

    /// Reads the topic again, and compares each record of these events with its event.
    async fn find_altered(&mut self, suspects: &[(Run, RoaringTreemap)]) -> Result<(), Error> {
        let Some(mut reading) = self.open().await? else { return Ok(()) };
        // What is counted here was counted before.
        let counts = self.audit.counts;
        while let Some(records) = reading.records.recv().await {
            let (mut suspected, mut positions) = (Vec::new(), RoaringTreemap::new());
            let records = records?;
            let former_ids = self.former_ids(&records).await?;
            for record in records {
                let Some(compared) = self.compared(&record, &former_ids) else { continue };
                let position = compared.position;
                let is_suspect = |(run, suspects): &(Run, RoaringTreemap)| {
                    *run == compared.run && suspects.contains(position.number())
                };
                if suspects.iter().any(is_suspect) {
                    positions.insert(position.number());
                    suspected.push((Digest::of_record(&record, position), compared));
                }
            }
            let mut expected = HashMap::new();
            let look = |event: Envelope| {
                // It may have been erased meanwhile.
                if event.erased.is_none() {
                    expected.insert(event.position, Digest::of_event(&event));
                }
            };
            self.log.at(&self.audit.topic, &positions, look).await?;
            for (digest, compared) in suspected {
                let with_time = self.seen.0.get(&compared.run).is_some_and(|it| !it.without_time);
                let expected = expected.get(&compared.position);
                if expected.is_some_and(|expected| !digest.is_same(*expected, with_time)) {
                    self.found(Defect::Altered, compared);
                }
            }
        }
        self.audit.counts = counts;
        Ok(())
    }

    fn found(&mut self, defect: Defect, compared: Compared) {
        let Compared { run, position, place } = compared;
        self.audit.found(Finding { defect, position, place: Some(place), run });
    }
}

/// Returns a set in parts that fit into memory as events do.
fn chunks(set: &RoaringTreemap) -> impl Iterator<Item = RoaringTreemap> {
    let mut numbers = set.iter();
    std::iter::from_fn(move || {
        let some: RoaringTreemap = numbers.by_ref().take(crate::follow::PAGE_EVENTS_MAX).collect();
        (!some.is_empty()).then_some(some)
    })
}

fn at(number: u64) -> Position {
    Position::from_column(number.cast_signed())
}
