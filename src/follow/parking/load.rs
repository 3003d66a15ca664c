//! Loading what is parked, once a lane was taken over.
//!
//! Fed by the store's rows and ledgers, and by the cursors that releases have in the sink; feeds
//! `Parking`. Verifies that the store has all that the sink proves, and counts the events that were
//! passed since the rows were written.

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
    /// Reads what is parked in the logs that are published. Returns the tenants whose parking the
    /// store has lost; nothing is loaded of them.
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
                // The rows that are over may be many, and prove nothing that the number does not.
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

/// Counts on to `at`, the sink's cursor, from where the rows were written, and goes on with each
/// release from where the sink has it.
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
