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

use crate::domain::follower::Cursor;
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
    /// The relay's cursor, if it has one, and the scopes that are parked before it.
    Relay(Option<Cursor>, Vec<Parked>),
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
            Self::Relay(_, parked) => {
                let stays = parked.iter().any(|parked| parked.holds(log_id, topic, key, position));
                Some(self.is_past(log_id, position) && !stays)
            }
        }
    }

    /// Returns whether the relay has passed a position, or there is no relay.
    fn is_past(&self, log_id: LogId, position: Position) -> bool {
        match self {
            Self::NoRelay => true,
            Self::Relay(cursor, _) => {
                cursor.is_some_and(|c| c.log_id == log_id && c.position >= position)
            }
        }
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
            PublishedUpTo::Relay(None, Vec::new())
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
        Ok(PublishedUpTo::Relay(cursor, parked))
    }

    /// Waits until the relay has passed a position, or `patience` is over; without a relay it
    /// returns at once. Parked events are not waited for.
    pub async fn wait(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        first: Position,
        last: Position,
        patience: Duration,
    ) -> Result<PublishedUpTo, Error> {
        let deadline = Instant::now() + patience;
        let mut pages = self.pages.clone();
        loop {
            let up_to = self.up_to(tenant, first).await?;
            let over = Instant::now() >= deadline || self.closing.is_cancelled();
            let waits = !up_to.is_past(log_id, last) && !over;
            let Some(pages) = pages.as_mut().filter(|_| waits) else { return Ok(up_to) };
            let look_again = deadline.min(Instant::now() + LOOK_AGAIN);
            // Whether it was woken, timed out or is closing, the store is asked once more.
            let _ = timeout_at(look_again, self.closing.run_until_cancelled(pages.changed())).await;
        }
    }
}
