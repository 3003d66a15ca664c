//! The topic reader: reads the committed records of a topic, from the first that is left, or from a
//! time, to its end.
//!
//! `restore` and the audit compare a log with the records that were published of it. The reader
//! hands over a few hundred records at once, and waits until they are received.

use std::mem;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message, Timestamp};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::admin::{ASK_MAX, State};
use super::classify::{classify_call, classify_topic, denies_topic};
use super::client_context::Context;
use super::{Inner, discard, left, settings};
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::sink::{Error, PartitionRange, TopicRecord};

/// The longest time for which the cluster may return nothing at all.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// The longest time for which an open transaction may hide the records after it: longer than a
/// transaction lasts that a lane left open.
const HIDDEN_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// The records of a batch: the most that are handed over at once, and the bytes after which no more
/// are added.
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// A consumer of one topic, assigned to the range of each partition.
pub(super) struct TopicReader {
    consumer: BaseConsumer<Context>,
    topic: Topic,
    ranges: Vec<PartitionRange>,
}

/// The records that are handed over next.
#[derive(Default)]
struct Batch {
    records: Vec<TopicRecord>,
    bytes: usize,
}

impl TopicReader {
    /// Opens a topic: waits until no transaction that is open now hides committed records after it,
    /// then finds where each partition is read from and to. `None` if there is no such topic.
    pub(super) fn open(
        kafka: &Inner,
        topic: &Topic,
        since: Option<Time>,
    ) -> Result<Option<Self>, Error> {
        let state = kafka.admin.state(topic.as_str(), ASK_MAX)?;
        if let State::Refused(code) = state {
            return Err(classify_topic("ask about it", topic, code));
        }
        let Some(partitions) = state.partitions() else { return Ok(None) };
        let consumer = settings::create(&settings::reader(&kafka.config))?;
        let mut reader = Self { consumer, topic: topic.clone(), ranges: Vec::new() };
        for partition in (0..).take(partitions) {
            let range = reader.await_open_transactions(kafka, partition)?;
            reader.ranges.push(range);
        }
        if let Some(since) = since {
            reader.start_at(since)?;
        }
        Ok(Some(reader))
    }

    /// Returns the range of each partition.
    pub(super) fn partitions(&self) -> Vec<PartitionRange> {
        self.ranges.clone()
    }

    /// Reads the ranges, and hands the records over. It ends early once nobody receives them.
    pub(super) fn read(self, batches: &mpsc::Sender<Result<Vec<TopicRecord>, Error>>) {
        if let Err(error) = self.each(|batch| batches.blocking_send(Ok(batch)).is_ok()) {
            drop(batches.blocking_send(Err(error)));
        }
        discard(self.consumer);
    }

    /// Returns what `found` makes of the first record of which it makes anything.
    pub(super) fn find<T>(
        self,
        found: impl Fn(&TopicRecord) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let mut first = None;
        let read = self.each(|batch| {
            first = batch.iter().find_map(&found);
            first.is_none()
        });
        discard(self.consumer);
        read.map(|()| first)
    }

