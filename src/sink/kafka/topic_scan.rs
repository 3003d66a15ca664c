//! The topic scan: reads all committed records of a topic, from the first that is left to the end.
//!
//! `restore` compares a log with the records that were published of it. Records that are no event
//! of that log are skipped.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::admin::{ASK_MAX, State};
use super::classify::{classify_call, classify_topic};
use super::client_context::Context;
use super::{Inner, discard, left, settings};
use crate::domain::event::EventId;
use crate::domain::position::{LogId, Position};
use crate::domain::topic::Topic;
use crate::sink::{Error, PublishedRecord};

/// The longest time for which the cluster may return nothing at all.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// The longest time for which an open transaction may hide the records after it: longer than a
/// transaction lasts that a lane left open.
const HIDDEN_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Returns the records of a log after a position.
pub(super) fn scan(
    kafka: &Inner,
    topic: &Topic,
    log_id: LogId,
    after: Position,
) -> Result<Vec<PublishedRecord>, Error> {
    let state = kafka.admin.state(topic.as_str(), ASK_MAX)?;
    if let State::Refused(code) = state {
        return Err(classify_topic("ask about it", topic, code));
    }
    let Some(partitions) = state.partitions() else { return Ok(Vec::new()) };
    let reader: BaseConsumer<Context> = settings::create(&settings::reader(&kafka.config))?;
    let mut found = Vec::new();
    let read = await_open_transactions(kafka, &reader, topic, partitions).and_then(|()| {
        each(&reader, topic, partitions, |message| {
            found.extend(event(topic, message, log_id).filter(|record| record.position > after));
        })
    });
    discard(reader);
    read.map(|()| found)
}

/// Waits until no transaction that is open now hides committed records after it. It may be another
/// client's, since others may write to a tenant collection's topic too.
fn await_open_transactions(
    kafka: &Inner,
    reader: &BaseConsumer<Context>,
    topic: &Topic,
    partitions: usize,
) -> Result<(), Error> {
    let failed =
        |error: &KafkaError| classify_call(&format!("read {topic}"), error, reader.context());
    let until = Instant::now() + HIDDEN_MAX;
    for partition in (0..).take(partitions) {
        let end = kafka.admin.end(topic.as_str(), partition)?;
        loop {
            // A reader of committed records sees a partition end at its first open transaction.
            let (_, readable) = reader
                .fetch_watermarks(topic.as_str(), partition, ASK_MAX)
                .map_err(|e| failed(&e))?;
            if readable >= end {
                break;
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
    Ok(())
}

/// Calls `look` with each record.
fn each(
    reader: &BaseConsumer<Context>,
    topic: &Topic,
    partitions: usize,
    mut look: impl FnMut(&BorrowedMessage<'_>),
) -> Result<(), Error> {
    let failed =
        |error: &KafkaError| classify_call(&format!("read {topic}"), error, reader.context());
    let mut open: BTreeSet<i32> = (0..).take(partitions).collect();
    let mut all = TopicPartitionList::new();
    for partition in &open {
        all.add_partition_offset(topic.as_str(), *partition, Offset::Beginning)
            .map_err(|e| failed(&e))?;
    }
    reader.assign(&all).map_err(|e| failed(&e))?;
    let (mut until, mut last) = (Instant::now() + SILENCE_MAX, KafkaError::NoMessageReceived);
    while !open.is_empty() {
        match reader.poll(left(until)) {
            Some(Ok(message)) => {
                until = Instant::now() + SILENCE_MAX;
                look(&message);
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => last = error,
            None => {}
        }
        if Instant::now() >= until {
            return Err(failed(&last));
        }
    }
    Ok(())
}

/// Returns the event that a record was made of, if it is an event of the log.
fn event(topic: &Topic, message: &BorrowedMessage<'_>, log_id: LogId) -> Option<PublishedRecord> {
    let headers = message.headers()?;
    let value =
        |name| headers.iter().find(|header| header.key == name).and_then(|header| header.value);
    let text = |name| value(name).and_then(|bytes| std::str::from_utf8(bytes).ok());
    if LogId::parse(text("log_id")?).ok()? != log_id {
        return None;
    }
    Some(PublishedRecord {
        topic: topic.clone(),
        partition: message.partition(),
        offset: message.offset(),
        key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
        position: Position::parse(text("position")?).ok()?,
        event_id: EventId::parse(text("event_id")?).ok()?,
    })
}
