//! Fetch: the records of partitions from given offsets on, as soon as there are any.
//!
//! `requests` calls it. A request that finds too little waits until one of its topics grows;
//! nothing is looked for meanwhile. One that is led on, over others' events, is answered at once:
//! its client asks for what comes after them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::select_all;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest};
use kafka_protocol::messages::fetch_response::{
    FetchResponse, FetchableTopicResponse, PartitionData,
};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::answer::unread;
use super::batch;
use super::feed::{Feed, Records};
use super::frame::Fetched;
use super::topics::Seen;
use super::{Server, Session};
use crate::domain::compression::Compression;
use crate::domain::position::Position;

/// The longest time for which a request waits, whatever it says.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// The shortest time within which a request waits until its topics are opened and known.
const OPEN_WITHIN: Duration = Duration::from_secs(1);
/// The most bytes of one answer, unless its first batch has more.
const BYTES_MAX: usize = 16 << 20;
/// The bytes for which an answer has room in any case: it waits until others are read.
const ROOM_BYTES: usize = 1 << 20;

/// The first version whose clients know Zstandard; older ones are refused, as by a Kafka.
const ZSTD_SINCE: i16 = 10;

/// A topic's feed, or the reason why there is none.
type Opened = Result<Arc<Feed>, ResponseError>;

/// Answers a request.
pub(super) async fn fetch(
    server: &Server,
    session: &mut Session,
    version: i16,
    request: FetchRequest,
) -> Fetched {
    if request.session_id != 0 {
        let error = ResponseError::FetchSessionIdNotFound.code();
        return FetchResponse::default().with_error_code(error).into();
    }
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let until = Instant::now() + wait.min(WAIT_MAX);
    let least = usize::try_from(request.min_bytes).unwrap_or(0);
    let names = request.topics.iter().map(|topic| topic.topic.as_str());
    let topics = match server.topics.with(names, &session.principal).await {
        Ok(topics) => topics,
        Err(_) => {
            let error = ResponseError::KafkaStorageError.code();
            return FetchResponse::default().with_error_code(error).into();
        }
    };
    let opened_by = until.max(Instant::now() + OPEN_WITHIN);
    let feeds = open(server, version, &request, &topics, opened_by).await;
    let clients = Some(session.scope().clone());
    loop {
        // What is added after this ends the wait below.
        let grown: Vec<_> = feeds.values().flatten().map(|feed| feed.grown()).collect();
        let most = usize::try_from(request.max_bytes).unwrap_or(0).min(BYTES_MAX);
        let by = until.max(Instant::now() + OPEN_WITHIN);
        // Without room in time there are no records: the client asks again.
        let taking = server.answers.take(&clients, (ROOM_BYTES, most));
        let mut room = timeout_at(by, taking).await.ok();
        let left = room.as_ref().map_or(0, |room| room.bytes().min(most).max(1));
        let gathered = gather(server, &request, &feeds, (left, by)).await;
        let is_over = room.is_none() || Instant::now() >= until || server.closing.is_cancelled();
        let has_enough = gathered.bytes >= least || gathered.leads_on || gathered.has_error;
        if has_enough || is_over || grown.is_empty() {
            server.metrics.fetched(gathered.records(), gathered.bytes);
            if let Some(room) = &mut room {
                room.keep(gathered.bytes);
            }
            session.unread = room;
            let answer = FetchResponse::default().with_responses(gathered.topics);
            return Fetched { answer, batches: gathered.batches };
        }
        drop(room);
        wait_for(server, grown, until).await;
    }
}

async fn open(
    server: &Server,
    version: i16,
    request: &FetchRequest,
    topics: &Seen,
    until: Instant,
) -> HashMap<String, Opened> {
    let mut feeds = HashMap::with_capacity(request.topics.len());
    for asked in &request.topics {
        let opened = match topics.get(asked.topic.as_str()) {
            None => Err(ResponseError::UnknownTopicOrPartition),
            Some(served) if version < ZSTD_SINCE && served.compression == Compression::Zstd => {
                Err(ResponseError::UnsupportedCompressionType)
            }
            Some(served) => server.feed(topics, served, until).await,
        };
        feeds.insert(asked.topic.to_string(), opened);
    }
    feeds
}

/// Waits until one of the feeds grows, or until a time.
async fn wait_for(server: &Server, mut grown: Vec<watch::Receiver<u64>>, until: Instant) {
    let any = select_all(grown.iter_mut().map(|it| Box::pin(it.changed())));
    let closing = server.closing.cancelled();
    tokio::select! {
        _ = timeout_at(until, any) => {}
        () = closing => {}
    }
}

/// The answer as far as it goes.
#[derive(Default)]
struct Gathered {
    topics: Vec<FetchableTopicResponse>,
    /// The batches of each partition.
    batches: Vec<Vec<Bytes>>,
    bytes: usize,
    leads_on: bool,
    has_error: bool,
}

impl Gathered {
    /// Returns the number of events.
    fn records(&self) -> usize {
        self.batches.iter().flatten().map(|batch| batch::records(batch)).sum()
    }
}

