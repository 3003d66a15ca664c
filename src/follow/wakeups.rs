//! Wake-ups: how a task learns that a log has grown. They carry no data.
//!
//! Fed by `intake`, after each commit; feeds the workers. Always true: who is woken while it is
//! busy finds that out as soon as it waits again.

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
    /// Makes the wake-ups of so many lanes.
    pub fn new(lanes: u16) -> Self {
        let lanes = (0..lanes).map(|_| watch::Sender::new(())).collect();
        Self { lanes, any: Arc::new(watch::Sender::new(())) }
    }

    /// Wakes whoever waits for the logs of that lane: one of them has new events.
    pub fn wake(&self, lane: Lane) {
        if let Some(woken) = self.lanes.get(usize::from(lane.number())) {
            woken.send_replace(());
        }
        self.any.send_replace(());
    }

    /// How many lanes there are.
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
    /// Whoever sends by that channel does, from now on.
    pub(super) fn of(sender: &watch::Sender<()>) -> Self {
        Self(Some(sender.subscribe()))
    }

    /// Nothing does: the task ticks by time alone.
    pub(super) fn never() -> Self {
        Self(None)
    }

    /// Returns when there was a wake-up since the last one was returned.
    pub(super) async fn woken(&mut self) {
        match &mut self.0 {
            // A gateway that has let all senders go is at its end.
            Some(woken) => {
                if woken.changed().await.is_err() {
                    pending().await
                }
            }
            None => pending().await,
        }
    }
}
