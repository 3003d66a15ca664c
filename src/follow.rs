//! Out: those who follow the logs.
//!
//! Fed by the store's logs and by wake-ups that carry no data; feeds the broker. Every follower
//! has a name, a filter and a cursor, and goes on from its cursor whatever happened before.

mod held;
mod lane;
mod lane_assignment;
mod lane_manager;
mod lease;
mod parking;
mod preview;
pub mod published;
mod relay;
pub mod resize;
pub mod restore;
mod retention_check;
mod rivals;
mod topics;
mod unnamed;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::filter::Filter;
use crate::domain::lane::Lane;
use crate::domain::settings::Settings;
use crate::metrics::Metrics;
use crate::sink::{self, Opened};
use crate::store::{self, Scan, Store};
use crate::tasks::{Ended, Tasks};

use crate::health::Health;

const PAGE_EVENTS_MAX: usize = 500;
const PAGE_BYTES_MAX: usize = 4 << 20;
/// How long a follower sleeps at the most before it looks: other replicas ring no bell here.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The wakeups: one for each lane, and one for the preview. Ringing says "look", and nothing else.
#[derive(Clone)]
pub struct Wakeups {
    lanes: Arc<[Notify]>,
    preview: Arc<Notify>,
}

impl Wakeups {
    /// For that many lanes.
    pub fn new(lanes: u16) -> Self {
        Self { lanes: (0..lanes).map(|_| Notify::new()).collect(), preview: Arc::default() }
    }

    /// A tenant of that lane has new events.
    pub fn wake(&self, lane: Lane) {
        if let Some(bell) = self.lanes.get(usize::from(lane.number())) {
            bell.notify_one();
        }
        self.preview.notify_one();
    }

    fn count(&self) -> u16 {
        u16::try_from(self.lanes.len()).expect("made from a u16")
    }

    async fn woken(&self, lane: Lane) {
        self.lanes[usize::from(lane.number())].notified().await;
    }
}

/// What all followers are made of.
#[derive(Clone)]
pub struct FollowDeps {
    /// The logs.
    pub store: Arc<dyn Store>,
    /// What topics are created with.
    pub settings: Arc<Settings>,
    /// Who wakes them.
    pub wakeups: Wakeups,
    /// Where they tell their troubles.
    pub health: Arc<Health>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Ticks after the store knows of a page that a lane of this replica has committed.
    pub pages: watch::Sender<()>,
    /// This host's time.
    pub clock: Arc<dyn Clock>,
    /// This replica, for the leases.
    pub replica: String,
    /// This run of it.
    pub instance: String,
}

/// The running followers.
pub struct Followers {
    tasks: Tasks,
    stop: CancellationToken,
}

impl Followers {
    /// Starts what this broker needs: the lanes and the keeper of topics for a Kafka, the preview
    /// for the embedded broker, nothing for none.
    pub fn start(deps: &FollowDeps, broker: &Opened) -> Self {
        let (mut tasks, stop) = (Tasks::default(), CancellationToken::new());
        match broker {
            Opened::None => {}
            Opened::Embedded(preview) => {
                tasks.spawn(
                    "embedded preview",
                    preview::run(deps.clone(), preview.clone(), stop.clone()),
                );
                let (preview, stop) = (preview.clone(), stop.clone());
                tasks.spawn("embedded broker", async move {
                    stop.run_until_cancelled(preview.ended()).await;
                });
            }
            Opened::Kafka(kafka) => {
                tasks.spawn(
                    "keeper of topics",
                    topics::run(deps.clone(), kafka.clone(), stop.clone()),
                );
                let (looked, has_looked) = oneshot::channel();
                let retention =
                    retention_check::run(deps.clone(), kafka.clone(), stop.clone(), looked);
                tasks.spawn("keeper of retention", retention);
                let lanes = lane_manager::run(deps.clone(), kafka.clone(), stop.clone());
                let stop = stop.clone();
                tasks.spawn("lanes", async move {
                    // What Kafka will delete at once is told before it is published.
                    stop.run_until_cancelled(has_looked).await;
                    lanes.await;
                });
            }
        }
        Self { tasks, stop }
    }

    /// The next one to end, which none does unasked; never, if there is none.
    pub async fn ended(&mut self) -> Ended {
        self.tasks.ended().await
    }

    /// Lets every follower finish its page, and waits until all have. Returns one that panicked, if
    /// one did.
    pub async fn stop(self) -> Option<Ended> {
        self.stop.cancel();
        self.tasks.finish().await
    }
}

/// Why a follower can't go on just now.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Sink(#[from] sink::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The limits of a page, for any follower: everything, `events_each_max` of one tenant.
fn page_scan(events_each_max: usize) -> Scan {
    Scan {
        filter: Filter::default(),
        from: None,
        to: None,
        events_each_max,
        events_max: PAGE_EVENTS_MAX,
        bytes_max: PAGE_BYTES_MAX,
        rows_max: events_each_max,
    }
}

/// Waits that double from `first` up to `most`, until they are reset.
struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    fn reset(&mut self) {
        self.next = self.first;
    }

    /// Sleeps for the next wait, or until `stop`.
    async fn sleep(&mut self, stop: &CancellationToken) {
        let wait = self.next;
        self.next = self.most.min(wait * 2);
        let _ = tokio::time::timeout(wait, stop.cancelled()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Wakeups;
    use crate::domain::lane::Lane;

    #[tokio::test]
    async fn a_wakeup_while_nobody_waits_is_not_lost() {
        let wakeups = Wakeups::new(2);
        wakeups.wake(Lane::new(1));
        let heard = async |lane| {
            tokio::time::timeout(Duration::from_millis(20), wakeups.woken(Lane::new(lane)))
                .await
                .is_ok()
        };
        assert!(heard(1).await, "it must look again");
        assert!(!heard(1).await && !heard(0).await);
    }
}
