//! A lane's publisher: it takes the lane over by the lease's term, then writes page after page.
//!
//! The lanes of `follow` pass in pages. The lane's row in hexkit's MongoDB has the highest term
//! that took it over, and each page changes that row in its own transaction, so a page of a lower
//! term is refused by the server itself.

use std::sync::Arc;
use std::time::Duration;

use ::mongodb::ClientSession;
use ::mongodb::bson::doc;
use async_trait::async_trait;
use tracing::instrument;

use super::classify::Failure;
use super::document::Content;
use super::lane::Lane;
use super::page_write::PageWrite;
use super::plan::{Item, Keeps};
use super::{Inner, cursors, remove_older};
use crate::domain::follower::Follower;
use crate::domain::lane;
use crate::domain::position::LogId;
use crate::domain::settings::Settings;
use crate::mongodb_client::transaction::{self, Transaction, TransactionBody};
use crate::sink::{Error, KnownCursors, Page, Publisher, TakenOver};

/// The time after which a takeover ends the transaction that the earlier holder has left open.
const SUSPICIOUS_AFTER: Duration = Duration::from_secs(1);

/// A takeover, which is one transaction: the term is raised, and the cursors are read.
struct TakeOver<'a>(&'a Lane);

#[async_trait]
impl TransactionBody for TakeOver<'_> {
    type Done = KnownCursors;
    type Failure = Failure;

    async fn prepare(
        &self,
        _session: &mut ClientSession,
        waited: Option<Duration>,
    ) -> Result<(), Failure> {
        match waited {
            Some(waited) if waited > SUSPICIOUS_AFTER => self.0.end_earlier().await,
            _ => Ok(()),
        }
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<KnownCursors, Failure> {
        let Self(lane) = self;
        let lanes = &lane.collections()?.lanes;
        let id = doc! { "_id": lane.number() };
        let row = lanes.find_one(id.clone()).session(&mut *transaction).await?;
        let highest = row.and_then(|row| row.get_i64("term").ok()).unwrap_or_default();
        // A lane that the store does not have, or no longer, has no lease and no terms.
        if lane.term != 0 && highest > lane.term {
            let why = format!("{} was taken over in term {highest}", lane.lane);
            return Err(Error::Fenced(why).into());
        }
        let raise = doc! { "$set": { "term": lane.term }, "$inc": { "pages": 1_i64 } };
        lanes.update_one(id, raise).upsert(true).session(&mut *transaction).await?;
        cursors::read(lane, transaction).await
    }
}

/// Removes cursors, under the lane's term.
struct Forget<'a> {
    lane: &'a Lane,
    cursors: &'a [(LogId, Follower)],
}

#[async_trait]
impl TransactionBody for Forget<'_> {
    type Done = ();
    type Failure = Failure;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), Failure> {
        self.lane.fence(transaction).await?;
        cursors::forget(self.lane, self.cursors, transaction).await
    }
}

/// The only publisher of a lane.
pub(super) struct DocumentPublisher(Lane);

impl DocumentPublisher {
    /// Takes the lane over: from here on, no page of a lower term is committed.
    pub(super) async fn take_over(
        inner: &Arc<Inner>,
        lane: lane::Lane,
        term: u64,
    ) -> Result<TakenOver, Error> {
        let collections = inner.collections().await?;
        let lane = Lane::new(inner.clone(), lane, term);
        let cursors = transaction::commit(collections.client(), &TakeOver(&lane)).await?;
        Ok(TakenOver { publisher: Box::new(Self(lane)), cursors })
    }
}

#[async_trait]
impl Publisher for DocumentPublisher {
    #[instrument(level = "debug", skip_all, fields(lane = %self.0.lane, term = self.0.term))]
    async fn publish(self: Box<Self>, page: Arc<Page>) -> Result<Box<dyn Publisher>, Error> {
        let Self(lane) = &*self;
        let config = &lane.inner.config;
        let items = items(&page, &config.settings)?;
        remove_older::in_steps(lane, &items).await?;
        let write = PageWrite { lane, page: &page, items, mark: config.mark };
        transaction::commit(lane.collections()?.client(), &write).await?;
        Ok(self)
    }

    async fn forget(self: Box<Self>, cursors: &[(LogId, Follower)]) -> Result<(), Error> {
        let Self(lane) = &*self;
        let collections = lane.collections()?;
        transaction::commit(collections.client(), &Forget { lane, cursors }).await?;
        let own = cursors.iter().filter(|(_, follower)| *follower == Follower::hexkit());
        for (log_id, follower) in own {
            // The log may have moved to another lane, with its cursor.
            if !cursors::any_lane_has(collections, *log_id, follower).await? {
                remove_older::entries_of(lane, *log_id).await?;
            }
        }
        Ok(())
    }

    fn should_recycle(&mut self) -> bool {
        false
    }
}

/// Returns the events of a page that belong into a service's collection, in order. The events of a
/// tenant without a service, and those of a topic with `stored = false`, are left out.
fn items<'p>(page: &'p Page, settings: &Settings) -> Result<Vec<Item<'p>>, Error> {
    let mut items = Vec::new();
    for slice in &page.slices {
        let Some(service) = &settings.of(&slice.tenant).hexkit else { continue };
        let rules = settings.log_rules(&slice.tenant);
        for event in &slice.events {
            let rule = rules.get(&event.topic);
            if rule.is_some_and(|rule| !rule.stored) {
                continue;
            }
            let is_compacted = rule.is_some_and(|rule| rule.compacted);
            items.push(Item {
                collection: service.collection(),
                keeps: if is_compacted { Keeps::LastOfKey } else { Keeps::EachEvent },
                content: Content::of(event)?,
            });
        }
    }
    Ok(items)
}
