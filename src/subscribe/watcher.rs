//! The watcher: the one place of a process that learns which logs have grown, for all readers that
//! wait.
//!
//! This process's own appends wake at once. Those of others come by the store's `Watch`, and are
//! looked for now and then besides, since what a store tells may be lost. While nobody reads,
//! nothing is watched.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::SubscribeDeps;
use super::waiters::Waiters;
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::{self, ChangeToken, Growth, Store};
use crate::tasks::Tasks;

/// The longest time between two looks at the heads while somebody reads.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same while the store tells nothing.
const LOOK_OFTEN: Duration = Duration::from_millis(100);
/// The time after which a watch that failed is tried again.
const WATCH_AGAIN: Duration = Duration::from_secs(5);
/// The least time between two announcements, which the logs that grow meanwhile share.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(2);
/// The time for which it is taken for known whether there are subscriptions at all.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// The way to tell readers that a log has grown by an append of this process.
#[derive(Clone)]
pub struct Grown(Arc<Waiters>);

impl Grown {
    pub(super) fn new(waiters: Arc<Waiters>) -> Self {
        Self(waiters)
    }

    /// Wakes this process's readers of a tenant's log, and tells other processes of it.
    pub fn tell(&self, tenant: &TenantId) {
        self.0.wake_all(tenant);
    }
}

/// Starts the watcher and the announcer.
pub(super) fn spawn(
    tasks: &mut Tasks,
    deps: &SubscribeDeps,
    waiters: &Arc<Waiters>,
    stop: &CancellationToken,
) {
    let watcher = Watcher::new(deps.store.clone(), deps.lanes, waiters.clone());
    let watching = stop.clone().run_until_cancelled_owned(watcher.run());
    tasks.spawn("watcher", async move { _ = watching.await });
    let announcing = announce(deps.store.clone(), waiters.clone());
    let announcing = stop.clone().run_until_cancelled_owned(announcing);
    tasks.spawn("announcer", async move { _ = announcing.await });
}

struct Watcher {
    store: Arc<dyn Store>,
    waiters: Arc<Waiters>,
    tokens: Vec<(Lane, ChangeToken)>,
    /// The watch, while it works.
    growth: Option<Box<dyn Growth>>,
    /// Whether the store tells of others' appends, as far as it is known.
    is_told: bool,
    next_watch: Instant,
    next_look: Instant,
}

impl Watcher {
    fn new(store: Arc<dyn Store>, lanes: u16, waiters: Arc<Waiters>) -> Self {
        let tokens = Lane::all(lanes).map(|lane| (lane, ChangeToken::START)).collect();
        let now = Instant::now();
        Self {
            store,
            waiters,
            tokens,
            growth: None,
            is_told: true,
            next_watch: now,
            next_look: now,
        }
    }

    async fn run(mut self) {
        let mut read = self.waiters.read();
        loop {
            if *read.borrow_and_update() == 0 {
                self.growth = None;
                if read.changed().await.is_err() {
                    return;
                }
                continue;
            }
            self.watch().await;
            if let Some(tenants) = self.told().await {
                tenants.iter().for_each(|tenant| self.waiters.wake(tenant));
            } else {
                self.look().await;
            }
        }
    }

    /// Begins to watch, if nothing is watched and it is time.
    async fn watch(&mut self) {
        if self.growth.is_some() || Instant::now() < self.next_watch {
            return;
        }
        self.next_watch = Instant::now() + WATCH_AGAIN;
        match self.store.watch().await {
            Ok(growth) => {
                self.growth = growth;
                self.is_told = true;
                // What was appended before the watch began is not told.
                self.next_look = Instant::now();
            }
            Err(error) => self.unwatched(&error),
        }
    }

    /// Waits for the tenants whose logs have grown; `None` once it is time to look.
    async fn told(&mut self) -> Option<Vec<TenantId>> {
        let Some(growth) = &mut self.growth else {
            sleep_until(self.next_look).await;
            return None;
        };
        let told = tokio::select! {
            told = growth.grown() => told,
            () = sleep_until(self.next_look) => return None,
        };
        match told {
            Ok(tenants) => Some(tenants),
            Err(error) => {
                self.unwatched(&error);
                None
            }
        }
    }

    fn unwatched(&mut self, error: &store::Error) {
        tracing::warn!(%error, "failed to watch the logs for other replicas' appends; the gateway \
            looks for them, and tries again by itself");
        (self.growth, self.is_told) = (None, false);
    }

    /// Looks which logs have grown since the last look, and which are being purged: a purge lasts
    /// longer than the time between two looks.
    async fn look(&mut self) {
        let every = if self.is_told { LOOK_EVERY } else { LOOK_OFTEN };
        self.next_look = Instant::now() + every;
        for (lane, token) in &mut self.tokens {
            match self.store.changed_since(*lane, *token).await {
                Ok(changed) => {
                    *token = changed.token;
                    changed.heads.iter().for_each(|head| self.waiters.wake(&head.tenant));
                }
                Err(error) => {
                    tracing::debug!(%error, "failed to look which logs have grown");
                    return;
                }
            }
        }
        // A purged log is in no lane any more.
        match self.store.purges().await {
            Ok(purges) => purges.iter().for_each(|purge| self.waiters.wake(&purge.tenant)),
            Err(error) => tracing::debug!(%error, "failed to look which tenants are purged"),
        }
    }
}

/// Announces this process's appends to others, as long as there are subscriptions.
async fn announce(store: Arc<dyn Store>, waiters: Arc<Waiters>) {
    let (mut grown, mut asked) = (waiters.grown(), None);
    while grown.changed().await.is_ok() {
        let tenants = waiters.take_grown();
        if !store.announces() || tenants.is_empty() {
            continue;
        }
        let (at, has_any) = match asked {
            Some(known) => known,
            None => (Instant::now(), has_subscriptions(&*store).await),
        };
        asked = Some((at, has_any)).filter(|_| at.elapsed() < ASK_EVERY);
        if !has_any {
            continue;
        }
        if let Err(error) = store.announce(&tenants).await {
            tracing::debug!(%error, "failed to tell other replicas that logs have grown");
        }
        sleep(ANNOUNCE_EVERY).await;
    }
}

/// Returns whether there is any subscription; if the store does not say, there may be.
async fn has_subscriptions(store: &dyn Store) -> bool {
    store.list_subscriptions(None).await.map_or(true, |all| !all.is_empty())
}
