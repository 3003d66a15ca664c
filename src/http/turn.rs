//! Limits the reads of the logs: at most so many at once, and for one tenant no more than its
//! share.
//!
//! Every route that reads much calls it before: of the log, of the trail, and lists. The store's
//! other read connections are left to the followers.

use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::gateway::Gateway;
use super::problem::Problem;
use super::problem::kind::Kind;
use crate::domain::tenant::TenantId;
use crate::shares::{Full, Share};

/// The longest wait for a turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// The refusals of a read.
pub(super) const PROBLEMS: [Kind; 2] = [Kind::TenantReadsFull, Kind::ReadsFull];

/// Waits a short time for a turn to read. The number of a tenant's waiting requests is limited, so
/// that the others' turns come in time.
pub(super) async fn turn<'a>(
    gateway: &'a Gateway,
    tenant: &TenantId,
) -> Result<(SemaphorePermit<'a>, Share), Problem> {
    let share = gateway.turns.take(tenant, 1).map_err(|full| match full {
        Full::All => Problem::ReadsFull,
        Full::Tenant => Problem::TenantReadsFull,
    })?;
    match timeout(TURN_WITHIN, gateway.reads.acquire()).await {
        Ok(Ok(turn)) => Ok((turn, share)),
        Ok(Err(_)) | Err(_) => Err(Problem::ReadsFull),
    }
}
