//! The feed of a window: reads the log for a group whose events are brought to a handler.
//!
//! It is a reader like any other. It reads only as many events as it was asked for, and as the
//! memory of the tenant's handlers has room for; it keeps the group while it reads nothing.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bounds::{EVENT_BYTES, PART_BYTES};
use super::held::Held;
use crate::domain::tenant::TenantId;
use crate::shares::{Queue, QueuedShare};
use crate::subscribe::{Delivery, Error, Reading};

/// The longest time for which it waits for events at once.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The end of a feed that a worker holds.
pub(super) struct Feed {
    asks: mpsc::Sender<usize>,
    is_asked: bool,
    parts: mpsc::Receiver<Result<Kept, Error>>,
    lasts_until: watch::Receiver<Instant>,
}

/// The end that reads.
pub(super) struct Source {
    reading: Reading,
    asks: mpsc::Receiver<usize>,
    parts: mpsc::Sender<Result<Kept, Error>>,
    lasts_until: watch::Sender<Instant>,
    memory: Memory,
}

/// A part of the log, and the share of memory that it has.
pub(super) struct Kept {
    /// The part.
    pub(super) part: Delivery,
    /// The time before which it was read.
    pub(super) read: Instant,
    /// The share of what was read, if it has events.
    pub(super) share: Option<QueuedShare>,
}

/// The memory of a tenant's handlers, as one feed takes it.
struct Memory {
    bytes: Arc<Queue>,
    tenant: TenantId,
    /// The place in the queue, which is kept while the group is.
    taking: Option<Pin<Box<dyn Future<Output = QueuedShare> + Send>>>,
    /// The share for the next part.
    share: Option<QueuedShare>,
}

/// Something that a feed tells.
pub(super) enum Fed {
    /// A part of the log was read.
    Part(Kept),
    /// The group is kept for longer.
    Renewed,
}

/// Returns both ends of a feed.
pub(super) fn feed(reading: Reading, held: &Held) -> (Feed, Source) {
    let (asks, asked) = mpsc::channel(1);
    let (sender, parts) = mpsc::channel(1);
    let (renewed, lasts_until) = watch::channel(reading.lasts_until());
    let feed = Feed { asks, is_asked: false, parts, lasts_until };
    let (bytes, tenant) = (held.bounds.bytes.clone(), held.tenant.clone());
    let memory = Memory { bytes, tenant, taking: None, share: None };
    (feed, Source { reading, asks: asked, parts: sender, lasts_until: renewed, memory })
}

impl Feed {
    /// Asks for a part with at most so many events, unless one is asked for already.
    pub(super) fn ask(&mut self, events: usize) {
        if events > 0 && !self.is_asked {
            self.is_asked = self.asks.try_send(events).is_ok();
        }
    }

    /// Waits for news; `None` once the feed has ended.
    pub(super) async fn next(&mut self) -> Option<Result<Fed, Error>> {
        let renewed = async {
            if self.lasts_until.changed().await.is_err() {
                // The end is told by the parts.
                pending::<()>().await;
            }
        };
        tokio::select! {
            part = self.parts.recv() => {
                self.is_asked = false;
                part.map(|part| part.map(Fed::Part))
            }
            () = renewed => Some(Ok(Fed::Renewed)),
        }
    }

    /// Returns the time until which nobody else may have the group, as it is kept.
    pub(super) fn lasts_until(&self) -> watch::Receiver<Instant> {
        self.lasts_until.clone()
    }

    /// Returns whether nobody else may have the group yet.
    pub(super) fn has_group(&self) -> bool {
        Instant::now() < *self.lasts_until.borrow()
    }
}

impl Source {
    /// Reads until it is stopped, or the reading ends; then the next reader may begin at once.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (mut asked, wait) = (0, (self.reading.lease() / 3).min(WAIT_MAX));
        loop {
            if self.reading.is_stopping() {
                stop.cancelled().await;
                break;
            }
            let (before, until) = (self.reading.position(), Instant::now() + wait);
            let read = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                more = self.asks.recv(), if asked == 0 => match more {
                    Some(events) => {
                        asked = events;
                        continue;
                    }
                    None => break,
                },
                read = self.memory.read(&mut self.reading, asked, until) => read,
            };
            self.lasts_until.send_replace(self.reading.lasts_until());
            match read {
                Ok(Some(part)) if part.position > before => {
                    asked = 0;
                    let read = self.reading.read_at();
                    let Ok(share) = self.keep(&part, &stop).await else { break };
                    if self.parts.send(Ok(Kept { part, read, share })).await.is_err() {
                        break;
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    _ = self.parts.send(Err(error)).await;
                    return;
                }
            }
        }
        self.reading.close().await;
    }

    /// Keeps a part, once there is memory for it; meanwhile the group is kept, too. An error if it
    /// is stopped, or the reading ends.
    async fn keep(
        &mut self,
        part: &Delivery,
        stop: &CancellationToken,
    ) -> Result<Option<QueuedShare>, ()> {
        if part.events.is_empty() {
            return Ok(None);
        }
        while self.memory.share.is_none() {
            let until = Instant::now() + WAIT_MAX.min(self.reading.lease() / 3);
            let kept = tokio::select! {
                () = self.memory.take() => Ok(()),
                kept = self.reading.keep(until) => kept,
                () = stop.cancelled() => return Err(()),
            };
            self.lasts_until.send_replace(self.reading.lasts_until());
            if let Err(error) = kept {
                _ = self.parts.send(Err(error)).await;
                return Err(());
            }
            if self.reading.is_stopping() {
                stop.cancelled().await;
            }
        }
        let mut share = self.memory.share.take();
        if let Some(share) = &mut share {
            let bytes = part.events.iter().map(|event| event.payload.len() + EVENT_BYTES);
            share.shrink_to(bytes.sum());
        }
        Ok(share)
    }
}

impl Memory {
    /// Reads on if events were asked for, else keeps the group. Older events are read for this
    /// group alone, once there is memory for them.
    async fn read(
        &mut self,
        reading: &mut Reading,
        asked: usize,
        until: Instant,
    ) -> Result<Option<Delivery>, Error> {
        if asked == 0 {
            return reading.keep(until).await.map(|()| None);
        }
        if reading.is_at_head() {
            self.share = None;
            return reading.next(asked, until).await.map(Some);
        }
        if self.share.is_none() {
            tokio::select! {
                () = self.take() => {}
                kept = reading.keep(until) => return kept.map(|()| None),
            }
        }
        let part = reading.catch_up(asked, until).await?;
        if part.events.is_empty() {
            self.share = None;
        }
        Ok(Some(part))
    }

    /// Waits for the share of the next part.
    async fn take(&mut self) {
        if self.share.is_none() {
            let (bytes, tenant) = (self.bytes.clone(), self.tenant.clone());
            let take = || -> Pin<Box<dyn Future<Output = QueuedShare> + Send>> {
                Box::pin(async move { bytes.take(&tenant, PART_BYTES).await })
            };
            let share = self.taking.get_or_insert_with(take).await;
            (self.taking, self.share) = (None, Some(share));
        }
    }
}
