//! Record batches: events as a Kafka client reads them, in record format v2.
//!
//! `feed` makes them, once for all readers. An event's offset is its position, so offsets have
//! holes where positions belong to other partitions, as they have in compacted topics. Each batch
//! is written with its checksum in one buffer.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::domain::envelope::Envelope;
use crate::domain::position::Position;

/// The bytes of a batch before its records.
const HEADER_BYTES: usize = 61;
/// The index of the batch's length, and of the first byte that it counts.
const LENGTH: usize = 8;
const AFTER_LENGTH: usize = 12;
/// The index of the checksum, and of the first byte that it covers, where the attributes begin.
const CHECKSUM: usize = 17;
const CHECKED: usize = 21;
const AFTER_ATTRIBUTES: usize = 23;
/// The index of the number of records.
const RECORDS: usize = 57;
/// The version of the record format.
const MAGIC: i8 = 2;
/// The id, epoch and sequence of no producer: these batches have none.
const NO_PRODUCER: (i64, i16, i32) = (-1, -1, -1);
/// The attributes of a batch with markers, which clients keep from their applications.
const CONTROL: i16 = 0x20;
/// The record of a marker: that of the end of a transaction, as each transaction leaves one in a
/// Kafka's log. It stands at the batch's own offset and time; its key has the version and the type
/// (1 is a commit), and its value the version and the coordinator's epoch.
const MARKER: [u8; 17] = [32, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 0, 0];

/// A batch of one partition's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    /// The position of the first record.
    pub(super) first: Position,
    /// The position of the last record.
    pub(super) last: Position,
    /// The batch as it is sent.
    pub(super) bytes: Bytes,
}

impl Batch {
    /// Returns the bytes of the records.
    pub(super) fn records(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Returns the batch with its records in another form, which the attributes tell.
    pub(super) fn with_records(&self, attributes: i16, records: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + records.len());
        bytes.put_slice(&self.bytes[..HEADER_BYTES]);
        bytes.put_slice(records);
        (&mut bytes[CHECKED..AFTER_ATTRIBUTES]).put_i16(attributes);
        let length = length(&bytes);
        (&mut bytes[LENGTH..AFTER_LENGTH]).put_i32(length);
        put_checksum(&mut bytes);
        Self { first: self.first, last: self.last, bytes: bytes.freeze() }
    }
}

/// A batch that is being made.
#[derive(Debug)]
pub(super) struct BatchBuilder {
    bytes: BytesMut,
    first: Position,
    last: Position,
    first_ms: i64,
    last_ms: i64,
    records: i32,
}

impl BatchBuilder {
    /// Begins a batch with its first event. It has about so many bytes of records in the end.
    pub(super) fn new(event: &Envelope, bytes: usize) -> Self {
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + bytes);
        bytes.put_bytes(0, HEADER_BYTES);
        let (at, ms) = (event.position, event.time.as_ms());
        let mut batch = Self { bytes, first: at, last: at, first_ms: ms, last_ms: ms, records: 0 };
        batch.push(event);
        batch
    }

    /// Adds an event after the ones before it.
    pub(super) fn push(&mut self, event: &Envelope) {
        let at = Place {
            ms: event.time.as_ms() - self.first_ms,
            offset: (event.position.number() - self.first.number()).cast_signed(),
        };
        put_record(&mut self.bytes, event, at);
        self.last = event.position;
        self.last_ms = self.last_ms.max(event.time.as_ms());
        self.records += 1;
    }

    /// Returns the batch of a log in its incarnation of this number.
    pub(super) fn finish(mut self, epoch: i32) -> Batch {
        let Self { first, last, first_ms, last_ms, records, .. } = self;
        let times = (first_ms, last_ms);
        put_header(&mut self.bytes, Header { first, last, times, records, epoch });
        Batch { first, last, bytes: self.bytes.freeze() }
    }
}

/// Returns a batch that leads a reader over a position by a marker there, which is no event. One
/// without records would do for most clients, but librdkafka takes each for a record that was too
/// large to be sent, and the eleventh of a partition for an error.
pub(super) fn marker(at: Position, epoch: i32) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEADER_BYTES + MARKER.len());
    bytes.put_bytes(0, HEADER_BYTES);
    bytes.put_slice(&MARKER);
    put_header(&mut bytes, Header { first: at, last: at, times: (-1, -1), records: 1, epoch });
    (&mut bytes[CHECKED..AFTER_ATTRIBUTES]).put_i16(CONTROL);
    put_checksum(&mut bytes);
    bytes.freeze()
}

