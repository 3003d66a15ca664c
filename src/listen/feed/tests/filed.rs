//! The promises of the chunks in the cache's file: they spare the readers after the second one the
//! log, and nothing of an erased event is among them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{EVENTS_MAX, at, keys, last_of};
use crate::domain::floors::{Floor, Floors};
use crate::domain::position::LogId;
use crate::listen::cache::Cache;
use crate::listen::feed::Feed;
use crate::listen::file_cache::FileCache;
use crate::listen::fixture::{Bed, diku, item, served};
use crate::store::Calls;

/// The calls of a store.
#[derive(Default)]
struct Called(Mutex<Vec<&'static str>>);

impl Calls for Called {
    fn called(&self, operation: &'static str, _: Duration, _: Option<&'static str>) {
        self.0.lock().unwrap().push(operation);
    }
}

impl Called {
    /// Returns how often the log was read since the last time.
    fn reads(&self) -> usize {
        let called = std::mem::take(&mut *self.0.lock().unwrap());
        called.iter().filter(|it| **it == "read").count()
    }
}

/// A feed of one partition, whose cache has memory for one chunk, and a file.
struct Filing {
    bed: Bed,
    feed: Arc<Feed>,
    file: Arc<FileCache>,
    called: Arc<Called>,
    _folder: TempDir,
}

/// The key that is erased.
const ERASED: &str = "jane-doe";
/// The number of chunks that the log has.
const CHUNKS: usize = 3;

fn cache() -> (TempDir, Arc<FileCache>, Cache) {
    let (folder, metrics) = (tempfile::tempdir().unwrap(), Arc::default());
    let file = FileCache::of_test(folder.path(), 64 << 20, &metrics);
    let cache = Cache::new(1, metrics).with_file(Some(file.clone()));
    (folder, file, cache)
}

/// Appends so many chunks, with the event that is erased in the first one.
async fn fill(bed: &mut Bed) {
    let mut all = keys(EVENTS_MAX * CHUNKS);
    ERASED.clone_into(&mut all[100]);
    super::append(bed, &all).await;
}

impl Filing {
    /// Makes the feed of a log that nobody else reads.
    async fn new() -> Self {
        let (folder, file, cache) = cache();
        let mut bed = Bed::new().await;
        fill(&mut bed).await;
        let feed = Feed::new(&served(&item(), 1), Arc::default(), Arc::new(cache));
        feed.learn(&bed.subscribe).await.unwrap();
        let called = Arc::new(Called::default());
        bed.store.observe(called.clone());
        Self { bed, feed, file, called, _folder: folder }
    }

    /// Makes the feed of a log that is followed.
    async fn followed() -> Self {
        let (folder, file, cache) = cache();
        let mut bed = Bed::with_cache(cache).await;
        fill(&mut bed).await;
        let feed = bed.logs.feed(&served(&item(), 1), None).await.unwrap();
        Self { bed, feed, file, called: Arc::default(), _folder: folder }
    }

    /// Reads the partition from its start on; returns the batches, and how often the log was read
    /// for them.
    async fn read(&self) -> (Vec<Bytes>, usize) {
        self.called.reads();
        let (mut batches, mut from) = (Vec::new(), 1);
        loop {
            let records = self.feed.read(&self.bed.subscribe, 0, at(from), 1).await.unwrap();
            let Some(batch) = records.batches.into_iter().next() else { break };
            from = u64::try_from(last_of(&batch)).unwrap() + 1;
            batches.push(batch);
        }
        (batches, self.called.reads())
    }

    /// Returns whether the file has the key that is erased, once nothing is left to be written.
    async fn has_erased(&self) -> bool {
        let bytes = self.file.settled().await;
        bytes.windows(ERASED.len()).any(|it| it == ERASED.as_bytes())
    }
}

#[tokio::test]
async fn readers_after_the_second_one_get_the_same_bytes_without_the_log() {
    let filing = Filing::new().await;
    let (first, reads) = filing.read().await;
    assert_eq!((first.len(), reads), (CHUNKS, CHUNKS));
    assert!(filing.file.settled().await.is_empty(), "a log that is read once is not written");
    let (second, reads) = filing.read().await;
    assert_eq!(reads, CHUNKS);
    filing.file.settled().await;
    let (third, reads) = filing.read().await;
    assert_eq!(reads, 0, "all of it is in the file");
    assert!(first == second && second == third);
}

/// One who reads the end first makes nobody's first reading of the rest a second one.
#[tokio::test]
async fn a_stretch_is_written_once_all_of_it_is_read_again() {
    let filing = Filing::new().await;
    let last = at((EVENTS_MAX * (CHUNKS - 1) + 1) as u64);
    filing.feed.read(&filing.bed.subscribe, 0, last, 1).await.unwrap();
    let (_, reads) = filing.read().await;
    assert_eq!(reads, CHUNKS);
    assert!(!filing.has_erased().await, "the first one was read once");
    assert!(filing.file.bytes() > 0, "the last one was read twice");
}

#[tokio::test]
async fn nothing_of_an_erased_event_is_left_in_the_file() {
    let mut filing = Filing::followed().await;
    for _ in 0..2 {
        filing.read().await;
    }
    assert!(filing.has_erased().await);
    filing.bed.append_erased(ERASED).await;
    let end = (EVENTS_MAX * CHUNKS + 2) as i64;
    let has_come = async {
        while filing.feed.bounds(0).end < end || filing.feed.chunks() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_mins(1), has_come).await.expect("the event comes");
    assert!(!filing.has_erased().await);
    assert_eq!(filing.file.bytes(), 0);
}

/// Whatever the writes have come to when the chunks are forgotten.
#[tokio::test]
async fn what_is_being_written_when_an_event_is_erased_is_not_left_in_the_file() {
    let filing = Filing::new().await;
    filing.read().await;
    filing.read().await;
    filing.feed.forget();
    assert!(!filing.has_erased().await);
    let (_, reads) = filing.read().await;
    assert_eq!(reads, CHUNKS, "it is read from the log again");
}

#[tokio::test]
async fn what_is_below_a_floor_that_rises_goes() {
    let filing = Filing::new().await;
    for _ in 0..2 {
        filing.read().await;
    }
    filing.file.settled().await;
    let before = filing.file.bytes();
    let floor = Floor { floor: at(EVENTS_MAX as u64 + 1), ..Floor::default() };
    filing.feed.take_floor(&Floors::new([(item(), floor)]));
    assert!(!filing.has_erased().await);
    assert!((1..before).contains(&filing.file.bytes()));
}

#[tokio::test]
async fn a_log_that_has_ended_leaves_nothing_in_the_file() {
    let filing = Filing::followed().await;
    for _ in 0..2 {
        filing.read().await;
    }
    assert!(filing.has_erased().await);
    let Filing { bed, .. } = &filing;
    let log = bed.store.find_tenant(&diku()).await.unwrap().unwrap();
    let new = LogId::new(Uuid::from_u128(7));
    assert!(bed.store.rotate_log_id(&diku(), log.log_id, new, log.head).await.unwrap());
    bed.logs.feed(&served(&item(), 1), Some(new)).await.unwrap();
    let is_gone = async {
        while filing.file.bytes() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_mins(1), is_gone).await.expect("the former one has ended");
    assert!(!filing.has_erased().await);
    // Somebody may still read the former one.
    for _ in 0..2 {
        filing.read().await;
    }
    assert!(!filing.has_erased().await);
    assert_eq!(filing.file.bytes(), 0);
}
