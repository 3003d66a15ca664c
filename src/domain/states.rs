//! A record's states before and after a change, as raw bytes.
//!
//! Made by `change` in legal combinations only; feeds `draft` and the wire forms.

use super::event::EventType;
use super::json::Raw;

/// The record's states before and after: at least one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum States {
    /// It came to be.
    Create {
        /// The record now.
        new: Raw,
    },
    /// It changed.
    Update {
        /// The record before.
        old: Raw,
        /// The record now.
        new: Raw,
    },
    /// It is gone.
    Delete {
        /// The record before.
        old: Raw,
    },
}

impl States {
    /// The state before.
    pub fn old(&self) -> Option<&Raw> {
        match self {
            Self::Create { .. } => None,
            Self::Update { old, .. } | Self::Delete { old } => Some(old),
        }
    }

    /// The state now.
    #[expect(clippy::new_ret_no_self, reason = "the wire form's word, beside old")]
    pub fn new(&self) -> Option<&Raw> {
        match self {
            Self::Create { new } | Self::Update { new, .. } => Some(new),
            Self::Delete { .. } => None,
        }
    }

    /// The event's type.
    pub fn event_type(&self) -> EventType {
        match self {
            Self::Create { .. } => EventType::Create,
            Self::Update { .. } => EventType::Update,
            Self::Delete { .. } => EventType::Delete,
        }
    }

    /// The bytes of both states.
    pub fn bytes(&self) -> usize {
        [self.old(), self.new()].into_iter().flatten().map(|s| s.as_bytes().len()).sum()
    }
}
