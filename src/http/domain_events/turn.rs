//! A reader's turn: so many reads of the logs at once, and no more than a share of them for one
//! tenant.
//!
//! Asked by `list` and `get` before they read; the store's other readers are for those who follow
//! it.

use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use crate::domain::tenant::TenantId;
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::shares::{Full, Share};

const TURN_WITHIN: Duration = Duration::from_secs(5);

/// Waits for its turn to read, but not for long. Of one tenant only so many may wait, so that the
/// others' turns come in time.
pub(super) async fn turn<'a>(
    gateway: &'a Gateway,
    tenant: &TenantId,
) -> Result<(SemaphorePermit<'a>, Share), Problem> {
    let share = gateway.readers.take(tenant, 1).map_err(|full| match full {
        Full::All => Problem::ReadsFull,
        Full::Tenant => Problem::TenantReadsFull,
    })?;
    match timeout(TURN_WITHIN, gateway.reads.acquire()).await {
        Ok(Ok(turn)) => Ok((turn, share)),
        Ok(Err(_)) | Err(_) => Err(Problem::ReadsFull),
    }
}
