//! Pages: records and cursors that are committed together, or not at all.
//!
//! Made by the page sources of `follow`; feeds publishers. The cursors come back with a takeover.

use std::collections::HashMap;

use crate::domain::envelope::Envelope;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::ledger::Ledger;
use crate::domain::parked::Ended;
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;

/// Records and cursors that are committed together, or not at all.
#[derive(Debug, Clone)]
pub struct Page {
    /// The follower whose cursors these are.
    pub follower: Follower,
    /// One slice per tenant.
    pub slices: Vec<PageSlice>,
}

/// One tenant's part of a page.
#[derive(Debug, Clone)]
pub struct PageSlice {
    /// The tenant whose log it is.
    pub tenant: TenantId,
    /// Records to send, in order of position; without any, the cursor moves all the same.
    pub events: Vec<Envelope>,
    /// Where the follower stands once the page is committed.
    pub cursor: Cursor,
    /// The parking that is proved with the cursor.
    pub proof: ParkingProof,
}

/// The parking of a log, as a cursor's record tells it: it exposes a store that has lost some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParkingProof {
    /// The store's ledger when the page was made: a whole store has this one or a later one.
    pub ledger: Ledger,
    /// How the parked scope that the follower is named after has ended, in its last record.
    pub ended: Option<Ended>,
}

/// A cursor, and the parking that was proved with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownCursor {
    /// Where the follower stands.
    pub cursor: Cursor,
    /// The parking at that time.
    pub proof: ParkingProof,
}

/// The cursors of a lane, as the sink has them.
pub type KnownCursors = HashMap<(LogId, Follower), KnownCursor>;

/// Returns the newest ledger of each log that its cursors prove.
pub fn ledgers(known: &KnownCursors) -> HashMap<LogId, Ledger> {
    let mut newest: HashMap<LogId, Ledger> = HashMap::new();
    for ((log_id, _), KnownCursor { proof, .. }) in known {
        let ledger = newest.entry(*log_id).or_default();
        if proof.ledger.number > ledger.number {
            *ledger = proof.ledger;
        }
    }
    newest
}
