//! Parking transitions: each is written upon the one before it, or not at all.
//!
//! Asked by the adapters' `Parking` in its transaction. A store that went back since a lane read it
//! would else be given the lane's next transition, and nobody could see any more that it lacks one.

use std::collections::BTreeMap;

use super::Error;
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;
use crate::domain::transition::Transition;

/// The number of each log's last transition.
pub(super) type LastNumbers = BTreeMap<(TenantId, LogId), u64>;

/// Returns the last transition of each log that is to be written.
pub(super) fn last(transitions: &[Transition]) -> LastNumbers {
    let mut last = LastNumbers::new();
    for Transition { tenant, log_id, number, .. } in transitions {
        let greatest = last.entry((tenant.clone(), *log_id)).or_default();
        *greatest = (*greatest).max(*number);
    }
    last
}

/// Refuses a number if the store has not the transition that comes before it.
pub(super) fn follows(tenant: &TenantId, stored: u64, number: u64) -> Result<(), Error> {
    if number <= stored + 1 {
        return Ok(());
    }
    Err(Error::Unavailable(format!(
        "tenant `{tenant}` has {stored} parking transitions, and the next is number {number}: the \
         store went back"
    )))
}

/// Refuses a transition unless it has changed one row: the scope that it names.
pub(super) fn ensure_one(transition: &Transition, changed: u64) -> Result<(), Error> {
    if changed == 1 {
        return Ok(());
    }
    let Transition { tenant, log_id, event_id, .. } = transition;
    Err(Error::Unavailable(format!(
        "tenant `{tenant}` has no parked scope {event_id} in its log {log_id}, which the lane \
         changes: the store went back"
    )))
}
