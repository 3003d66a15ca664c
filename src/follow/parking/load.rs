//! Loads the parked scopes of a lane that was taken over.
//!
//! It reads the store's rows and ledgers, and the cursors that releases have in the sink, and fills
//! `Parking`. It verifies that the store has every transition that the sink proves, and counts the
//! events that were passed over since the rows were written.

use super::Parking;
use super::ledger::ParkingLedger;
use super::reading::{each, ledgers, parked_in, scope, topics};
use super::verify::ParkingLost;
use crate::domain::parked::{Parked, State};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::follow::lane_state::Logs;
use crate::sink::{self, KnownCursors};
use crate::store::{Error, Store};

impl Parking {
    /// Reads the parked scopes of the logs that are published. Returns the tenants whose parking
    /// the store has lost; nothing is loaded of them.
    pub(in crate::follow) async fn load(
        &mut self,
        store: &dyn Store,
        logs: &Logs,
    ) -> Result<Vec<(TenantId, ParkingLost)>, Error> {
        let (proved, written) = (sink::ledgers(&logs.known), ledgers(store, logs).await?);
        let mut all_lost = Vec::new();
        for (tenant, log) in logs.running() {
            let proved = proved.get(&log.log_id).copied().unwrap_or_default();
            let (number, open) =
                written.get(&log.log_id).map_or((0, 0), |ledger| (ledger.number, ledger.open));
            if number == 0 && proved.number == 0 {
                continue;
            }
            let mut ledger = if open == 0 && number == proved.number {
                // The rows of scopes that have ended may be many, and prove no more than the
                // number.
                ParkingLedger::closed(number, proved.number)
            } else {
                let rows = parked_in(store, &logs.follower, (tenant, log.log_id)).await?;
                ParkingLedger::new(rows, &proved, &logs.known)
            };
            if let Err(lost) = ParkingLost::check(&ledger.ledger(), &proved) {
                all_lost.push((tenant.clone(), lost));
                continue;
            }
            if open > 0 {
                count(store, tenant, &mut ledger, &logs.known, log.position()).await?;
            }
            self.ledgers.insert(tenant.clone(), ledger);
        }
        Ok(all_lost)
    }
}

/// Counts the events from the rows' last count up to `at`, the sink's cursor, and sets each release
/// to its cursor in the sink.
async fn count(
    store: &dyn Store,
    tenant: &TenantId,
    ledger: &mut ParkingLedger,
    known: &KnownCursors,
    at: Position,
) -> Result<(), Error> {
    let counted_to = ledger.open().map(|parked| parked.counted_to).min().unwrap_or(at);
    let filter = topics(ledger.open());
    let raised = ledger.raise(known);
    each(store, tenant, counted_to..at, filter, |event| {
        ledger.pass(&event);
    })
    .await?;
    ledger.passed(at);
    let is_begun = |p: &&Parked| p.state == State::Releasing || raised.contains(&p.event_id);
    let begun: Vec<_> = ledger.open().filter(is_begun).cloned().collect();
    for parked in begun {
        let mut events = Vec::new();
        each(store, tenant, parked.position.back(1)..at, scope(&parked), |e| events.push(e))
            .await?;
        ledger.recount(parked.event_id, &events);
        if parked.released_to >= at && at >= parked.position {
            ledger.resolve(parked.event_id, at);
        } else if parked.waits_for_topic(ledger.open()) {
            ledger.stop_release(parked.event_id);
        }
    }
    Ok(())
}
