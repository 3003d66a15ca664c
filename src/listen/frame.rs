//! Frames: an answer becomes bytes, and goes out.
//!
//! `requests` makes them, and `connection` sends them. The records of a fetch are sent from where
//! `feed` keeps them for all readers; all else is written as Kafka's protocol has it.

use std::io::{self, IoSlice};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, FetchResponse, ResponseHeader};
use kafka_protocol::protocol::Encodable;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::batch::put_unsigned;

/// The first version of a fetch whose parts end with tagged fields, and whose lengths are varints.
const FLEXIBLE_FETCH: i16 = 12;

/// A request as its head says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) key: ApiKey,
    pub(super) version: i16,
    pub(super) correlation: i32,
}

/// The answer of a fetch.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// The answer, in which no partition has records.
    pub(super) answer: FetchResponse,
    /// The batches of each partition of the answer, in the same order.
    pub(super) batches: Vec<Vec<Bytes>>,
}

impl From<FetchResponse> for Fetched {
    fn from(answer: FetchResponse) -> Self {
        Self { answer, batches: Vec::new() }
    }
}

/// An answer as it is sent: its parts, one after the other.
#[derive(Debug)]
pub(super) struct Frame(Vec<Bytes>);

impl Frame {
    /// Makes the frame of an answer: its length, its head and the message.
    pub(super) fn new(head: Head, message: &impl Encodable) -> Result<Self, String> {
        Self::of(vec![written(head, message)?.freeze()])
    }

    /// Makes the frame of a fetch's answer.
    pub(super) fn of_fetch(head: Head, fetched: Fetched) -> Result<Self, String> {
        let Fetched { answer, batches } = fetched;
        let mut rest = written(head, &answer)?;
        let places = places_of_records(head.version, &answer, rest.len())?;
        let (mut parts, mut at) = (Vec::new(), 0);
        for (place, batches) in places.into_iter().zip(batches) {
            if batches.is_empty() {
                continue;
            }
            let mut before = rest.split_to(place - at);
            put_length(&mut before, head.version, batches.iter().map(Bytes::len).sum())?;
            parts.push(before.freeze());
            parts.extend(batches);
            let none = no_records(head.version);
            rest.advance(none);
            at = place + none;
        }
        parts.push(rest.freeze());
        Self::of(parts)
    }

    /// Makes a frame of what follows its length.
    fn of(mut parts: Vec<Bytes>) -> Result<Self, String> {
        let length = i32::try_from(parts.iter().map(Bytes::len).sum::<usize>());
        let length = length.map_err(|why| why.to_string())?.to_be_bytes();
        parts.insert(0, Bytes::copy_from_slice(&length));
        Ok(Self(parts))
    }

    /// Sends the frame: without a copy, if the stream takes many parts at once.
    pub(super) async fn send(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if !stream.is_write_vectored() {
            return stream.write_all(&self.0.concat()).await;
        }
        let mut parts: Vec<_> = self.0.iter().map(|part| IoSlice::new(part)).collect();
        let mut left = &mut parts[..];
        while !left.is_empty() {
            match stream.write_vectored(left).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                sent => IoSlice::advance_slices(&mut left, sent),
            }
        }
        Ok(())
    }
}

/// Returns an answer's head and the message.
fn written(head: Head, message: &impl Encodable) -> Result<BytesMut, String> {
    let mut frame = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(head.correlation);
    let version = head.key.response_header_version(head.version);
    header.encode(&mut frame, version).map_err(|why| why.to_string())?;
    message.encode(&mut frame, head.version).map_err(|why| why.to_string())?;
    Ok(frame)
}

/// Returns the place of each partition's records in the answer of a fetch that ends at an index.
/// They come last in their partition, but for tagged fields, of which this answer has none.
fn places_of_records(
    version: i16,
    answer: &FetchResponse,
    end: usize,
) -> Result<Vec<usize>, String> {
    let tagged = usize::from(version >= FLEXIBLE_FETCH);
    let (mut places, mut end) = (Vec::new(), end - tagged);
    for topic in answer.responses.iter().rev() {
        let start = end - size(topic, version)?;
        end -= tagged;
        for partition in topic.partitions.iter().rev() {
            places.push(end - tagged - no_records(version));
            end -= size(partition, version)?;
        }
        end = start;
    }
    places.reverse();
    Ok(places)
}

fn size(message: &impl Encodable, version: i16) -> Result<usize, String> {
    message.compute_size(version).map_err(|why| why.to_string())
}

/// Returns the bytes of records of which there are none: their length.
fn no_records(version: i16) -> usize {
    if version >= FLEXIBLE_FETCH { 1 } else { 4 }
}

