//! The port's `Watch`: it tells a process that another one has appended, without being asked.
//!
//! `subscribe` watches, for the readers that wait. A store that only one process appends to has
//! nothing to tell. What is told may be late or missing, after which a look at the heads
//! (`Log::changed_since`) tells the rest: nothing depends on it but speed.

use async_trait::async_trait;

use super::Error;
use crate::domain::tenant::TenantId;

/// A process's view of other processes' appends.
#[async_trait]
pub trait Watch: Send + Sync {
    /// Starts to watch; `None` if no other process appends to this store.
    async fn watch(&self) -> Result<Option<Box<dyn Growth>>, Error> {
        Ok(None)
    }

    /// Returns whether appends have to be announced.
    fn announces(&self) -> bool {
        false
    }

    /// Tells the other processes that these tenants' logs have grown, if the store does not do so
    /// by itself.
    async fn announce(&self, _tenants: &[TenantId]) -> Result<(), Error> {
        Ok(())
    }
}

/// Appends as they are told.
#[async_trait]
pub trait Growth: Send {
    /// Waits for the next appends of other processes, and returns their tenants; perhaps also
    /// tenants of this process's own appends. A call may be dropped at any time, and misses
    /// nothing by that. After an error, the watch is over.
    async fn grown(&mut self) -> Result<Vec<TenantId>, Error>;
}