    /// Waits until the partition has no open transaction from before, which would hide committed
    /// records after it. It may be another client's, since others may write to a tenant
    /// collection's topic too. Returns the range of the partition.
    fn await_open_transactions(
        &self,
        kafka: &Inner,
        partition: i32,
    ) -> Result<PartitionRange, Error> {
        let topic = self.topic.as_str();
        let until = Instant::now() + HIDDEN_MAX;
        let end = kafka.admin.end(topic, partition)?;
        loop {
            // A reader of committed records sees a partition end at its first open transaction.
            let (first, readable) = self
                .consumer
                .fetch_watermarks(topic, partition, ASK_MAX)
                .map_err(|error| self.failed(&error))?;
            if readable >= end {
                return Ok(PartitionRange { first, start: first, end: readable });
            }
            if Instant::now() > until {
                return Err(Error::retry(format!(
                    "a transaction is open at offset {readable} of partition {partition} of \
                     {topic}, and hides the records that are committed after it; try again when it \
                     has ended"
                )));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Moves the start of each partition to its first record of that time or later. The end of a
    /// transaction is such a record too, with the time at which it was committed, so that reading
    /// may start at an earlier event.
    fn start_at(&mut self, since: Time) -> Result<(), Error> {
        let mut times = TopicPartitionList::new();
        for partition in (0..).take(self.ranges.len()) {
            let at = Offset::Offset(since.as_ms());
            times
                .add_partition_offset(self.topic.as_str(), partition, at)
                .map_err(|error| self.failed(&error))?;
        }
        let found = self.consumer.offsets_for_times(times, ASK_MAX);
        let found = found.map_err(|error| self.failed(&error))?;
        for element in found.elements() {
            let range = usize::try_from(element.partition()).ok();
            let Some(range) = range.and_then(|index| self.ranges.get_mut(index)) else { continue };
            // A partition without such a record has its end instead.
            range.start = match element.offset() {
                Offset::Offset(offset) => offset.clamp(range.first, range.end),
                _ => range.end,
            };
        }
        Ok(())
    }

    /// Calls `take` with batch after batch, while it returns `true`.
    fn each(&self, mut take: impl FnMut(Vec<TopicRecord>) -> bool) -> Result<(), Error> {
        let mut open = self.assign()?;
        let mut batch = Batch::default();
        let (mut until, mut last) = (Instant::now() + SILENCE_MAX, KafkaError::NoMessageReceived);
        while open.iter().any(|is_open| *is_open) {
            match self.consumer.poll(left(until)) {
                Some(Ok(message)) => {
                    until = Instant::now() + SILENCE_MAX;
                    let at = usize::try_from(message.partition()).unwrap_or_default();
                    let end = self.ranges.get(at).map_or(0, |range| range.end);
                    if message.offset() < end {
                        batch.push(record(&message));
                    }
                    if message.offset() + 1 >= end
                        && let Some(is_open) = open.get_mut(at)
                    {
                        *is_open = false;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    until = Instant::now() + SILENCE_MAX;
                    let at = usize::try_from(partition).unwrap_or_default();
                    open.get_mut(at).into_iter().for_each(|is_open| *is_open = false);
                }
                Some(Err(error)) if denies_topic(&error) => return Err(self.failed(&error)),
                Some(Err(error)) => last = error,
                None => {}
            }
            if Instant::now() >= until {
                return Err(self.failed(&last));
            }
            if batch.is_full() {
                if !take(mem::take(&mut batch).records) {
                    return Ok(());
                }
                until = Instant::now() + SILENCE_MAX;
            }
        }
        take(batch.records);
        Ok(())
    }

    /// Assigns the partitions that have something to read, and returns which these are.
    fn assign(&self) -> Result<Vec<bool>, Error> {
        let mut all = TopicPartitionList::new();
        let mut open = Vec::new();
        for (partition, range) in (0..).zip(&self.ranges) {
            open.push(range.start < range.end);
            if range.start < range.end {
                all.add_partition_offset(
                    self.topic.as_str(),
                    partition,
                    Offset::Offset(range.start),
                )
                .map_err(|error| self.failed(&error))?;
            }
        }
        self.consumer.assign(&all).map_err(|error| self.failed(&error))?;
        Ok(open)
    }

    fn failed(&self, error: &KafkaError) -> Error {
        classify_call(&format!("read {}", self.topic), error, self.consumer.context())
    }
}

impl Batch {
    fn push(&mut self, record: TopicRecord) {
        self.bytes += record.value.as_ref().map_or(0, Vec::len);
        self.records.push(record);
    }

    fn is_full(&self) -> bool {
        self.records.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES
    }
}

fn record(message: &BorrowedMessage<'_>) -> TopicRecord {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let header = |header: rdkafka::message::Header<'_, &[u8]>| {
        (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
    };
    TopicRecord {
        partition: message.partition(),
        offset: message.offset(),
        time_ms: message.timestamp().to_millis(),
        is_append_time: matches!(message.timestamp(), Timestamp::LogAppendTime(_)),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.map(header).collect(),
    }
}
