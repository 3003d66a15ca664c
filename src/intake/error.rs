//! The reasons why a batch is not in the log.
//!
//! `Intake`, `GroupCommit` and `writer` return them; `http` answers with them.

use crate::domain::conflict::Conflict;
use crate::domain::tenant::TenantId;
use crate::store;

/// The reason why a batch is not in the log. Unless the store's error is `Unknown`, nothing of the
/// batch was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Too many bytes or batches wait already; the caller should try later.
    #[error("too many changes wait for the store")]
    Full,
    /// Too many bytes of this tenant wait already; the caller should try later.
    #[error("too many changes of tenant `{0}` wait for the store")]
    TenantFull(TenantId),
    /// An event id is in use for other content.
    #[error("the event id of change {} is in use for other content: {}", .0.index, .0.with)]
    Conflict(Conflict),
    /// The tenant is not enabled.
    #[error("the tenant is not enabled")]
    NotEnabled,
    /// The store takes other writes, but refuses this batch, and would refuse it again.
    #[error("the store takes writes, but not this batch: {}", .0.why())]
    Unstorable(#[source] store::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The reason why a post is not in the log, or not known to be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PostError {
    /// A draft's record would be too large. Nothing was written.
    #[error("the record of change {index} would have more than {bytes_max} bytes")]
    TooLarge {
        /// The draft's index, from 0.
        index: usize,
        /// The most bytes that a record may have.
        bytes_max: usize,
    },
    /// The store did not say whether it committed; the caller should post again, with the same
    /// event ids.
    #[error("the store did not say whether it committed")]
    OutcomeUnknown(#[source] store::Error),
    /// Nothing was written.
    #[error(transparent)]
    NotAppended(Error),
}

impl PostError {
    /// Returns the id of the problem that it is answered with, for the metrics.
    pub fn problem(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "record-too-large",
            Self::OutcomeUnknown(_) => "outcome-unknown",
            Self::NotAppended(Error::Full) => "queue-full",
            Self::NotAppended(Error::TenantFull(_)) => "tenant-queue-full",
            Self::NotAppended(Error::Conflict(_)) => "event-id-conflict",
            Self::NotAppended(Error::NotEnabled) => "tenant-not-enabled",
            Self::NotAppended(Error::Unstorable(_)) => "unstorable",
            Self::NotAppended(Error::Store(_)) => "store-unavailable",
        }
    }
}
