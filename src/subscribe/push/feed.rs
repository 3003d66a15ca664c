//! The feed of a window: reads the log for a group whose events are brought to a handler.
//!
//! It is a reader like any other. It has a task of its own, since a read that is given up half way
//! would leave events out. While the window has no room it reads nothing, and keeps the group.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::subscribe::{Delivery, Error, Reading};

/// The longest time for which it waits for events at once.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The end of a feed that a worker holds.
pub(super) struct Feed {
    room: watch::Sender<usize>,
    parts: mpsc::Receiver<Result<Delivery, Error>>,
}

/// The end that reads.
pub(super) struct Source {
    room: watch::Receiver<usize>,
    parts: mpsc::Sender<Result<Delivery, Error>>,
}

/// Returns both ends of a feed.
pub(super) fn feed() -> (Feed, Source) {
    let (room, rooms) = watch::channel(0);
    let (sender, parts) = mpsc::channel(1);
    (Feed { room, parts }, Source { room: rooms, parts: sender })
}

impl Feed {
    /// Tells how many events may be read on.
    pub(super) fn has_room(&self, events: usize) {
        self.room.send_replace(events);
    }

    /// Waits for the next part; `None` once the feed has ended.
    pub(super) async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        self.parts.recv().await
    }
}

impl Source {
    /// Reads until it is stopped, or the reading ends; then the next reader may begin at once.
    pub(super) async fn run(mut self, mut reading: Reading, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let events_max = *self.room.borrow_and_update();
            let until = Instant::now() + WAIT_MAX;
            let read = if events_max == 0 {
                tokio::select! {
                    kept = reading.keep(until) => kept.map(|()| None),
                    _ = self.room.changed() => continue,
                    () = stop.cancelled() => break,
                }
            } else {
                reading.next(events_max, until).await.map(Some)
            };
            match read {
                Ok(None) => {}
                Ok(Some(part)) => {
                    if self.parts.send(Ok(part)).await.is_err() {
                        break;
                    }
                    // The window tells anew how much room it has.
                    tokio::select! {
                        changed = self.room.changed() => if changed.is_err() { break },
                        () = stop.cancelled() => break,
                    }
                }
                Err(error) => {
                    _ = self.parts.send(Err(error)).await;
                    return;
                }
            }
        }
        reading.close().await;
    }
}
