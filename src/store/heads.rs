//! The ends of logs, and which of them have changed.
//!
//! Fed by the adapters, which decode a head's row into them; feeds `append`, which plans upon a
//! head, and `follow`, which looks whose logs have grown. Always true: the position and the time of
//! a head never fall within an incarnation of its log.

use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;

/// A point in the history of all heads, for [`Log::changed_since`](super::Log::changed_since); the store that gave it can read
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeToken {
    /// The incarnation of the server that gave it: another one may be another server, whose logs
    /// end earlier. A store that can't lose what it once told has one.
    pub incarnation: u64,
    /// Rises within an incarnation.
    pub at: i64,
}

impl ChangeToken {
    /// Before everything.
    pub const START: ChangeToken = ChangeToken::new(0);

    /// The token of a store that has one incarnation.
    pub const fn new(at: i64) -> Self {
        Self { incarnation: 0, at }
    }
}

/// The end of a tenant's log: what the last event in it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The tenant.
    pub tenant: TenantId,
    /// The log's incarnation.
    pub log_id: LogId,
    /// The tenant's lane.
    pub lane: Lane,
    /// The last position given; [`Position::START`] of an empty log.
    pub position: Position,
    /// The last time given.
    pub time: Time,
}

/// Whose logs have grown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Every tenant of the lane that changed since the token; now and then one that did not.
    pub heads: Vec<Head>,
    /// The token to ask with next.
    pub token: ChangeToken,
}
