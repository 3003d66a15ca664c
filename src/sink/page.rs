//! Pages: records and cursors that are committed together, or not at all.
//!
//! The page sources of `follow` make them, and publishers publish them. A takeover reads the
//! cursors back.

use std::collections::HashMap;

use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::follower::Follower;
use crate::domain::ledger::Ledger;
use crate::domain::parked::Ended;
use crate::domain::position::LogId;
use crate::domain::replay::Sent;
use crate::domain::tenant::TenantId;
use crate::domain::topic::TopicSpec;

/// Records and cursors that are committed together, or not at all.
#[derive(Debug, Clone)]
pub struct Page {
    /// The follower that the cursors belong to.
    pub follower: Follower,
    /// One slice per tenant.
    pub slices: Vec<PageSlice>,
    /// The topic of all events of the page, if it is one that no tenant's file names: the target of
    /// a replay.
    pub target: Option<TopicSpec>,
}

/// One tenant's part of a page.
#[derive(Debug, Clone)]
pub struct PageSlice {
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The events to send, in order of position; without any, the cursor moves all the same.
    pub events: Vec<Envelope>,
    /// The follower's cursor once the page is committed.
    pub cursor: Cursor,
    /// The proof of the parking that the cursor's record carries.
    pub proof: ParkingProof,
    /// How much the replay has published with this page; `None` of any other follower.
    pub sent: Option<Sent>,
}

/// The parking of a log as a cursor's record tells it, by which a store that lost some is detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParkingProof {
    /// The store's ledger when the page was made. A store that lost nothing has this one or a later
    /// one.
    pub ledger: Ledger,
    /// The end of the parked scope that the follower is named after; only the scope's last record
    /// has it.
    pub ended: Option<Ended>,
}

/// A cursor, with what stands in the same record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownCursor {
    /// The follower's cursor.
    pub cursor: Cursor,
    /// The proof of the parking at that time.
    pub proof: ParkingProof,
    /// How much the replay had published by then; `None` of any other follower.
    pub sent: Option<Sent>,
}

/// The cursors of a lane in the sink.
pub type KnownCursors = HashMap<(LogId, Follower), KnownCursor>;

/// Returns the newest ledger of each log, as its cursors prove it.
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
