//! The feed of a window: reads the log for a group whose events are brought to a handler.
//!
//! It is a reader like any other. It reads only as many events as it was asked for, and keeps the
//! group while it is asked for none.

use std::future::pending;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::subscribe::{Delivery, Error, Reading};

/// The longest time for which it waits for events at once.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The end of a feed that a worker holds.
pub(super) struct Feed {
    asks: mpsc::Sender<usize>,
    is_asked: bool,
    parts: mpsc::Receiver<Result<Delivery, Error>>,
    lasts_until: watch::Receiver<Instant>,
}

/// The end that reads.
pub(super) struct Source {
    reading: Reading,
    asks: mpsc::Receiver<usize>,
    parts: mpsc::Sender<Result<Delivery, Error>>,
    lasts_until: watch::Sender<Instant>,
}

/// Something that a feed tells.
pub(super) enum Fed {
    /// A part of the log was read.
    Part(Delivery),
    /// The group is kept for longer.
    Renewed,
}

/// Returns both ends of a feed.
pub(super) fn feed(reading: Reading) -> (Feed, Source) {
    let (asks, asked) = mpsc::channel(1);
    let (sender, parts) = mpsc::channel(1);
    let (renewed, lasts_until) = watch::channel(reading.lasts_until());
    let feed = Feed { asks, is_asked: false, parts, lasts_until };
    (feed, Source { reading, asks: asked, parts: sender, lasts_until: renewed })
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
                read = read(&mut self.reading, asked, until) => read,
            };
            self.lasts_until.send_replace(self.reading.lasts_until());
            match read {
                Ok(Some(part)) if part.position > before => {
                    asked = 0;
                    if self.parts.send(Ok(part)).await.is_err() {
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
}

/// Reads on if events were asked for, else keeps the group.
async fn read(
    reading: &mut Reading,
    asked: usize,
    until: Instant,
) -> Result<Option<Delivery>, Error> {
    if asked == 0 {
        return reading.keep(until).await.map(|()| None);
    }
    reading.next(asked, until).await.map(Some)
}
