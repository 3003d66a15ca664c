//! The promises of the cache's file: a chunk is given as it was written or not at all, and what is
//! forgotten is not in the file any more.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::disk::overwrite;
use super::ring::Ring;
use super::{CHUNK_BYTES_MIN, FileCache, Filed, Stretch, WRITES_MAX};
use crate::domain::position::Position;
use crate::listen::batch::Batch;
use crate::metrics::Metrics;

/// The bytes that each chunk takes of the file.
const REGION: u64 = 20_480;
/// The bytes of its batch.
const BATCH: usize = 20_000;

fn at(number: u64) -> Position {
    Position::new(number).unwrap()
}

/// Returns a chunk that goes up to a position, whose batch has nothing but one byte.
fn stretch(scanned: u64, byte: u8) -> Stretch {
    let (first, last) = (at(scanned), at(scanned));
    let batch = Batch { first, last, bytes: vec![byte; BATCH].into() };
    Stretch { after: at(scanned - 1), scanned: at(scanned), batches: BTreeMap::from([(0, batch)]) }
}

/// A file with room for three chunks.
struct Bed {
    file: Arc<FileCache>,
    metrics: Arc<Metrics>,
    _folder: TempDir,
}

impl Bed {
    fn new() -> Self {
        let (folder, metrics) = (tempfile::tempdir().unwrap(), Arc::<Metrics>::default());
        let file = FileCache::of_test(folder.path(), 3 * REGION, &metrics);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "it has no name");
        Self { file, metrics, _folder: folder }
    }

    fn errors(&self) -> String {
        errors(&self.metrics)
    }
}

/// Returns how many errors were counted.
fn errors(metrics: &Metrics) -> String {
    let (text, name) = (metrics.text(), "event_gateway_listener_cache_file_errors_total ");
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
}

/// Returns the byte of the chunk that goes up to a position, if the file has it.
async fn read(filed: &Filed, scanned: u64) -> Option<u8> {
    let Stretch { after, scanned: to, batches } = filed.read(at(scanned - 1)).await?;
    let batch = &batches[&0];
    assert_eq!((after, to, batch.last), (at(scanned - 1), at(scanned), at(scanned)));
    assert!(batch.bytes.len() == BATCH && batch.bytes.iter().all(|it| *it == batch.bytes[0]));
    Some(batch.bytes[0])
}

#[tokio::test]
async fn a_chunk_is_read_as_it_was_written_until_newer_ones_take_its_place() {
    let bed = Bed::new();
    let filed = bed.file.filed();
    for (scanned, byte) in (1..).zip(b'a'..=b'z') {
        filed.write(stretch(scanned, byte), 0);
        bed.file.settled().await;
        for (former, byte) in (1..=scanned).zip(b'a'..) {
            let is_there = former + 3 > scanned;
            assert_eq!(read(&filed, former).await, is_there.then_some(byte), "{former}");
        }
    }
    assert_eq!((bed.file.bytes(), bed.errors().as_str()), (3 * REGION, "0"));
    let cached = format!("cached_bytes{{tier=\"file\"}} {}\n", 3 * REGION);
    assert!(bed.metrics.text().contains(&cached), "{}", bed.metrics.text());
}

#[tokio::test]
async fn a_chunk_that_is_soon_encoded_is_not_written() {
    let bed = Bed::new();
    let filed = bed.file.filed();
    let mut small = stretch(1, b'a');
    small.batches.get_mut(&0).unwrap().bytes.truncate(CHUNK_BYTES_MIN / 2);
    filed.write(small, 0);
    assert!(bed.file.settled().await.is_empty());
}

#[tokio::test]
async fn a_read_that_others_write_over_finds_nothing_and_is_no_error() {
    let bed = Bed::new();
    let filed = bed.file.filed();
    bed.file.write(filed.feed, &stretch(1, b'a'), 0).unwrap();
    let (number, region) = bed.file.ring().find(filed.feed, at(0)).unwrap();
    assert!(bed.file.read(filed.feed, number, &region).is_some());
    for (scanned, byte) in [(2, b'b'), (3, b'c'), (4, b'd')] {
        bed.file.write(filed.feed, &stretch(scanned, byte), 0).unwrap();
    }
    // It was found before the others were written.
    assert!(bed.file.read(filed.feed, number, &region).is_none());
    assert_eq!((read(&filed, 1).await, read(&filed, 4).await), (None, Some(b'd')));
    assert_eq!(bed.errors(), "0");
}

#[tokio::test]
async fn a_chunk_with_a_damaged_byte_is_not_given_and_goes() {
    for damaged in [0, 5, 23, 24, 60, 10_000, 20_023] {
        let bed = Bed::new();
        let filed = bed.file.filed();
        bed.file.write(filed.feed, &stretch(1, b'a'), 0).unwrap();
        bed.file.write(filed.feed, &stretch(2, b'b'), 0).unwrap();
        bed.file.file.write_all_at(b"\xff", damaged).unwrap();
        assert!(filed.read(at(0)).await.is_none(), "{damaged}");
        assert!(filed.read(at(0)).await.is_none(), "{damaged}");
        assert_eq!(read(&filed, 2).await, Some(b'b'));
        assert_eq!((bed.errors().as_str(), bed.file.bytes()), ("1", REGION));
    }
}

