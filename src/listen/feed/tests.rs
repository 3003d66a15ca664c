//! The promises of a feed: no event is left out, however the chunks lie.

mod filed;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use kafka_protocol::records::{Record, RecordBatchDecoder};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{Bounds, EVENTS_MAX, Feed};
use crate::domain::compression::Compression;
use crate::domain::incarnation::{Incarnation, Incarnations};
use crate::domain::partition;
use crate::domain::position::{LogId, Position};
use crate::listen::cache::Cache;
use crate::listen::fixture::{Bed, diku, item, served};
use crate::listen::topics::Served;

const PARTITIONS: usize = 3;

fn at(number: u64) -> Position {
    Position::new(number).unwrap()
}

/// Reads a partition from its start on as librdkafka does, so many bytes at a time, and leaves out
/// what lies before the offset that it asked for; returns the offsets of the records.
async fn read_all(bed: &Bed, feed: &Feed, partition: usize, bytes_max: usize) -> Vec<i64> {
    let (mut offsets, mut from) = (Vec::new(), 0);
    loop {
        let asked = at(u64::try_from(from.max(1)).unwrap());
        let records = feed.read(&bed.subscribe, partition, asked, bytes_max).await.unwrap();
        if records.batches.is_empty() {
            return offsets;
        }
        let asked = from;
        for batch in records.batches {
            let records = RecordBatchDecoder::decode(&mut batch.clone()).unwrap().records;
            let events = records.iter().filter(|record| !record.control);
            let new = events.map(|record| record.offset);
            offsets.extend(new.filter(|offset| *offset >= asked));
            from = last_of(&batch) + 1;
        }
    }
}

fn last_of(batch: &Bytes) -> i64 {
    let mut batch = batch.clone();
    let base = batch.get_i64();
    batch.advance(15);
    base + i64::from(batch.get_i32())
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("key-{}", number % 17)).collect()
}

