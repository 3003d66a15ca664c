//! What is published: derived from the relay's cursor, as the store knows it.
//!
//! Asked by `http`. May be late, never early: the lane notes its cursor in the store only after
//! Kafka's commit, and every replica reads it there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::domain::follower::{Cursor, Follower};
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::store::{Error, Store};

/// How long a waiter sleeps at the most before it looks again: a lane of another replica rings no
/// bell here.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How far a tenant's log is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizon {
    /// There is no relay: nobody can say.
    NoRelay,
    /// The relay's cursor, if it has ever come by.
    Relay(Option<Cursor>),
}

impl Horizon {
    /// Whether the event at that position is published; `None` without a relay.
    pub fn has(&self, log_id: LogId, position: Position) -> Option<bool> {
        match self {
            Self::NoRelay => None,
            Self::Relay(cursor) => Some(cursor.is_some_and(|c| c.log_id == log_id && c.position >= position)),
        }
    }
}

/// Tells what is published.
pub struct Published {
    store: Arc<dyn Store>,
    pages: Option<watch::Receiver<()>>,
    closing: CancellationToken,
}

impl Published {
    /// `pages` ticks after each page that this replica's lanes commit; `None` without a relay. Once it is
    /// `closing`, nobody waits any more.
    pub fn new(
        store: Arc<dyn Store>,
        pages: Option<watch::Receiver<()>>,
        closing: CancellationToken,
    ) -> Self {
        Self { store, pages, closing }
    }

    /// How far a tenant's log is published.
    pub async fn horizon(&self, tenant: &TenantId) -> Result<Horizon, Error> {
        match self.pages {
            None => Ok(Horizon::NoRelay),
            Some(_) => Ok(Horizon::Relay(self.store.load(tenant, &Follower::relay()).await?)),
        }
    }

    /// Waits until the event at that position is published, or `patience` is over; without a relay
    /// it answers at once.
    pub async fn wait(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        position: Position,
        patience: Duration,
    ) -> Result<Horizon, Error> {
        let deadline = Instant::now() + patience;
        let mut pages = self.pages.clone();
        loop {
            let horizon = self.horizon(tenant).await?;
            let over = Instant::now() >= deadline || self.closing.is_cancelled();
            let waits = horizon.has(log_id, position) == Some(false) && !over;
            let Some(pages) = pages.as_mut().filter(|_| waits) else { return Ok(horizon) };
            let look_again = deadline.min(Instant::now() + LOOK_AGAIN);
            // Ticked, timed out or closing: in each case the store is asked once more.
            tokio::select! {
                _ = timeout_at(look_again, pages.changed()) => {}
                () = self.closing.cancelled() => {}
            }
        }
    }
}