#[tokio::test]
async fn what_is_forgotten_is_cleared_in_the_file_and_the_rest_stays() {
    let bed = Bed::new();
    let [one, other] = [(); 2].map(|()| bed.file.filed());
    one.write(stretch(1, b'a'), 0);
    bed.file.settled().await;
    other.write(stretch(1, b'b'), 0);
    bed.file.settled().await;
    one.write(stretch(2, b'a'), 0);
    let has = |bytes: &[u8], byte: u8| bytes.contains(&byte);
    let bytes = bed.file.settled().await;
    assert!(has(&bytes, b'a') && has(&bytes, b'b'));
    one.forget(1);
    let bytes = bed.file.settled().await;
    assert!(!has(&bytes, b'a') && has(&bytes, b'b'));
    assert_eq!((read(&one, 1).await, read(&other, 1).await), (None, Some(b'b')));
    one.write(stretch(3, b'c'), 1);
    bed.file.settled().await;
    assert_eq!(read(&one, 3).await, Some(b'c'), "it goes on");
    drop(other);
    one.drop_below(at(4));
    assert!(bed.file.settled().await.iter().all(|byte| *byte == 0));
    assert_eq!(bed.file.bytes(), 0);
}

/// A region that is shorter than the one before it in its place leaves nothing of that.
#[tokio::test]
async fn what_newer_chunks_leave_of_a_chunk_is_cleared() {
    let bed = Bed::new();
    let filed = bed.file.filed();
    let mut long = stretch(1, b'a');
    long.batches.get_mut(&0).unwrap().bytes = vec![b'a'; 50_000].into();
    bed.file.write(filed.feed, &long, 0).unwrap();
    for scanned in [2, 3] {
        bed.file.write(filed.feed, &stretch(scanned, b'b'), 0).unwrap();
        assert!(!bed.file.settled().await.contains(&b'a'));
    }
    assert_eq!(read(&filed, 3).await, Some(b'b'));
}

#[tokio::test]
async fn a_chunk_that_is_forgotten_while_it_is_written_is_not_in_the_file() {
    let bed = Bed::new();
    let [forgotten, closed] = [(); 2].map(|()| bed.file.filed());
    forgotten.forget(1);
    closed.close();
    // They were read before, and their writing ends now.
    bed.file.write(forgotten.feed, &stretch(1, b'a'), 0).unwrap();
    bed.file.write(closed.feed, &stretch(1, b'a'), 0).unwrap();
    assert_eq!((read(&forgotten, 1).await, read(&closed, 1).await), (None, None));
    assert!(!bed.file.settled().await.contains(&b'a'));
}

#[test]
fn bytes_are_overwritten_where_a_file_system_makes_no_holes() {
    let file = tempfile::tempfile().unwrap();
    let length = 3_000_000;
    file.write_all_at(&vec![b'a'; length], 0).unwrap();
    overwrite(&file, &(10..2_999_990)).unwrap();
    overwrite(&file, &(2_999_995..4_000_000)).unwrap();
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(file.metadata().unwrap().len(), length as u64, "it grows by nothing");
    let left = bytes.iter().filter(|byte| **byte == b'a').count();
    assert!(
        left == 15 && bytes[..10].iter().chain(&bytes[2_999_990..2_999_995]).all(|it| *it == b'a')
    );
}

#[tokio::test]
async fn a_file_that_can_t_be_written_is_counted_and_has_nothing() {
    let (folder, metrics) = (tempfile::tempdir().unwrap(), Arc::<Metrics>::default());
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    let file = Arc::new(FileCache {
        file: File::open(&path).unwrap(),
        ring: Mutex::new(Ring::new(3 * REGION)),
        changes: Mutex::default(),
        writes: Arc::new(Semaphore::new(WRITES_MAX)),
        metrics: metrics.clone(),
    });
    let filed = file.filed();
    for scanned in 1..=5 {
        assert!(file.write(filed.feed, &stretch(scanned, b'a'), 0).is_err());
        filed.write(stretch(scanned, b'a'), 0);
        file.settled().await;
        assert_eq!(read(&filed, scanned).await, None);
    }
    assert!(errors(&metrics).parse::<u64>().unwrap() >= 5);
    assert_eq!(file.bytes(), 0);
}

#[test]
fn a_folder_that_is_not_there_leaves_the_cache_without_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = super::CacheFile { folder: folder.path().join("nowhere"), bytes_max: REGION };
    assert!(FileCache::open(&config, uuid::Uuid::from_u128(1), Arc::default()).is_none());
}