async fn append(bed: &mut Bed, keys: &[String]) {
    bed.append(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_reader_gets_each_event_of_its_partition_once_however_the_chunks_lie() {
    let mut bed = Bed::new().await;
    let all = keys(500);
    append(&mut bed, &all[..300]).await;
    let feed = bed.logs.feed(&served(&item(), PARTITIONS as u16), None).await.unwrap();
    // Somebody who begins within leaves chunks that lie across those of others.
    for from in [120, 7, 300, 250] {
        feed.read(&bed.subscribe, 1, at(from), 1).await.unwrap();
    }
    let mut grown = feed.grown();
    for part in all[300..].chunks(40) {
        append(&mut bed, part).await;
        grown.changed().await.unwrap();
    }
    for bytes_max in [1, 1 << 12, 1 << 20] {
        for partition in 0..PARTITIONS {
            let its = |key: &String| partition::of_key(key.as_bytes(), PARTITIONS) == partition;
            let wanted = (1..).zip(&all).filter(|(_, key)| its(key)).map(|(offset, _)| offset);
            let wanted: Vec<i64> = wanted.collect();
            assert_eq!(read_all(&bed, &feed, partition, bytes_max).await, wanted);
            let end = wanted.last().unwrap() + 1;
            assert_eq!(feed.bounds(partition), Bounds { start: 0, end, most: 501 });
        }
        feed.forget();
    }
}

#[tokio::test]
async fn chunks_that_overlap_are_in_no_answer_together() {
    let mut bed = Bed::new().await;
    let all = EVENTS_MAX + 100;
    append(&mut bed, &keys(all)).await;
    let feed = bed.logs.feed(&served(&item(), 1), None).await.unwrap();
    // It reaches beyond the chunk of whoever begins at the start, and begins within it.
    feed.read(&bed.subscribe, 0, at(50), 1).await.unwrap();
    let wanted: Vec<i64> = (1..).take(all).collect();
    assert_eq!(read_all(&bed, &feed, 0, 16 << 20).await, wanted);
}

#[tokio::test]
async fn a_chunk_of_the_newest_events_does_not_stand_for_older_ones() {
    let mut bed = Bed::new().await;
    append(&mut bed, &keys(60)).await;
    let feed = bed.logs.feed(&served(&item(), 1), None).await.unwrap();
    let mut grown = feed.grown();
    append(&mut bed, &keys(5)).await;
    grown.changed().await.unwrap();
    let wanted: Vec<i64> = (1..=65).collect();
    assert_eq!(read_all(&bed, &feed, 0, 1).await, wanted, "only the newest were kept");
}

#[tokio::test]
async fn a_feed_of_another_room_is_bounded_by_its_cache() {
    let mut bed = Bed::new().await;
    append(&mut bed, &keys(400)).await;
    let feed =
        Feed::new(&served(&item(), 1), Arc::default(), Arc::new(Cache::new(1, Arc::default())));
    feed.learn(&bed.subscribe).await.unwrap();
    for _ in 0..2 {
        assert_eq!(read_all(&bed, &feed, 0, 1).await.len(), 400);
    }
    assert!(feed.chunks() <= 1);
}

#[tokio::test]
async fn a_batch_is_compressed_once_for_all_of_its_readers() {
    let mut bed = Bed::new().await;
    append(&mut bed, &keys(100)).await;
    let plain = bed.logs.feed(&served(&item(), 1), None).await.unwrap();
    let plain = plain.read(&bed.subscribe, 0, at(1), 1).await.unwrap();
    let compressed = Served { compression: Compression::Lz4, ..served(&item(), 1) };
    let feed =
        Feed::new(&compressed, Arc::default(), Arc::new(Cache::new(1 << 20, Arc::default())));
    feed.learn(&bed.subscribe).await.unwrap();
    let mut read = Vec::new();
    for _ in 0..2 {
        read.push(feed.read(&bed.subscribe, 0, at(1), 1).await.unwrap());
    }
    assert!(read[0].bytes < plain.bytes, "{} of {} bytes", read[0].bytes, plain.bytes);
    let [one, other] = [0, 1].map(|at: usize| read[at].batches[0].as_ptr());
    assert_eq!(one, other);
}

/// The reader of the log has not come there yet, or another replica has appended.
#[tokio::test]
async fn what_a_reader_got_is_within_the_bounds() {
    let mut bed = Bed::new().await;
    append(&mut bed, &keys(10)).await;
    let feed =
        Feed::new(&served(&item(), 1), Arc::default(), Arc::new(Cache::new(1, Arc::default())));
    feed.learn(&bed.subscribe).await.unwrap();
    append(&mut bed, &keys(5)).await;
    let grown = feed.grown();
    feed.read(&bed.subscribe, 0, at(3), 1 << 20).await.unwrap();
    assert_eq!(feed.bounds(0), Bounds { start: 0, end: 16, most: 16 });
    assert!(grown.has_changed().unwrap(), "whoever waits at the end is woken");
    assert_eq!(read_all(&bed, &feed, 0, 1).await.len(), 15);
}

#[tokio::test]
async fn events_from_before_a_restore_have_the_id_that_they_were_published_under() {
    let mut bed = Bed::new().await;
    append(&mut bed, &keys(4)).await;
    let present = bed.store.incarnations(&diku()).await.unwrap().newest().unwrap();
    let former = LogId::new(Uuid::from_u128(7));
    let one = |log_id, from| Incarnation { log_id, from: at(from) };
    let all = Incarnations::new(vec![one(former, 1), one(present, 3)]);
    let cache = Arc::new(Cache::new(1 << 20, Arc::default()));
    let feed = Feed::new(&served(&item(), 1), Arc::new(all), cache);
    feed.learn(&bed.subscribe).await.unwrap();
    let records = feed.read(&bed.subscribe, 0, at(1), 1 << 20).await.unwrap();
    let records = RecordBatchDecoder::decode(&mut records.batches[0].clone()).unwrap().records;
    let id = |record: &Record| {
        let id = record.headers.iter().find(|(name, _)| name.as_str() == "log_id").unwrap().1;
        String::from_utf8(id.clone().unwrap().to_vec()).unwrap()
    };
    let ids: Vec<_> = records.iter().map(id).collect();
    let [former, present] = [former, present].map(|id| id.to_string());
    assert_eq!(ids, [&former, &former, &present, &present].map(Clone::clone));
}

/// Reads a partition of a log of so many stretches, which somebody reads on from answer to answer,
/// and waits until so many are kept.
async fn reads_on(stretches: usize, cache_bytes: usize, kept: usize) {
    let mut bed = Bed::new().await;
    append(&mut bed, &keys(EVENTS_MAX * stretches)).await;
    let cache = Arc::new(Cache::new(cache_bytes, Arc::default()));
    let feed = Feed::new(&served(&item(), 1), Arc::default(), cache);
    feed.learn(&bed.subscribe).await.unwrap();
    let read = async |from: u64| {
        let records = feed.read(&bed.subscribe, 0, at(from), 1).await.unwrap();
        feed.read_ahead(&bed.subscribe, 0, &records);
        u64::try_from(last_of(&records.batches[0])).unwrap()
    };
    let first = read(100).await;
    assert_eq!(feed.chunks(), 1, "nobody knows yet that it reads on");
    let second = read(first + 1).await;
    let has_read = async {
        while feed.chunks() < kept {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_mins(1), has_read).await.expect("it reads ahead");
    let mut last = second;
    for _ in 2..kept {
        last = read(last + 1).await;
    }
    assert_eq!((last, feed.chunks()), ((EVENTS_MAX * stretches) as u64, kept));
}

#[tokio::test]
async fn the_next_stretch_is_read_while_a_client_that_reads_on_takes_its_answer() {
    reads_on(3, (4 << 20) - 1, 3).await;
}

#[tokio::test]
async fn two_stretches_are_read_while_a_client_takes_its_answer_if_the_cache_has_room() {
    reads_on(4, 64 << 20, 4).await;
}
