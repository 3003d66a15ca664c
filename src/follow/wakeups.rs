//! Wake-ups: they tell a task that a log has grown, and carry no data.
//!
//! `intake` sends them after each commit, and workers wait for them. A task that is woken while it
//! is busy learns of it as soon as it waits again.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::lane::Lane;

/// The wake-ups of all lanes.
#[derive(Clone)]
pub struct Wakeups {
    lanes: Arc<[watch::Sender<()>]>,
    any: Arc<watch::Sender<()>>,
}

impl Wakeups {
    /// Makes the wake-ups of `lanes` lanes.
    pub fn new(lanes: u16) -> Self {
        let lanes = (0..lanes).map(|_| watch::Sender::new(())).collect();
        Self { lanes, any: Arc::new(watch::Sender::new(())) }
    }

    /// Wakes the tasks that wait for a lane, since one of its logs has new events.
    pub fn wake(&self, lane: Lane) {
        if let Some(woken) = self.lanes.get(usize::from(lane.number())) {
            woken.send_replace(());
        }
        self.any.send_replace(());
    }

    /// Returns the number of lanes.
    pub(super) fn count(&self) -> u16 {
        u16::try_from(self.lanes.len()).expect("made from a u16")
    }

    /// Returns the wake-ups of one lane, from now on.
    pub(super) fn lane(&self, lane: Lane) -> Wakeup {
        Wakeup::of(&self.lanes[usize::from(lane.number())])
    }

    /// Returns the wake-ups of all lanes, from now on.
    pub(super) fn any(&self) -> Wakeup {
        Wakeup::of(&self.any)
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
