//! The logs that Kafka clients read, each with one reader for all of its topics.
//!
//! The handlers open feeds here. One task a log reads what is appended, once, and adds it to the
//! feeds of its topics. It ends when the log does; whoever asks then opens another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::cache::Cache;
use super::feed::Feed;
use super::topics::Served;
use crate::domain::event::EventType;
use crate::domain::incarnation::Incarnations;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{self, Store};
use crate::subscribe::{Error, LogReader, Part, Subscribe};

/// The time after which a read that failed is tried again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// All logs that are read.
pub(super) struct Logs {
    subscribe: Arc<Subscribe>,
    store: Arc<dyn Store>,
    cache: Arc<Cache>,
    open: Mutex<HashMap<TenantId, Arc<OnceCell<Arc<OpenLog>>>>>,
    closing: CancellationToken,
}

/// A log that is read.
struct OpenLog {
    tenant: TenantId,
    log_id: LogId,
    epoch: i32,
    /// Those that are open, and those that are being opened.
    feeds: Mutex<HashMap<Topic, Arc<Feed>>>,
    opening: Mutex<HashMap<Topic, Arc<OnceCell<Arc<Feed>>>>>,
    /// The position up to which the log's feeds have everything; held while more is added.
    at: tokio::sync::Mutex<Position>,
    ended: CancellationToken,
}

impl Logs {
    /// Makes the logs of a process; `closing` ends their tasks.
    pub(super) fn new(
        subscribe: Arc<Subscribe>,
        store: Arc<dyn Store>,
        cache: Cache,
        closing: CancellationToken,
    ) -> Self {
        Self { subscribe, store, cache: Arc::new(cache), open: Mutex::default(), closing }
    }

    /// Returns what feeds read with.
    pub(super) fn subscribe(&self) -> &Arc<Subscribe> {
        &self.subscribe
    }

    /// Returns the feed of a topic, which is opened if it isn't.
    pub(super) async fn feed(&self, served: &Served) -> Result<Arc<Feed>, Error> {
        let topic = &served.topic;
        let log = self.log(&served.tenant).await?;
        let cell = lock(&log.opening).entry(topic.clone()).or_default().clone();
        let opened = cell.get_or_try_init(async || {
            let feed = Feed::new(served, log.epoch, self.cache.clone());
            feed.learn(&self.subscribe).await?;
            // What was appended meanwhile is learned while nothing is added, and the rest is added.
            let at = log.at.lock().await;
            feed.learn(&self.subscribe).await?;
            lock(&log.feeds).insert(topic.clone(), feed.clone());
            drop(at);
            Ok::<_, Error>(feed)
        });
        opened.await.cloned()
    }

    /// Returns the number of a log's incarnation, by which the epochs of its partitions are told.
    pub(super) async fn epoch(&self, tenant: &TenantId) -> Result<i32, store::Error> {
        let open = lock(&self.open).get(tenant).and_then(|cell| cell.get().cloned());
        match open.filter(|log| !log.ended.is_cancelled()) {
            Some(log) => Ok(log.epoch),
            None => Ok(epoch(&self.store.incarnations(tenant).await?)),
        }
    }

    async fn log(&self, tenant: &TenantId) -> Result<Arc<OpenLog>, Error> {
        let cell = {
            let mut open = lock(&self.open);
            open.retain(|_, cell| cell.get().is_none_or(|log| !log.ended.is_cancelled()));
            open.entry(tenant.clone()).or_default().clone()
        };
        let opened = cell.get_or_try_init(async || {
            let log = OpenLog::find(&*self.store, tenant).await?;
            let (reader, ended) = (self.subscribe.reader(tenant), log.ended.clone().drop_guard());
            let following = log.clone().follow(reader);
            let following = self.closing.clone().run_until_cancelled_owned(following);
            tokio::spawn(async move {
                let _ended = ended;
                following.await;
            });
            Ok::<_, Error>(log)
        });
        opened.await.cloned()
    }
}

