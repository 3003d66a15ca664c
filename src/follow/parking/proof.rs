//! Proof: what the relay's pages tell Kafka of the store, so that a store that went back is found
//! out.
//!
//! Fed by the lots as the store has them; feeds the pages that the relay offers, and the checkpoint
//! that comes before a log's first page.

use std::collections::HashSet;

use super::ledger::ParkingLedger;
use crate::domain::event::EventId;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::follow::relay::{PAGE_TENANTS_MAX, Relay};
use crate::sink::{Page, PageSlice, ParkingProof};

impl Relay {
    /// For each log whose first page this is: a checkpoint at its start. Written before the page is
    /// committed, it says that Kafka may have a cursor.
    pub(in crate::follow) fn begin(&mut self, page: &Page) -> Vec<(TenantId, Cursor)> {
        let first = page.slices.iter().filter(|slice| self.begun.insert(slice.tenant.clone()));
        let start = |slice: &PageSlice| Cursor {
            position: Position::START,
            event_id: EventId::NONE,
            log_id: slice.cursor.log_id,
        };
        first.map(|slice| (slice.tenant.clone(), start(slice))).collect()
    }

    /// The page of these slices, and of cursors without events for logs whose newest ledger Kafka
    /// lacks.
    pub(in crate::follow) fn proving_page(&self, mut slices: Vec<PageSlice>) -> Option<Page> {
        if self.lots.values().any(ParkingLedger::is_unproved) {
            let there: HashSet<_> = slices.iter().map(|slice| slice.tenant.clone()).collect();
            let unproved = self
                .lots
                .iter()
                .filter(|(tenant, lot)| lot.is_unproved() && !there.contains(*tenant));
            let slice = |(tenant, lot): (&TenantId, &ParkingLedger)| {
                let cursor = self.progress.get(tenant)?.cursor?;
                Some(PageSlice {
                    tenant: tenant.clone(),
                    events: Vec::new(),
                    cursor,
                    proof: of(Some(lot)),
                })
            };
            let room = PAGE_TENANTS_MAX.saturating_sub(slices.len());
            let proving: Vec<_> = unproved.filter_map(slice).take(room).collect();
            slices.extend(proving);
        }
        (!slices.is_empty()).then_some(Page { follower: Follower::relay(), slices })
    }

    /// A page was committed, with what it proves.
    pub(in crate::follow) fn prove(&mut self, page: &Page) {
        for slice in &page.slices {
            if let Some(lot) = self.lots.get_mut(&slice.tenant) {
                lot.prove(&slice.proof.ledger);
            }
        }
    }
}

/// The parking of a log, as far as Kafka may be told of it.
pub(in crate::follow) fn of(lot: Option<&ParkingLedger>) -> ParkingProof {
    ParkingProof { ledger: lot.map(ParkingLedger::proof).unwrap_or_default(), ended: None }
}
