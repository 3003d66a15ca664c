//! Parking transitions: each is written only if the store has the one before it.
//!
//! The adapters' `Parking` asks here in its transaction. Otherwise a store that went back in time
//! after a lane read it would take the lane's next transition, and the missing one could never be
//! noticed.

use std::collections::BTreeMap;

use super::Error;
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;
use crate::domain::transition::Transition;

/// The number of each log's last transition.
pub(super) type LastNumbers = BTreeMap<(TenantId, LogId), u64>;

/// Returns the last of the transitions of each log.
pub(super) fn last(transitions: &[Transition]) -> LastNumbers {
    let mut last = LastNumbers::new();
    for Transition { tenant, log_id, number, .. } in transitions {
        let greatest = last.entry((tenant.clone(), *log_id)).or_default();
        *greatest = (*greatest).max(*number);
    }
    last
}

/// Refuses a number if the store lacks the transition before it.
pub(super) fn follows(tenant: &TenantId, stored: u64, number: u64) -> Result<(), Error> {
    if number <= stored + 1 {
        return Ok(());
    }
    Err(Error::Unavailable(format!(
        "tenant `{tenant}` has {stored} parking transitions, but the next one is number {number}: \
         the store went back in time"
    )))
}

/// Refuses a transition unless it changed one row, the scope that it names.
pub(super) fn ensure_one(transition: &Transition, changed: u64) -> Result<(), Error> {
    if changed == 1 {
        return Ok(());
    }
    let Transition { tenant, log_id, event_id, .. } = transition;
    Err(Error::Unavailable(format!(
        "tenant `{tenant}` has no parked scope {event_id} in its log {log_id}, though the lane \
         knows of it: the store went back in time"
    )))
}
