//! The logs that Kafka clients read, each with one reader for all of its topics.
//!
//! The handlers open feeds here. One task a log reads what is appended, once, and adds it to the
//! feeds of its topics. It ends when the log does, or once nobody has asked for a topic for a
//! while; whoever asks then opens another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::cache::Cache;
use super::epochs;
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
/// The time after which a topic is let go that nobody has asked for: longer than any request waits.
const UNUSED_MAX: Duration = Duration::from_mins(10);

/// All logs that are read.
pub(super) struct Logs {
    subscribe: Arc<Subscribe>,
    store: Arc<dyn Store>,
    cache: Arc<Cache>,
    open: Mutex<HashMap<TenantId, Arc<OnceCell<Arc<OpenLog>>>>>,
    /// The leader epochs of logs, with the ids that the logs had then.
    epochs: Mutex<HashMap<TenantId, (LogId, i32)>>,
    closing: CancellationToken,
}

/// A log that is read.
struct OpenLog {
    tenant: TenantId,
    log_id: LogId,
    incarnations: Arc<Incarnations>,
    /// The feeds that are open.
    feeds: Mutex<HashMap<Topic, Arc<Feed>>>,
    asked: Mutex<Asked>,
    /// The position up to which the log's feeds have everything; held while more is added.
    at: tokio::sync::Mutex<Position>,
    ended: CancellationToken,
}

/// The topics that somebody has asked for, and when any was asked for last.
struct Asked {
    topics: HashMap<Topic, (Arc<Opening>, Instant)>,
    last: Instant,
}

/// A feed that is open, or that is being opened.
struct Opening {
    feed: Arc<Feed>,
    opened: OnceCell<()>,
}

impl Logs {
    /// Makes the logs of a process; `closing` ends their tasks.
    pub(super) fn new(
        subscribe: Arc<Subscribe>,
        store: Arc<dyn Store>,
        cache: Cache,
        closing: CancellationToken,
    ) -> Self {
        let (cache, open, epochs) = (Arc::new(cache), Mutex::default(), Mutex::default());
        Self { subscribe, store, cache, open, epochs, closing }
    }

    /// Returns what feeds read with.
    pub(super) fn subscribe(&self) -> &Arc<Subscribe> {
        &self.subscribe
    }

    /// Returns the feed of a topic, which is opened if it isn't. If whoever asks gives up before
    /// that, the next one goes on where the opening has come to.
    /// `told` is the id of the log that clients are told of.
    pub(super) async fn feed(
        &self,
        served: &Served,
        told: Option<LogId>,
    ) -> Result<Arc<Feed>, Error> {
        let log = self.log(&served.tenant, told).await?;
        let opening = log.ask(served, &self.cache);
        let feed = &opening.feed;
        let opened = opening.opened.get_or_try_init(async || {
            feed.learn(&self.subscribe).await?;
            // What was appended meanwhile is learned while nothing is added, and the rest is added.
            let at = log.at.lock().await;
            feed.learn(&self.subscribe).await?;
            lock(&log.feeds).insert(served.topic.clone(), feed.clone());
            drop(at);
            Ok::<_, Error>(())
        });
        opened.await?;
        Ok(feed.clone())
    }

    /// Returns the leader epoch of the partitions of a tenant's log with an id.
    pub(super) async fn epoch(&self, tenant: &TenantId, id: LogId) -> Result<i32, store::Error> {
        let known = lock(&self.epochs).get(tenant).copied();
        if let Some((_, epoch)) = known.filter(|(of, _)| *of == id) {
            return Ok(epoch);
        }
        let incarnations = self.store.incarnations(tenant).await?;
        let epoch = epochs::newest(&incarnations);
        if let Some(newest) = incarnations.newest() {
            lock(&self.epochs).insert(tenant.clone(), (newest, epoch));
        }
        Ok(epoch)
    }

