//! Why a batch is not in the log.
//!
//! Made by `Intake` and `writer`; read by whoever posts.

use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store;

/// Why a batch is not in the log; nothing of it was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Too much waits already: try later.
    #[error("too many changes wait for the store")]
    Full,
    /// Too much of this tenant waits already: try later.
    #[error("too many changes of tenant `{0}` wait for the store")]
    TenantFull(TenantId),
    /// An event id is in the log with other content.
    #[error("the event id of change {index} stands for other content (position {position})")]
    Conflict {
        /// Which draft of the batch, from 0.
        index: usize,
        /// Where the event with that id stands; [`Position::START`] if that is in the batch itself.
        position: Position,
    },
    /// The tenant is not enabled.
    #[error("the tenant is not enabled")]
    NotEnabled,
    /// The store takes writes, but not this batch, and will not if it comes again.
    #[error("the store takes writes, but not this batch: {}", .0.why())]
    Unstorable(#[source] store::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}