/// Returns the number of events in batches that follow each other.
pub(super) fn records(mut batches: &[u8]) -> usize {
    let mut records = 0;
    while batches.len() >= HEADER_BYTES {
        let number = |at: usize| usize::try_from((&batches[at..]).get_i32()).unwrap_or(0);
        let is_marker = (&batches[CHECKED..]).get_i16() & CONTROL != 0;
        let (length, its) = (number(LENGTH), number(RECORDS));
        records += if is_marker { 0 } else { its };
        batches = batches.get(AFTER_LENGTH + length..).unwrap_or_default();
    }
    records
}

struct Header {
    first: Position,
    last: Position,
    /// The times of the first record and of the youngest one, in epoch milliseconds.
    times: (i64, i64),
    records: i32,
    epoch: i32,
}

fn put_header(bytes: &mut BytesMut, header: Header) {
    let Header { first, last, times, records, epoch } = header;
    let length = length(bytes);
    let last_delta = i32::try_from(last.number() - first.number()).unwrap_or(i32::MAX);
    let mut head = &mut bytes[..];
    head.put_i64(first.as_column());
    head.put_i32(length);
    head.put_i32(epoch);
    head.put_i8(MAGIC);
    head.put_u32(0);
    head.put_i16(0);
    head.put_i32(last_delta);
    head.put_i64(times.0);
    head.put_i64(times.1);
    let (id, producer_epoch, sequence) = NO_PRODUCER;
    head.put_i64(id);
    head.put_i16(producer_epoch);
    head.put_i32(sequence);
    head.put_i32(records);
    put_checksum(bytes);
}

/// Returns the length that a batch says it has.
fn length(batch: &[u8]) -> i32 {
    i32::try_from(batch.len() - AFTER_LENGTH).expect("a page is far smaller")
}

/// Returns the checksum that a batch must have.
pub(super) fn checksum(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[CHECKED..])
}

fn put_checksum(batch: &mut [u8]) {
    let checksum = checksum(batch);
    (&mut batch[CHECKSUM..CHECKED]).put_u32(checksum);
}

/// How far a record is from the first one of its batch.
struct Place {
    ms: i64,
    offset: i64,
}

fn put_record(bytes: &mut BytesMut, event: &Envelope, at: Place) {
    let headers = event.record_headers();
    let (key, value) = (event.key.as_str().as_bytes(), event.value());
    let (count, header_bytes) = headers.iter().fold((0, 0), |(count, bytes), (name, value)| {
        (count + 1, bytes + sized_bytes(Some(name.len())) + sized_bytes(Some(value.len())))
    });
    let length = 1
        + varint_bytes(at.ms)
        + varint_bytes(at.offset)
        + sized_bytes(Some(key.len()))
        + sized_bytes(value.map(Bytes::len))
        + varint_bytes(signed(count))
        + header_bytes;
    bytes.reserve(varint_bytes(signed(length)) + length);
    put_varint(bytes, signed(length));
    bytes.put_i8(0);
    put_varint(bytes, at.ms);
    put_varint(bytes, at.offset);
    put_sized(bytes, Some(key));
    put_sized(bytes, value.map(AsRef::as_ref));
    put_varint(bytes, signed(count));
    for (name, value) in headers.iter() {
        put_sized(bytes, Some(name.as_bytes()));
        put_sized(bytes, Some(value.as_bytes()));
    }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).expect("no length is that great")
}

/// Returns the bytes of a value with its length before it; `None` is no value at all.
fn sized_bytes(length: Option<usize>) -> usize {
    length.map_or(1, |length| varint_bytes(signed(length)) + length)
}

fn put_sized(bytes: &mut BytesMut, value: Option<&[u8]>) {
    match value {
        Some(value) => {
            put_varint(bytes, signed(value.len()));
            bytes.put_slice(value);
        }
        None => put_varint(bytes, -1),
    }
}

/// A number whose small values of either sign have few bits (protobuf's zigzag).
fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

fn varint_bytes(number: i64) -> usize {
    let bits = 64 - zigzag(number).leading_zeros() as usize;
    bits.div_ceil(7).max(1)
}

fn put_varint(bytes: &mut BytesMut, number: i64) {
    put_unsigned(bytes, zigzag(number));
}