impl OpenLog {
    async fn find(store: &dyn Store, tenant: &TenantId) -> Result<Arc<Self>, Error> {
        let found = store.find_tenant(tenant).await?.filter(|log| log.is_enabled);
        let found = found.ok_or(Error::NotEnabled)?;
        Ok(Arc::new(Self {
            tenant: tenant.clone(),
            log_id: found.log_id,
            epoch: epoch(&store.incarnations(tenant).await?),
            feeds: Mutex::default(),
            opening: Mutex::default(),
            at: tokio::sync::Mutex::new(found.head),
            ended: CancellationToken::new(),
        }))
    }

    /// Adds what is appended to the feeds, until the log ends.
    async fn follow(self: Arc<Self>, mut reader: LogReader) {
        loop {
            let mut at = self.at.lock().await;
            let more = match reader.newest(*at).await {
                Ok(part) if self.is_its(&part) => {
                    self.add(*at, &part);
                    *at = part.scanned;
                    part.more
                }
                Ok(_) | Err(Error::NotEnabled) => return,
                Err(error) => {
                    drop(at);
                    tracing::debug!(tenant = %self.tenant, %error, "failed to read a log");
                    sleep(READ_AGAIN).await;
                    continue;
                }
            };
            drop(at);
            if !more {
                reader.woken().await;
            }
        }
    }

    /// Returns whether what was read is of this incarnation of the log.
    fn is_its(&self, part: &Part) -> bool {
        part.events.iter().all(|event| event.log_id == self.log_id)
    }

    fn add(&self, after: Position, part: &Part) {
        let feeds: Vec<_> = lock(&self.feeds).values().cloned().collect();
        feeds.iter().for_each(|feed| feed.add(after, part));
        if part.events.iter().any(|event| event.event_type == EventType::Erased) {
            feeds.iter().for_each(|feed| feed.forget());
        }
    }
}

/// Returns how many incarnations a log has had.
fn epoch(incarnations: &Incarnations) -> i32 {
    i32::try_from(incarnations.iter().count()).unwrap_or(i32::MAX)
}

/// Locks what no holder leaves half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;
    use std::time::Duration;

    use futures_util::poll;
    use tokio::time::sleep;

    use crate::domain::position::Position;
    use crate::domain::topic::Topic;
    use crate::listen::fixture::{Bed, item, served};

    /// Appends beside each step of the opening, whichever it is.
    #[tokio::test]
    async fn what_is_appended_while_a_topic_is_opened_is_read() {
        let mut bed = Bed::new().await;
        // The log's reader is there already, with another topic.
        let other = Topic::parse("folio.diku.inventory.other").unwrap();
        bed.logs.feed(&served(&other, 1)).await.unwrap();
        let (logs, mut appended) = (bed.logs.clone(), 0);
        let item = served(&item(), 1);
        let mut opening = Box::pin(logs.feed(&item));
        let feed = loop {
            bed.append(&["a"]).await;
            appended += 1;
            if let Poll::Ready(opened) = poll!(&mut opening) {
                break opened.unwrap();
            }
            tokio::task::yield_now().await;
        };
        let mut grown = feed.grown();
        while feed.bounds(0).end < appended + 1 {
            grown.changed().await.unwrap();
        }
        assert!(appended > 1, "the opening took one step alone");
    }

    #[tokio::test]
    async fn an_erasure_drops_what_was_read_before() {
        let mut bed = Bed::new().await;
        bed.append(&["a", "b"]).await;
        let feed = bed.logs.feed(&served(&item(), 1)).await.unwrap();
        feed.read(&bed.subscribe, 0, Position::START.next(), 1).await.unwrap();
        assert_eq!(feed.chunks(), 1);
        bed.append_erased("a").await;
        while feed.chunks() > 0 || feed.bounds(0).end < 4 {
            sleep(Duration::from_millis(1)).await;
        }
    }
}