/// A partition's part of the answer, and its records.
struct Part {
    data: PartitionData,
    records: Records,
}

impl From<PartitionData> for Part {
    fn from(data: PartitionData) -> Self {
        Self { data, records: Records::default() }
    }
}

async fn gather(
    server: &Server,
    request: &FetchRequest,
    feeds: &HashMap<String, Opened>,
    (most, until): (usize, Instant),
) -> Gathered {
    let mut gathered = Gathered::default();
    // Each partition is answered once, and nothing is read for an answer that is full or late.
    let (mut told, mut is_full) = (HashSet::new(), most == 0);
    for asked in &request.topics {
        let opened = &feeds[asked.topic.as_str()];
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for part in &asked.partitions {
            if !told.insert((asked.topic.as_str(), part.partition)) {
                continue;
            }
            is_full |= told.len() > 1 && Instant::now() >= until;
            let left = if is_full { 0 } else { most.saturating_sub(gathered.bytes) };
            let is_first = gathered.bytes == 0 && !is_full;
            let part = match opened {
                Ok(feed) => partition(server, feed, part, (left, is_first, until)).await,
                Err(error) => Ok(refused(part, *error).into()),
            };
            is_full |= part.is_err();
            let Part { data, records } = part.unwrap_or_else(Part::from);
            gathered.has_error |= data.error_code != 0;
            gathered.leads_on |= records.lead_on();
            gathered.bytes += records.batches.iter().map(Bytes::len).sum::<usize>();
            gathered.batches.push(records.batches);
            partitions.push(data);
        }
        let answered = FetchableTopicResponse::default().with_topic(asked.topic.clone());
        gathered.topics.push(answered.with_partitions(partitions));
    }
    gathered
}

/// Returns a partition's part of the answer; if its records don't fit, one without them, as the
/// error. The first records of an answer are sent whatever their size, so that every reader comes
/// on.
async fn partition(
    server: &Server,
    feed: &Feed,
    asked: &FetchPartition,
    (left, is_first, until): (usize, bool, Instant),
) -> Result<Part, PartitionData> {
    let index = usize::try_from(asked.partition).ok().filter(|it| *it < feed.partitions());
    let Some(index) = index else {
        return Ok(refused(asked, ResponseError::UnknownTopicOrPartition).into());
    };
    if let Some(error) = other_epoch(asked.current_leader_epoch, feed.epoch()) {
        return Ok(refused(asked, error).into());
    }
    let most = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(left);
    if asked.fetch_offset > feed.bounds(index).most {
        // Another replica may have told of what is not known here yet.
        match timeout_at(until, feed.learn(server.logs.subscribe())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Ok(refused(asked, unread(&error)).into()),
            // Nobody knows yet whether it is out of range.
            Err(_) => return Ok(refused(asked, ResponseError::KafkaStorageError).into()),
        }
    }
    let data = within(feed, asked, index);
    if data.error_code != 0 || most == 0 && !is_first {
        return Ok(data.into());
    }
    let from = Position::from_column(asked.fetch_offset.max(1));
    match feed.read(server.logs.subscribe(), index, from, most).await {
        Err(error) => Ok(refused(asked, unread(&error)).into()),
        Ok(records) => {
            feed.read_ahead(server.logs.subscribe(), index, &records);
            // What was read may have been removed meanwhile, or the end may have moved.
            let data = within(feed, asked, index);
            let fits = is_first || records.bytes <= most;
            if fits && data.error_code == 0 {
                return Ok(Part { data, records });
            }
            if fits { Ok(data.into()) } else { Err(data) }
        }
    }
}

/// Returns a partition's answer without records: its bounds, and an error if the offset is not
/// within them.
fn within(feed: &Feed, asked: &FetchPartition, index: usize) -> PartitionData {
    let bounds = feed.bounds(index);
    let is_within = (bounds.start..=bounds.most).contains(&asked.fetch_offset);
    let error = if is_within { 0 } else { ResponseError::OffsetOutOfRange.code() };
    PartitionData::default()
        .with_partition_index(asked.partition)
        .with_error_code(error)
        .with_high_watermark(bounds.end)
        .with_last_stable_offset(bounds.end)
        .with_log_start_offset(bounds.start)
        .with_aborted_transactions(Some(Vec::new()))
        .with_records(Some(Bytes::new()))
}

fn refused(asked: &FetchPartition, error: ResponseError) -> PartitionData {
    PartitionData::default()
        .with_partition_index(asked.partition)
        .with_error_code(error.code())
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_log_start_offset(-1)
        .with_aborted_transactions(Some(Vec::new()))
        .with_records(Some(Bytes::new()))
}

/// Returns the error for a client that knows another incarnation of the log.
pub(super) fn other_epoch(known: i32, present: i32) -> Option<ResponseError> {
    match known {
        known if known < 0 || known == present => None,
        known if known < present => Some(ResponseError::FencedLeaderEpoch),
        _ => Some(ResponseError::UnknownLeaderEpoch),
    }
}

#[cfg(test)]
mod tests;
