//! The published part of each log, derived from the relay's checkpoint and the parked scopes in the
//! store.
//!
//! `http` asks here. The answer may be late, never early: the lane checkpoints its cursor only
//! after Kafka's commit, and the scopes that it passes over are written to the store before. Every
//! replica reads both.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::domain::cursor::Cursor;
use crate::domain::expansion::Expansion;
use crate::domain::key::Key;
use crate::domain::parked::Parked;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::{Error, Store};

/// The longest time that a waiter sleeps before it looks again: a lane of another replica sends no
/// wake-ups here.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The published part of a tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishedUpTo {
    /// There is no relay, so it is unknown.
    NoRelay,
    /// The relay's cursor, if it has one, the scopes that are parked before it, and the expansions
    /// of DELETE_ALLs, as far as they were asked for.
    Relay(Option<Cursor>, Vec<Parked>, Vec<Expansion>),
}

impl PublishedUpTo {
    /// Returns whether an event is published; `None` without a relay.
    pub fn covers(
        &self,
        log_id: LogId,
        topic: &Topic,
        key: &Key,
        position: Position,
    ) -> Option<bool> {
        match self {
            Self::NoRelay => None,
            Self::Relay(_, parked, _) => {
                let stays = parked.iter().any(|parked| parked.holds(log_id, topic, key, position));
                Some(self.is_past(log_id, position) && !stays)
            }
        }
    }

    /// Returns whether the DELETE_ALL at a position, which is expanded, is published: all of its
    /// DELETEs are. `None` without a relay.
    pub fn covers_expansion(&self, log_id: LogId, request: Position) -> Option<bool> {
        let Self::Relay(_, _, expansions) = self else { return None };
        let its = expansions.iter().find(|it| it.request == request && it.is_complete());
        Some(its.is_some_and(|its| self.is_past(log_id, its.last)))
    }

    /// Returns whether the relay has passed a position, or there is no relay.
    fn is_past(&self, log_id: LogId, position: Position) -> bool {
        match self {
            Self::NoRelay => true,
            Self::Relay(cursor, ..) => {
                cursor.is_some_and(|c| c.log_id == log_id && c.position >= position)
            }
        }
    }
}

/// Events that somebody waits for.
#[derive(Debug, Clone)]
pub struct Awaited {
    /// The log.
    pub log_id: LogId,
    /// The first of them.
    pub first: Position,
    /// The last of them.
    pub last: Position,
    /// Those of them that are DELETE_ALLs which are expanded.
    pub expanded: Vec<Position>,
}

impl Awaited {
    fn is_published(&self, up_to: &PublishedUpTo) -> bool {
        let is_complete = |request| up_to.covers_expansion(self.log_id, request) != Some(false);
        up_to.is_past(self.log_id, self.last) && self.expanded.iter().copied().all(is_complete)
    }
}

/// The source of the published part of each log.
pub struct Published {
    store: Arc<dyn Store>,
    pages: Option<watch::Receiver<()>>,
    closing: CancellationToken,
}

impl Published {
    /// `pages` ticks once the store has the checkpoint of a page of this replica's lanes; `None`
    /// without a relay. Once `closing` is cancelled, waits end at once.
    pub fn new(
        store: Arc<dyn Store>,
        pages: Option<watch::Receiver<()>>,
        closing: CancellationToken,
    ) -> Self {
        Self { store, pages, closing }
    }

    /// Returns whether there is a relay, so that the published part is known.
    pub fn has_relay(&self) -> bool {
        self.pages.is_some()
    }

    /// Returns the published part of a log before the relay has begun with it.
    pub fn nothing_yet(&self) -> PublishedUpTo {
        if self.has_relay() {
            PublishedUpTo::Relay(None, Vec::new(), Vec::new())
        } else {
            PublishedUpTo::NoRelay
        }
    }

    /// Returns the published part of a tenant's log, for events from `first` on.
    pub async fn up_to(&self, tenant: &TenantId, first: Position) -> Result<PublishedUpTo, Error> {
        if !self.has_relay() {
            return Ok(PublishedUpTo::NoRelay);
        }
        let (cursor, parked) = self.store.relayed(tenant, first).await?;
        Ok(PublishedUpTo::Relay(cursor, parked, Vec::new()))
    }

    /// Adds the expansions of DELETE_ALLs to the published part of a tenant's log.
    pub async fn with_expansions(
        &self,
        tenant: &TenantId,
        mut up_to: PublishedUpTo,
    ) -> Result<PublishedUpTo, Error> {
        if let PublishedUpTo::Relay(_, _, expansions) = &mut up_to {
            *expansions = self.store.expansions(tenant).await?;
        }
        Ok(up_to)
    }

    /// Waits until events are published, or `patience` is over; without a relay it returns at once.
    /// Parked events are not waited for.
    pub async fn wait(
        &self,
        tenant: &TenantId,
        awaited: &Awaited,
        patience: Duration,
    ) -> Result<PublishedUpTo, Error> {
        let deadline = Instant::now() + patience;
        let mut pages = self.pages.clone();
        loop {
            let mut up_to = self.up_to(tenant, awaited.first).await?;
            if !awaited.expanded.is_empty() {
                up_to = self.with_expansions(tenant, up_to).await?;
            }
            let over = Instant::now() >= deadline || self.closing.is_cancelled();
            let waits = !awaited.is_published(&up_to) && !over;
            let Some(pages) = pages.as_mut().filter(|_| waits) else { return Ok(up_to) };
            let look_again = deadline.min(Instant::now() + LOOK_AGAIN);
            // Whether it was woken, timed out or is closing, the store is asked once more.
            let _ = timeout_at(look_again, self.closing.run_until_cancelled(pages.changed())).await;
        }
    }
}
