//! Verification of the parking: checks that the store still has every transition that was read from
//! it, written to it, or is proved by the sink.
//!
//! It compares the sink's cursor records with the store, at each takeover, in `restore`, and when
//! the relay finds the store's server replaced.

use super::Parking;
use super::reading::{ledgers, parked_in};
use crate::domain::follower::Follower;
use crate::domain::ledger::Ledger;
use crate::domain::parked::Parked;
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;
use crate::follow::lane_state::Logs;
use crate::sink::{self, KnownCursors};
use crate::store::{Error, Store};

/// The way in which the store's parking is older than what the sink proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParkingLost {
    /// The store lacks transitions.
    #[error("the store knows of {store} parking transitions of this log, and the sink of {sink}")]
    Behind {
        /// The store's number.
        store: u64,
        /// The sink's number.
        sink: u64,
    },
    /// The store has other transitions.
    #[error(
        "after {0} parking transitions of this log, the store has other scopes parked than the \
         sink proves"
    )]
    Other(u64),
}

impl ParkingLost {
    /// Compares the store's ledger of a log with the newest that the sink proves. A store that is
    /// ahead is right: it is written first.
    pub(in crate::follow) fn check(store: &Ledger, proved: &Ledger) -> Result<(), Self> {
        if store.number < proved.number {
            return Err(Self::Behind { store: store.number, sink: proved.number });
        }
        if proved.number > 0 && store.number == proved.number && store.digest != proved.digest {
            return Err(Self::Other(proved.number));
        }
        Ok(())
    }
}

/// The parking of one log: what the store has, and what the sink proves.
pub(in crate::follow) struct Compared {
    /// The store's rows.
    pub(in crate::follow) parked: Vec<Parked>,
    /// The newest ledger that the sink has.
    pub(in crate::follow) proved: Ledger,
    /// The way in which the store's parking is older; `None` if it is not.
    pub(in crate::follow) lost: Option<ParkingLost>,
}

/// Compares what a follower has parked in one log with what the sink's cursors prove.
pub(in crate::follow) async fn compare(
    store: &dyn Store,
    follower: &Follower,
    (tenant, log_id): (&TenantId, LogId),
    known: &KnownCursors,
) -> Result<Compared, Error> {
    let parked = parked_in(store, follower, (tenant, log_id)).await?;
    let proved = sink::ledgers(known).get(&log_id).copied().unwrap_or_default();
    let lost = ParkingLost::check(&Ledger::of(&parked), &proved).err();
    Ok(Compared { parked, proved, lost })
}

impl Parking {
    /// Checks that the store has every transition that was read from it or written to it. Returns
    /// the tenants of which it lost one.
    pub(in crate::follow) async fn verify(
        &self,
        store: &dyn Store,
        logs: &Logs,
    ) -> Result<Vec<(TenantId, ParkingLost)>, Error> {
        let written = ledgers(store, logs).await?;
        let mut all_lost = Vec::new();
        for (tenant, ledger) in &self.ledgers {
            let Some(log_id) = logs.get(tenant).map(|log| log.log_id) else { continue };
            let stored = match written.get(&log_id) {
                Some(ledger) if ledger.open > 0 => {
                    Ledger::of(&parked_in(store, &logs.follower, (tenant, log_id)).await?)
                }
                closed => Ledger::closed(closed.map_or(0, |ledger| ledger.number)),
            };
            if let Err(lost) = ParkingLost::check(&stored, &ledger.ledger()) {
                all_lost.push((tenant.clone(), lost));
            }
        }
        Ok(all_lost)
    }
}

#[cfg(test)]
mod tests {
    use super::{Ledger, ParkingLost};
    use crate::domain::ledger::Digest;

    #[test]
    fn a_store_that_is_behind_or_another_has_lost_parking_and_one_ahead_has_not() {
        let ledger = |number, digest: char| Ledger {
            number,
            digest: Digest::parse(&digest.to_string().repeat(32)).unwrap(),
            oldest: None,
        };
        for (store, sink, lost) in [
            (ledger(0, '0'), ledger(0, '0'), None),
            (ledger(0, 'a'), ledger(0, '0'), None),
            (ledger(3, 'a'), ledger(3, 'a'), None),
            (ledger(4, 'b'), ledger(3, 'a'), None),
            (ledger(3, 'b'), ledger(3, 'a'), Some(ParkingLost::Other(3))),
            (ledger(2, 'a'), ledger(3, 'a'), Some(ParkingLost::Behind { store: 2, sink: 3 })),
            (ledger(0, '0'), ledger(1, '0'), Some(ParkingLost::Behind { store: 0, sink: 1 })),
        ] {
            assert_eq!(ParkingLost::check(&store, &sink).err(), lost, "{store:?} {sink:?}");
        }
    }
}
