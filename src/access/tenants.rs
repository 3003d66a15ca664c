//! The tenants that the store has, as they were read last: their realms are no strangers.
//!
//! `jwks` asks it before it fetches the keys of a realm that the allow-list doesn't name. A tenant
//! that was seen once stays known. The store is read again for one that was not, at most every
//! `READ_EVERY_MS`, by one at a time, and never by the number of requests.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::realms::locked;
use crate::clock::Clock;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::Store;

/// The time after which the store is read again.
const READ_EVERY_MS: i64 = 5_000;

/// The tenants.
pub(super) struct KnownTenants {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: Mutex<HashSet<TenantId>>,
    /// The time of the last reading. Whoever has the turn may read.
    read: Arc<Turn<Option<Time>>>,
}

impl KnownTenants {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, known: Mutex::default(), read: Arc::default() }
    }

    /// Returns whether the store has a tenant. While the store can't be read, those that it had
    /// count.
    pub(super) async fn has(self: &Arc<Self>, tenant: &TenantId) -> bool {
        if self.is_known(tenant) {
            return true;
        }
        let read = self.read.clone().lock_owned().await;
        let now = self.clock.now();
        if read.is_none_or(|at| now < at || at.after(READ_EVERY_MS) <= now) {
            // In a task of its own: a client that leaves doesn't end it.
            drop(tokio::spawn(self.clone().read_all(read)).await);
        }
        self.is_known(tenant)
    }

    fn is_known(&self, tenant: &TenantId) -> bool {
        locked(&self.known).contains(tenant)
    }

    async fn read_all(self: Arc<Self>, mut read: OwnedMutexGuard<Option<Time>>) {
        let all = self.store.list().await;
        *read = Some(self.clock.now());
        if let Ok(all) = all {
            locked(&self.known).extend(all.into_iter().map(|log| log.tenant));
        }
    }
}
