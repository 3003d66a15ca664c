//! The port's `Expansions`: DELETE_ALLs that are carried out as DELETEs.
//!
//! `follow::expansion` carries them out step by step; each step appends DELETEs and notes how far
//! it came, in one transaction. Always true: a key with an event after the request gets no DELETE,
//! whoever appends at the same time.

use async_trait::async_trait;

use super::{Error, Outcome};
use crate::domain::draft::Draft;
use crate::domain::expansion::Expansion;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;

/// A step of an expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpansionStep {
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The topic.
    pub topic: Topic,
    /// The position of the request.
    pub request: Position,
    /// The position up to which every key has its DELETE after this step.
    pub walked_to: Position,
    /// The DELETEs. Those are left out whose key has an event after the request.
    pub deletes: Vec<Draft>,
}

/// The expansions of DELETE_ALLs.
#[async_trait]
pub trait Expansions: Send + Sync {
    /// Returns how far the expansions of a tenant's log are; one that has not begun is missing.
    async fn expansions(&self, tenant: &TenantId) -> Result<Vec<Expansion>, Error>;

    /// Appends the DELETEs of a step, and notes it. Returns how many were appended.
    async fn expand(&self, step: &ExpansionStep) -> Result<u64, Error>;
}

/// The events that a step has appended.
pub(super) struct Appended {
    pub(super) events: u64,
    /// The last of them; the start if there is none.
    pub(super) last: Position,
}

/// Returns what a step has appended; `None` if its batch was not.
pub(super) fn appended(outcomes: &[Outcome]) -> Option<Appended> {
    let mut appended = Appended { events: 0, last: Position::START };
    for outcome in outcomes {
        let Outcome::Appended { receipts, .. } = outcome else { return None };
        appended.events += receipts.len() as u64;
        let positions = receipts.iter().map(|receipt| receipt.position);
        appended.last = positions.fold(appended.last, Position::max);
    }
    Some(appended)
}

/// Returns the error of a step whose DELETEs the log refuses.
pub(super) fn refused(step: &ExpansionStep) -> Error {
    let ExpansionStep { tenant, request, .. } = step;
    Error::Refused(format!(
        "the DELETE_ALL of tenant `{tenant}` at position {request} can't be expanded: the id of a \
         DELETE is in use for another event"
    ))
}
