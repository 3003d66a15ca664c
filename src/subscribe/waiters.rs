//! The readers of this process that wait for events, by the tenant whose log they read.
//!
//! `reading` waits here, and `watcher` wakes. A wake-up carries no data: it says that a log may
//! have grown, and the readers look. What they look at is read once for all of them (`tail`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use super::tail::Tail;
use crate::domain::tenant::TenantId;

/// All readers that wait.
pub(super) struct Waiters {
    logs: Mutex<HashMap<TenantId, (usize, Arc<Waited>)>>,
    /// The number of logs that somebody reads.
    read: watch::Sender<usize>,
    /// The logs that this process has appended to, until they are announced.
    grown: watch::Sender<Vec<TenantId>>,
}

/// A log that readers wait for.
pub(super) struct Waited {
    /// Rises with every wake-up.
    wakes: watch::Sender<u64>,
    /// The newest part of the log.
    pub(super) tail: Tail,
}

/// One reader's place among those that wait; it leaves when it is dropped.
pub(super) struct Waiter {
    all: Arc<Waiters>,
    tenant: TenantId,
    log: Arc<Waited>,
    seen: watch::Receiver<u64>,
}

impl Waiters {
    pub(super) fn new() -> Self {
        let (read, grown) = (watch::Sender::new(0), watch::Sender::new(Vec::new()));
        Self { logs: Mutex::default(), read, grown }
    }

    /// Adds a reader of a tenant's log.
    pub(super) fn join(self: &Arc<Self>, tenant: &TenantId) -> Waiter {
        let mut logs = self.lock();
        let new = || (0, Arc::new(Waited { wakes: watch::Sender::new(0), tail: Tail::default() }));
        let (readers, log) = logs.entry(tenant.clone()).or_insert_with(new);
        *readers += 1;
        let log = log.clone();
        self.read.send_replace(logs.len());
        drop(logs);
        Waiter { all: self.clone(), tenant: tenant.clone(), seen: log.wakes.subscribe(), log }
    }

    /// Wakes the readers of a tenant's log.
    pub(super) fn wake(&self, tenant: &TenantId) {
        if let Some((_, log)) = self.lock().get(tenant) {
            log.wakes.send_modify(|wakes| *wakes += 1);
        }
    }

    /// Wakes the readers of a log that this process has appended to, and has it announced to other
    /// processes.
    pub(super) fn wake_all(&self, tenant: &TenantId) {
        self.wake(tenant);
        self.grown.send_if_modified(|grown| {
            let is_new = !grown.contains(tenant);
            if is_new {
                grown.push(tenant.clone());
            }
            is_new
        });
    }

    /// Returns the number of logs that somebody reads, as it changes.
    pub(super) fn read(&self) -> watch::Receiver<usize> {
        self.read.subscribe()
    }

    /// Returns the logs that have grown, as they do.
    pub(super) fn grown(&self) -> watch::Receiver<Vec<TenantId>> {
        self.grown.subscribe()
    }

    /// Takes the logs that have grown since the last call. Taking them is no change, or whoever
    /// takes them would be woken by that.
    pub(super) fn take_grown(&self) -> Vec<TenantId> {
        let mut taken = Vec::new();
        self.grown.send_if_modified(|grown| {
            std::mem::swap(grown, &mut taken);
            false
        });
        taken
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, (usize, Arc<Waited>)>> {
        self.logs.lock().expect("no holder panics")
    }
}

impl Waiter {
    /// Returns the log that is waited for.
    pub(super) fn log(&self) -> &Waited {
        &self.log
    }

    /// Notes the wake-ups so far, before the log is read: whatever is appended after this wakes the
    /// reader.
    pub(super) fn look(&mut self) -> u64 {
        *self.seen.borrow_and_update()
    }

    /// Waits for a wake-up after the last look.
    pub(super) async fn woken(&mut self) {
        self.seen.changed().await.expect("the log's wake-ups live as long as the reader");
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut logs = self.all.lock();
        if let Some((readers, _)) = logs.get_mut(&self.tenant) {
            *readers -= 1;
            if *readers == 0 {
                logs.remove(&self.tenant);
            }
        }
        self.all.read.send_replace(logs.len());
    }
}

#[cfg(test)]
mod tests {
    use super::Waiters;
    use crate::domain::tenant::TenantId;

    #[test]
    fn logs_that_have_grown_are_taken_once_and_taking_them_wakes_nobody() {
        let waiters = Waiters::new();
        let [diku, college] = ["diku", "college"].map(|id| TenantId::parse(id).unwrap());
        let mut grown = waiters.grown();
        for tenant in [&diku, &college, &diku] {
            waiters.wake_all(tenant);
        }
        assert!(grown.has_changed().unwrap());
        grown.mark_unchanged();
        assert_eq!(waiters.take_grown(), [diku.clone(), college]);
        assert!(!grown.has_changed().unwrap(), "the announcer would never rest");
        waiters.wake_all(&diku);
        assert!(grown.has_changed().unwrap());
        assert_eq!(waiters.take_grown(), [diku]);
    }
}
