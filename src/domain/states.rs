//! A record's states before and after a change, as raw bytes.
//!
//! `change` makes them, in legal combinations only; `draft` and the wire forms use them.

use super::event::EventType;
use super::json::Raw;

/// The record's states before and after: at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum States {
    /// The record was created.
    Create {
        /// The record now.
        new: Raw,
    },
    /// The record changed.
    Update {
        /// The record before.
        old: Raw,
        /// The record now.
        new: Raw,
    },
    /// The record was deleted.
    Delete {
        /// The record before.
        old: Raw,
    },
}

impl States {
    /// Returns the state before the change.
    pub fn old(&self) -> Option<&Raw> {
        match self {
            Self::Create { .. } => None,
            Self::Update { old, .. } | Self::Delete { old } => Some(old),
        }
    }

    /// Returns the state after the change.
    #[expect(clippy::new_ret_no_self, reason = "the wire form's word, beside old")]
    pub fn new(&self) -> Option<&Raw> {
        match self {
            Self::Create { new } | Self::Update { new, .. } => Some(new),
            Self::Delete { .. } => None,
        }
    }

    /// Returns the event's type.
    pub fn event_type(&self) -> EventType {
        match self {
            Self::Create { .. } => EventType::Create,
            Self::Update { .. } => EventType::Update,
            Self::Delete { .. } => EventType::Delete,
        }
    }

    /// Returns the number of bytes of both states.
    pub fn bytes(&self) -> usize {
        [self.old(), self.new()].into_iter().flatten().map(|s| s.as_bytes().len()).sum()
    }
}
