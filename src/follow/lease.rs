//! Leases that are held for as long as a verb of the command line works on lanes.
//!
//! Asked by `resize` and `restore`; renews at the store. A lane that serves renews its own lease.

use std::time::Duration;

use crate::domain::lane::Lane;
use crate::store::{Lease, LeaseCheck, Store};

/// How long a lane is held by a replica that does not renew its lease.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// How often a lease is renewed.
pub(super) const RENEW_AFTER: Duration = Duration::from_millis(1500);

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
