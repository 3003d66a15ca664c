//! Wake-ups: they tell a task that a log has grown, and carry no data.
//!
//! `intake` sends them after each commit, and workers wait for them. A task that is woken while it
//! is busy learns of it as soon as it waits again.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::domain::lane::Lane;

/// The wake-ups of all lanes.
#[derive(Clone)]
pub struct Wakeups {
    lanes: Arc<[watch::Sender<()>]>,
    /// How many times each lane was asked to be taken over again.
    take_overs: Arc<[AtomicU64]>,
}

impl Wakeups {
    /// Makes the wake-ups of `lanes` lanes.
    pub fn new(lanes: u16) -> Self {
        let take_overs = (0..lanes).map(|_| AtomicU64::default()).collect();
        let lanes = (0..lanes).map(|_| watch::Sender::new(())).collect();
        Self { lanes, take_overs }
    }

    /// Wakes the tasks that wait for a lane, since one of its logs has new events.
    pub fn wake(&self, lane: Lane) {
        if let Some(woken) = self.lanes.get(usize::from(lane.number())) {
            woken.send_replace(());
        }
    }

    /// Asks the workers of a lane to take it over again, since the store has something new that
    /// only a takeover reads.
    pub(super) fn take_over(&self, lane: Lane) {
        if let Some(asked) = self.take_overs.get(usize::from(lane.number())) {
            asked.fetch_add(1, Ordering::SeqCst);
        }
        self.wake(lane);
    }

    /// Returns how many times a lane was asked to be taken over again.
    pub(super) fn take_overs(&self, lane: Lane) -> u64 {
        self.take_overs[usize::from(lane.number())].load(Ordering::SeqCst)
    }

    /// Returns the number of lanes.
    pub(super) fn count(&self) -> u16 {
        u16::try_from(self.lanes.len()).expect("made from a u16")
    }

    /// Returns the wake-ups of one lane, from now on.
    pub(super) fn lane(&self, lane: Lane) -> Wakeup {
        Wakeup::of(&self.lanes[usize::from(lane.number())])
    }
}

/// The wake-ups of one task.
pub(super) struct Wakeup(Option<watch::Receiver<()>>);

impl Wakeup {
    /// Makes the wake-ups that are sent through a channel, from now on.
    pub(super) fn of(sender: &watch::Sender<()>) -> Self {
        Self(Some(sender.subscribe()))
    }

    /// Makes wake-ups that never come: the task ticks by time alone.
    pub(super) fn never() -> Self {
        Self(None)
    }

    /// Waits for a wake-up; returns at once if one came since the last call returned.
    pub(super) async fn woken(&mut self) {
        match &mut self.0 {
            // Once all senders are gone, the gateway ends.
            Some(woken) => {
                if woken.changed().await.is_err() {
                    pending().await
                }
            }
            None => pending().await,
        }
    }
}
