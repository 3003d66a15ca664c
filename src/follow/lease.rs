//! Leases of lanes: how long they hold, which of a lane's sinks want one, and how they are renewed.
//!
//! The lane holder and the tasks of its sinks use them, and so do `resize` and `restore`, which
//! hold leases for as long as they work.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::wakeups::Wakeup;
use crate::domain::lane::Lane;
use crate::store::{Lease, LeaseCheck, Store};

/// The time for which a replica holds a lane without renewing its lease.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// The interval at which a lease is renewed.
pub(super) const RENEW_AFTER: Duration = Duration::from_millis(1500);

/// The lease that the sinks of a lane work under; `None` while there is none.
pub(super) type Leases = watch::Receiver<Option<Lease>>;

/// The sinks of a lane that want to work. A sink that failed does not, until its pause is over.
#[derive(Clone)]
pub(super) struct Demand {
    wants: Arc<Mutex<Vec<bool>>>,
    changed: Arc<watch::Sender<()>>,
}

impl Demand {
    /// Makes the demand of so many sinks, all of which want to work.
    pub(super) fn new(sinks: usize) -> Self {
        let wants = Arc::new(Mutex::new(vec![true; sinks]));
        Self { wants, changed: Arc::new(watch::Sender::new(())) }
    }

    /// Sets whether a sink wants to work.
    pub(super) fn set(&self, sink: usize, wants: Want) {
        let wants = wants == Want::Work;
        let before =
            std::mem::replace(&mut self.wants.lock().expect("no holder panics")[sink], wants);
        if before != wants {
            self.changed.send_replace(());
        }
    }

    /// Returns a wake-up for each change.
    pub(super) fn wakeup(&self) -> Wakeup {
        Wakeup::of(&self.changed)
    }

    /// Returns whether any sink wants to work.
    pub(super) fn is_there(&self) -> bool {
        self.wants.lock().expect("no holder panics").contains(&true)
    }
}

/// The demand of one sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// The sink wants the lease.
    Work,
    /// The sink pauses, and needs no lease.
    Pause,
}

/// Renews the leases, however long Kafka takes, and returns the first lane that is lost. Errors of
/// the store are only logged here: the next write meets them.
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
