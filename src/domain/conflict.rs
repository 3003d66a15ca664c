//! A conflict: an event id that other content has already.
//!
//! A store's append finds it, and then writes nothing of the batch; `intake` and `http` report it.

use std::fmt;

use super::position::Position;

/// Which draft of a batch conflicts, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// The draft's index in its batch, from 0.
    pub index: usize,
    /// The event that has the same id.
    pub with: With,
}

/// An event with a draft's id and other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// An event in the log, at this position.
    Logged(Position),
    /// An earlier draft of the same batch, at this index.
    EarlierInBatch(usize),
}

impl fmt::Display for With {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logged(position) => write!(f, "in the log at position {position}"),
            Self::EarlierInBatch(_) => f.write_str("elsewhere in this batch"),
        }
    }
}
