//! Parking transitions: each is written upon the one before it, or not at all.
//!
//! Asked by the adapters' `park` in its transaction. A store that went back since a lane read it
//! would else be given the lane's next transition, and nobody could see any more that it lacks one.

use std::collections::BTreeMap;

use super::Error;
use crate::domain::parked::Parked;
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;

/// The last transition of each log that is to be written.
pub(super) fn last(parked: &[Parked]) -> BTreeMap<(TenantId, LogId), u64> {
    let mut last = BTreeMap::<_, u64>::new();
    for Parked { tenant, log_id, ledger, .. } in parked {
        let number = last.entry((tenant.clone(), *log_id)).or_default();
        *number = (*number).max(*ledger);
    }
    last
}

/// An error if the store has not the transition that comes before `number`.
pub(super) fn follows(tenant: &TenantId, stored: u64, number: u64) -> Result<(), Error> {
    if number <= stored + 1 {
        return Ok(());
    }
    Err(Error::Unavailable(format!(
        "tenant `{tenant}` has {stored} parking transitions, and the next is number {number}: the \
         store went back"
    )))
}
