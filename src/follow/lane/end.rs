//! Why a lane is let go, or taken over again.
//!
//! Made by the lane's calls; read by whoever runs it, which waits and tries again.

use crate::follow::source;
use crate::sink;
use crate::store;

/// Why a lane can't go on.
#[derive(Debug, thiserror::Error)]
pub(in crate::follow) enum End {
    #[error(transparent)]
    Sink(#[from] sink::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the lease was lost")]
    LeaseLost,
    #[error(transparent)]
    Source(#[from] source::Error),
}

impl End {
    /// Whether trying again soon is of no use.
    pub(in crate::follow) fn is_for_an_operator(&self) -> bool {
        match self {
            Self::Sink(error) => error.needs_operator(),
            Self::Source(error) => matches!(error, source::Error::CursorLost(_)),
            Self::Store(_) | Self::LeaseLost => false,
        }
    }
}