/// Puts a number in as few bytes as it has bits for.
pub(super) fn put_unsigned(bytes: &mut BytesMut, mut rest: u64) {
    while rest >= 0x80 {
        bytes.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.put_u8(rest as u8);
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BytesMut};
    use kafka_protocol::records::{Record, RecordBatchDecoder};

    use super::{
        Batch, BatchBuilder, CONTROL, checksum, marker, put_varint, records, varint_bytes,
    };
    use crate::domain::envelope::Envelope;
    use crate::domain::position::Position;
    use crate::listen::fixture;

    fn decode(batch: &Batch) -> Vec<Record> {
        RecordBatchDecoder::decode(&mut batch.bytes.clone()).unwrap().records
    }

    fn built(events: &[Envelope]) -> Batch {
        let mut batch = BatchBuilder::new(&events[0], 0);
        events[1..].iter().for_each(|event| batch.push(event));
        batch.finish(3)
    }

    #[test]
    fn a_batch_has_each_event_at_its_position_with_its_time_and_headers() {
        let events = [7, 8, 300].map(|position| fixture::event("item", "a", position));
        let batch = built(&events);
        let records = decode(&batch);
        assert_eq!(batch.last, events[2].position);
        assert_eq!(records.len(), events.len());
        for (record, event) in records.iter().zip(&events) {
            assert_eq!(record.offset, event.position.as_column());
            assert_eq!(record.timestamp, event.time.as_ms());
            assert_eq!(record.partition_leader_epoch, 3);
            assert_eq!(record.key.as_deref(), Some(event.key.as_str().as_bytes()));
            assert_eq!(record.value, event.value().cloned());
            let headers = record.headers.iter().map(|(name, value)| {
                (name.to_string(), String::from_utf8(value.clone().unwrap().to_vec()).unwrap())
            });
            let wanted = event.record_headers();
            let wanted = wanted.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(headers.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_erased_event_of_a_compacted_topic_has_no_value() {
        let records = decode(&built(&[fixture::tombstone("item", "a", 9)]));
        assert_eq!(records[0].value, None);
    }

    #[test]
    fn a_marker_leads_over_what_was_looked_at_and_is_no_event() {
        let mut bytes = marker(Position::new(2_000).unwrap(), 1);
        let markers = RecordBatchDecoder::decode(&mut bytes.clone()).unwrap().records;
        assert_eq!(markers.len(), 1);
        let (marker, key, value) = (&markers[0], [0, 0, 0, 1], [0; 6]);
        assert!(marker.control && !marker.transactional);
        assert_eq!((marker.offset, marker.key.as_deref()), (2_000, Some(&key[..])), "a commit's");
        assert_eq!(marker.value.as_deref(), Some(&value[..]));
        assert!(marker.headers.is_empty());

        let (checked, length) = (checksum(&bytes), bytes.len());
        assert_eq!(bytes.get_i64(), 2_000, "the base offset");
        assert_eq!(bytes.get_i32() as usize, length - super::AFTER_LENGTH);
        assert_eq!(bytes.get_i32(), 1, "the epoch");
        assert_eq!(bytes.get_i8(), 2);
        assert_eq!(bytes.get_u32(), checked);
        assert_eq!(bytes.get_i16(), CONTROL);
        assert_eq!(bytes.get_i32(), 0, "the last offset, from the base offset on");
        bytes.advance(30);
        assert_eq!(bytes.get_i32(), 1, "the number of records");
    }

    #[test]
    fn the_events_of_batches_that_follow_each_other_are_counted() {
        let marker = marker(Position::new(400).unwrap(), 3);
        let events = [7, 8, 300].map(|position| fixture::event("item", "a", position));
        let batches = [built(&events).bytes, marker, built(&events[..1]).bytes];
        assert_eq!(records(&batches.concat()), 4);
        assert_eq!(records(&batches[1]), 0);
        assert_eq!(records(&[]), 0);
    }

    #[test]
    fn a_number_has_as_many_bytes_as_are_reckoned_with() {
        for number in [0, -1, 1, 63, 64, -64, -65, 8_191, 8_192, i64::MAX, i64::MIN] {
            let mut bytes = BytesMut::new();
            put_varint(&mut bytes, number);
            assert_eq!(bytes.len(), varint_bytes(number), "{number}");
        }
    }
}
