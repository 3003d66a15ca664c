//! The reasons why a lane is given back or taken over again.
//!
//! The lane's calls return them; the lane's task reads them, waits and tries again.

use crate::follow::source;
use crate::sink;
use crate::store::{self, LeaseCheck};

/// The reason why a lane can't go on.
#[derive(Debug, thiserror::Error)]
pub(in crate::follow) enum End {
    #[error(transparent)]
    Sink(#[from] sink::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the lease was lost")]
    LeaseLost,
    #[error(transparent)]
    Source(source::Error),
}

impl From<source::Error> for End {
    fn from(error: source::Error) -> Self {
        match error {
            source::Error::LeaseLost => Self::LeaseLost,
            error => Self::Source(error),
        }
    }
}

impl End {
    /// Ends the work unless the lease was held when the store wrote under it.
    pub(in crate::follow) fn unless_held(check: LeaseCheck) -> Result<(), Self> {
        match check {
            LeaseCheck::Held => Ok(()),
            LeaseCheck::Lost => Err(Self::LeaseLost),
        }
    }

    /// Returns whether only an operator can help, so that trying again soon is of no use.
    pub(in crate::follow) fn is_for_an_operator(&self) -> bool {
        match self {
            Self::Sink(error) => error.needs_operator(),
            Self::Source(error) => matches!(error, source::Error::CursorLost(_)),
            Self::Store(_) | Self::LeaseLost => false,
        }
    }
}
