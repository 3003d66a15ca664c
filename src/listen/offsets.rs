//! ListOffsets and OffsetForLeaderEpoch: where partitions begin and end, which offset a time has,
//! and how far an earlier incarnation of a log went.

use std::collections::HashSet;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderEpochRequest;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use tokio::time::Instant;

use super::answer::{unavailable, unread};
use super::epochs;
use super::fetch::other_epoch;
use super::topics::{Seen, Served};
use super::{Server, Session};
use crate::domain::incarnation::Incarnations;
use crate::domain::time::Time;

/// The times that stand for the end and the start of a partition.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// The numbers that stand for no offset, no time and no epoch.
const NONE: i64 = -1;
pub(super) const NO_EPOCH: i32 = -1;
/// The first version of ListOffsets whose answer has epochs.
const EPOCHS_SINCE: i16 = 4;

/// The longest time for which a request waits until a topic is opened: less than clients wait.
const OPEN_WITHIN: Duration = Duration::from_secs(20);

/// Answers a request for offsets by time.
pub(super) async fn list(
    server: &Server,
    session: &Session,
    version: i16,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let names = request.topics.iter().map(|topic| topic.name.as_str());
    let topics =
        server.topics.with(names, &session.principal).await.map_err(|error| unavailable(&error));
    let mut answered = Vec::with_capacity(request.topics.len());
    let mut told = HashSet::new();
    for asked in &request.topics {
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for part in &asked.partitions {
            // Once each, however often it is named.
            if !told.insert((asked.name.as_str(), part.partition_index)) {
                continue;
            }
            let found = match &topics {
                Ok(topics) => offset(server, topics, asked.name.as_str(), part).await,
                Err(error) => Err(*error),
            };
            let answer =
                ListOffsetsPartitionResponse::default().with_partition_index(part.partition_index);
            partitions.push(match found {
                Ok((offset, time, epoch)) => {
                    let answer = answer.with_offset(offset).with_timestamp(time);
                    if version >= EPOCHS_SINCE { answer.with_leader_epoch(epoch) } else { answer }
                }
                Err(error) => answer
                    .with_error_code(error.code())
                    .with_offset(NONE)
                    .with_timestamp(NONE)
                    .with_leader_epoch(NO_EPOCH),
            });
        }
        let topic = ListOffsetsTopicResponse::default().with_name(asked.name.clone());
        answered.push(topic.with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(answered)
}

/// Returns an offset with its time and epoch.
async fn offset(
    server: &Server,
    topics: &Seen,
    name: &str,
    asked: &ListOffsetsPartition,
) -> Result<(i64, i64, i32), ResponseError> {
    let served = topics.get(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let index = index(served, asked.partition_index)?;
    let feed = server.feed(topics, served, Instant::now() + OPEN_WITHIN).await?;
    if let Some(error) = other_epoch(asked.current_leader_epoch, feed.epoch()) {
        return Err(error);
    }
    let bounds = feed.bounds(index);
    match asked.timestamp {
        LATEST => Ok((bounds.end, NONE, feed.epoch())),
        EARLIEST => Ok((bounds.start, NONE, feed.epoch())),
        time if time < 0 => Err(ResponseError::UnsupportedVersion),
        time => {
            let since = feed.since(server.logs.subscribe(), index, Time::from_ms(time));
            match since.await.map_err(|error| unread(&error))? {
                Some((position, time)) => Ok((position.as_column(), time.as_ms(), feed.epoch())),
                None => Ok((NONE, NONE, NO_EPOCH)),
            }
        }
    }
}

/// Answers a request for the ends of earlier incarnations.
pub(super) async fn for_epochs(
    server: &Server,
    session: &Session,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let names = request.topics.iter().map(|topic| topic.topic.as_str());
    let topics =
        server.topics.with(names, &session.principal).await.map_err(|error| unavailable(&error));
    let mut answered = Vec::with_capacity(request.topics.len());
    let mut told = HashSet::new();
    for asked in &request.topics {
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for part in &asked.partitions {
            if !told.insert((asked.topic.as_str(), part.partition)) {
                continue;
            }
            let end = match &topics {
                Ok(topics) => {
                    let known = (part.current_leader_epoch, part.leader_epoch);
                    end_of(server, topics, asked.topic.as_str(), part.partition, known).await
                }
                Err(error) => Err(*error),
            };
            let answer = EpochEndOffset::default().with_partition(part.partition);
            partitions.push(match end {
                Ok((epoch, end)) => answer.with_leader_epoch(epoch).with_end_offset(end),
                Err(error) => answer
                    .with_error_code(error.code())
                    .with_leader_epoch(NO_EPOCH)
                    .with_end_offset(NONE),
            });
        }
        let topic = OffsetForLeaderTopicResult::default().with_topic(asked.topic.clone());
        answered.push(topic.with_partitions(partitions));
    }
    OffsetForLeaderEpochResponse::default().with_topics(answered)
}

/// Returns the epoch and the offset at which it ended, in a partition.
async fn end_of(
    server: &Server,
    topics: &Seen,
    name: &str,
    partition: i32,
    (current, asked): (i32, i32),
) -> Result<(i32, i64), ResponseError> {
    let served = topics.get(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let index = index(served, partition)?;
    let feed = server.feed(topics, served, Instant::now() + OPEN_WITHIN).await?;
    if let Some(error) = other_epoch(current, feed.epoch()) {
        return Err(error);
    }
    // Another replica may have given what is not known here yet, and a reader that is told of an
    // end before its place believes that the log was cut.
    feed.learn(server.logs.subscribe()).await.map_err(|error| unread(&error))?;
    let end = feed.bounds(index).most;
    if asked == feed.epoch() {
        return Ok((asked, end));
    }
    let incarnations = server.store.incarnations(&served.tenant).await;
    let incarnations = incarnations.map_err(|error| unavailable(&error))?;
    let (epoch, ended) = ended(&incarnations, asked).unwrap_or((NO_EPOCH, NONE));
    Ok((epoch, ended.min(end)))
}

/// Returns the greatest epoch that is no greater than one that has ended, and the offset at which
/// it ended. One from before a purge has ended where the present log begins.
fn ended(incarnations: &Incarnations, asked: i32) -> Option<(i32, i64)> {
    let all = epochs::all(incarnations);
    let next = all.iter().position(|(epoch, _)| *epoch > asked)?;
    let its = next.checked_sub(1).map_or(asked, |its| all[its].0);
    Some((its, all[next].1.as_column()))
}

/// Returns a partition's index, if the topic has it.
pub(super) fn index(served: &Served, partition: i32) -> Result<usize, ResponseError> {
    let index = usize::try_from(partition).ok().filter(|it| *it < usize::from(served.partitions));
    index.ok_or(ResponseError::UnknownTopicOrPartition)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    use kafka_protocol::messages::offset_for_leader_epoch_request::{
        OffsetForLeaderPartition, OffsetForLeaderTopic,
    };
    use uuid::Uuid;

    use super::{LATEST, ListOffsetsRequest, OffsetForLeaderEpochRequest, ended, for_epochs, list};
    use crate::domain::incarnation::{Incarnation, Incarnations};
    use crate::domain::position::{LogId, Position};
    use crate::listen::answer::text;
    use crate::listen::fixture::{Bed, ITEM, anyone};

    #[tokio::test]
    async fn a_partition_is_answered_once_however_often_it_is_named() {
        let mut bed = Bed::new().await;
        bed.append(&["a"]).await;
        let (server, client) = (bed.server().await, anyone());
        let part = ListOffsetsPartition::default().with_timestamp(LATEST);
        let topic = ListOffsetsTopic::default().with_name(text(ITEM).into());
        let topic = topic.with_partitions(vec![part; 3]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic; 2]);
        let answer = list(&server, &client, 1, request).await;
        let answers: Vec<_> = answer.topics.iter().map(|it| it.partitions.len()).collect();
        assert_eq!((answers, answer.topics[0].partitions[0].offset), (vec![1, 0], 2));

        let part = OffsetForLeaderPartition::default().with_current_leader_epoch(-1);
        let part = part.with_leader_epoch(1);
        let topic = OffsetForLeaderTopic::default().with_topic(text(ITEM).into());
        let topic = topic.with_partitions(vec![part; 3]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        let answer = for_epochs(&server, &client, request).await;
        let ends: Vec<_> = answer.topics[0].partitions.iter().map(|it| it.end_offset).collect();
        assert_eq!(ends, [2]);
    }

    #[test]
    fn an_epoch_ended_where_the_next_one_began_and_a_former_log_where_the_present_one_begins() {
        let one = |(number, from): (u128, u64)| Incarnation {
            log_id: LogId::new(Uuid::from_u128(number)),
            from: Position::new(from).unwrap(),
        };
        // After a purge at position 20, and two restores.
        let all = Incarnations::new((1..).zip([21, 30, 25]).map(one).collect());
        let ends = [3, 21, 24, 30, 31, 99].map(|asked| ended(&all, asked));
        let before = [Some((3, 21)), Some((21, 30)), Some((21, 30)), Some((30, 25))];
        assert_eq!(ends, [&before[..], &[None, None]].concat()[..]);
    }
}