    /// Returns a position that a log has come to: its head, unless it is known to have come to the
    /// wanted one. A tenant without a log has come anywhere.
    pub(super) async fn come_to(
        &self,
        tenant: &TenantId,
        wanted: Position,
    ) -> Result<Position, store::Error> {
        if let Some(log) = self.opened(tenant)
            && let Ok(at) = log.at.try_lock()
            && *at >= wanted
        {
            return Ok(*at);
        }
        Ok(self.store.find_tenant(tenant).await?.map_or(wanted, |log| log.head))
    }

    /// Returns a log that is read.
    fn opened(&self, tenant: &TenantId) -> Option<Arc<OpenLog>> {
        let open = lock(&self.open).get(tenant).and_then(|cell| cell.get().cloned());
        open.filter(|log| !log.ended.is_cancelled())
    }

    /// Returns the log of a tenant. If clients are told of another id than that of the one that is
    /// read, the store says which is the present one: the log has got another id, and perhaps no
    /// event since that would tell.
    async fn log(&self, tenant: &TenantId, told: Option<LogId>) -> Result<Arc<OpenLog>, Error> {
        let log = self.open(tenant).await?;
        if told.is_none_or(|id| id == log.log_id) {
            return Ok(log);
        }
        let present = self.store.find_tenant(tenant).await?;
        if present.is_some_and(|present| present.log_id == log.log_id) {
            return Ok(log);
        }
        log.ended.cancel();
        self.open(tenant).await
    }

    async fn open(&self, tenant: &TenantId) -> Result<Arc<OpenLog>, Error> {
        let cell = {
            let mut open = lock(&self.open);
            open.retain(|_, cell| cell.get().is_none_or(|log| !log.ended.is_cancelled()));
            open.entry(tenant.clone()).or_default().clone()
        };
        let opened = cell.get_or_try_init(async || {
            let log = OpenLog::find(&*self.store, tenant).await?;
            let (reader, ended) = (self.subscribe.reader(tenant), log.ended.clone().drop_guard());
            let following = log.clone().follow(reader, UNUSED_MAX);
            let following = log.ended.clone().run_until_cancelled_owned(following);
            let following = self.closing.clone().run_until_cancelled_owned(following);
            let its = log.clone();
            tokio::spawn(async move {
                following.await;
                drop(ended);
                its.retire_feeds();
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
            incarnations: Arc::new(store.incarnations(tenant).await?),
            feeds: Mutex::default(),
            asked: Mutex::new(Asked { topics: HashMap::new(), last: Instant::now() }),
            at: tokio::sync::Mutex::new(found.head),
            ended: CancellationToken::new(),
        }))
    }

    /// Notes that somebody asks for a topic; returns its feed, which may have to be opened.
    fn ask(&self, served: &Served, cache: &Arc<Cache>) -> Arc<Opening> {
        let (mut asked, now) = (lock(&self.asked), Instant::now());
        asked.last = now;
        let new = || {
            let feed = Feed::new(served, self.incarnations.clone(), cache.clone());
            (Arc::new(Opening { feed, opened: OnceCell::new() }), now)
        };
        let (opening, last) = asked.topics.entry(served.topic.clone()).or_insert_with(new);
        *last = now;
        let opening = opening.clone();
        if self.ended.is_cancelled() {
            opening.feed.retire();
        }
        opening
    }

    /// Ends the feeds, of which nothing is kept any more: the tenant may be purged.
    fn retire_feeds(&self) {
        lock(&self.asked).topics.values().for_each(|(opening, _)| opening.feed.retire());
        lock(&self.feeds).values().for_each(|feed| feed.retire());
    }

    /// Lets the topics go that nobody has asked for within a time. Returns whether anybody has
    /// asked for any.
    fn keep_used(&self, within: Duration) -> bool {
        let mut asked = lock(&self.asked);
        asked.topics.retain(|_, (_, last)| last.elapsed() < within);
        lock(&self.feeds).retain(|topic, _| asked.topics.contains_key(topic));
        asked.last.elapsed() < within
    }

    /// Adds what is appended to the feeds, until the log ends or is not used for a time.
    async fn follow(self: Arc<Self>, mut reader: LogReader, unused_max: Duration) {
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
                let _ = timeout(unused_max, reader.woken()).await;
            }
            if !self.keep_used(unused_max) {
                return;
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

/// Locks what no holder leaves half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
