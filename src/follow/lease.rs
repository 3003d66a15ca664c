//! Leases of lanes: how long they hold, who of a lane's sinks wants one, and how they are renewed.
//!
//! Used by the lane holder and the tasks of its sinks, and by `resize` and `restore`, which hold
//! leases as long as they work; renews at the store.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::wakeups::Wakeup;
use crate::domain::lane::Lane;
use crate::store::{Lease, LeaseCheck, Store};

/// How long a lane is held by a replica that does not renew its lease.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// How often a lease is renewed.
pub(super) const RENEW_AFTER: Duration = Duration::from_millis(1500);

/// The lease that the sinks of a lane work under; `None` while there is none.
pub(super) type Leases = watch::Receiver<Option<Lease>>;

/// Which sinks of a lane want to work. A sink that fails does not, until its pause is over.
#[derive(Clone)]
pub(super) struct Demand {
    wants: Arc<Mutex<Vec<bool>>>,
    changed: Arc<watch::Sender<()>>,
}

impl Demand {
    /// All of so many sinks do.
    pub(super) fn new(sinks: usize) -> Self {
        let wants = Arc::new(Mutex::new(vec![true; sinks]));
        Self { wants, changed: Arc::new(watch::Sender::new(())) }
    }

    /// Says whether one of them wants to work.
    pub(super) fn set(&self, sink: usize, wants: Want) {
        let wants = wants == Want::Work;
        let before =
            std::mem::replace(&mut self.wants.lock().expect("no holder panics")[sink], wants);
        if before != wants {
            self.changed.send_replace(());
        }
    }

    /// Wakes who is to know of a change.
    pub(super) fn wakeup(&self) -> Wakeup {
        Wakeup::of(&self.changed)
    }

    /// Whether any of them wants to work.
    pub(super) fn is_there(&self) -> bool {
        self.wants.lock().expect("no holder panics").contains(&true)
    }
}

/// A sink's wish for its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// The lease.
    Work,
    /// Nothing, for a while.
    Pause,
}

/// Renews the leases, however long Kafka takes; returns the first lane that is lost. Errors of the
/// store are passed over here: whoever writes next meets them.
pub(super) async fn keep_renewing(store: &dyn Store, leases: &[Lease]) -> Lane {
    loop {
        tokio::time::sleep(RENEW_AFTER).await;
        for lease in leases {
            match store.renew(lease, LEASE).await {
                Ok(LeaseCheck::Held) => {}
                Ok(LeaseCheck::Lost) => return lease.lane,
                Err(error) => {
                    tracing::debug!(lane = %lease.lane, %error, "failed to renew the lease")
                }
            }
        }
    }
}