/// Puts the length of a partition's records, which stands before them.
fn put_length(bytes: &mut BytesMut, version: i16, length: usize) -> Result<(), String> {
    let length = i32::try_from(length).map_err(|why| why.to_string())?;
    if version >= FLEXIBLE_FETCH {
        // One more than it is: 0 stands for null.
        put_unsigned(bytes, u64::from(length.unsigned_abs()) + 1);
    } else {
        bytes.put_i32(length);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    use kafka_protocol::messages::{ApiKey, FetchResponse};
    use tokio::io::{AsyncReadExt, duplex};

    use super::{Fetched, Frame, Head};
    use crate::listen::answer::text;

    /// Returns batches of so many bytes, which are like no others.
    fn batches(bytes: &[usize]) -> Vec<Bytes> {
        bytes.iter().map(|bytes| (0..*bytes).map(|at| (at + bytes) as u8).collect()).collect()
    }

    /// Returns an answer of topics whose partitions have these batches, and the same one with the
    /// records in it.
    fn fetched(topics: &[Vec<Vec<Bytes>>]) -> (Fetched, FetchResponse) {
        let part = |(index, records): (i32, Bytes)| {
            let part = PartitionData::default().with_partition_index(index).with_high_watermark(9);
            part.with_aborted_transactions(Some(Vec::new())).with_records(Some(records))
        };
        let answer = |records: &dyn Fn(&Vec<Bytes>) -> Bytes| {
            let topic = |partitions: &Vec<Vec<Bytes>>| {
                let name = format!("of-{}", partitions.len());
                let parts = (0..).zip(partitions.iter().map(records)).map(part).collect();
                FetchableTopicResponse::default()
                    .with_topic(text(name).into())
                    .with_partitions(parts)
            };
            FetchResponse::default().with_responses(topics.iter().map(topic).collect())
        };
        let without = answer(&|_| Bytes::new());
        let whole = answer(&|batches| batches.concat().into());
        (Fetched { answer: without, batches: topics.concat() }, whole)
    }

    fn head(version: i16) -> Head {
        Head { key: ApiKey::Fetch, version, correlation: 7 }
    }

    #[test]
    fn the_frame_of_a_fetch_is_that_of_its_answer_with_the_records_in_it() {
        let some = vec![batches(&[]), batches(&[70, 20_000]), batches(&[]), batches(&[126])];
        let all = vec![batches(&[1]), batches(&[127, 128, 3])];
        let none = vec![batches(&[]), batches(&[])];
        let many = vec![batches(&[61]); 200];
        let answers = [
            vec![],
            vec![vec![]],
            vec![none.clone()],
            vec![all.clone()],
            vec![some.clone(), vec![], all.clone(), none],
            vec![vec![], many, some],
            vec![all; 130],
        ];
        for version in 4..=12 {
            for answer in &answers {
                let (fetched, whole) = fetched(answer);
                let whole = Frame::new(head(version), &whole).unwrap().0.concat();
                assert_eq!(whole[..4], u32::try_from(whole.len() - 4).unwrap().to_be_bytes());
                let frame = Frame::of_fetch(head(version), fetched).unwrap();
                assert!(frame.0.concat() == whole, "version {version}, {} topics", answer.len());
            }
        }
    }

    #[test]
    fn the_records_of_a_fetch_are_not_copied() {
        let records = batches(&[70, 80]);
        let (fetched, _) = fetched(&[vec![records.clone()]]);
        let frame = Frame::of_fetch(head(12), fetched).unwrap();
        let sent: Vec<_> = frame.0.iter().map(|part| part.as_ptr()).collect();
        assert!(records.iter().all(|batch| sent.contains(&batch.as_ptr())));
    }

    #[tokio::test]
    async fn a_frame_is_sent_whole_however_little_the_stream_takes_at_once() {
        for version in [4, 12] {
            let all = vec![batches(&[70, 20_000]), batches(&[]), batches(&[1, 2])];
            let frame = Frame::of_fetch(head(version), fetched(&[all]).0).unwrap();
            for takes in [1, 7, 4_096, 1 << 20] {
                let (mut sending, mut reading) = duplex(takes);
                let mut read = Vec::new();
                let sends = async {
                    frame.send(&mut sending).await.unwrap();
                    drop(sending);
                };
                let ((), all) = tokio::join!(sends, reading.read_to_end(&mut read));
                all.unwrap();
                assert!(read == frame.0.concat(), "version {version}, {takes} bytes at once");
            }
        }
    }
}
