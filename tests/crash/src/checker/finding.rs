//! Findings: the named defects that the checker may find.

use std::fmt;

/// The kind of defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Acknowledged but not in the log, or in the log but not in its topic.
    Lost,
    /// In the log but never acknowledged, or in a topic but not in the log.
    Phantom,
    /// In the log twice, or seen twice by a read_committed consumer.
    Duplicate,
    /// Changes of one key are not in the order in which they were made.
    Reordered,
    /// The last record of a key is not its newest, for a read_uncommitted consumer.
    Stale,
    /// Different from what was posted: payload, key, headers, time or topic.
    Bytes,
    /// In another tenant's log or topic.
    Tenant,
    /// Positions of a log are not 1, 2, 3, ….
    Gap,
    /// Shown as published too early, or not at all.
    Published,
    /// The metrics do not add up.
    Sums,
    /// The receipt has another position than the log.
    Receipt,
    /// An event does not name the last DELETE_ALL of its topic.
    Epoch,
    /// A replay was let in beside one with which it mixes, or refused without one.
    Admission,
    /// An earlier reader of a group has moved it.
    Fence,
    /// A group stands beyond what was read or done for it; one of Kafka's clients has fallen back.
    Place,
    /// The floor of a topic lies above an event that the log has, or has fallen.
    Floor,
    /// A record that was erased still has content, is sent or shown, or another one has lost its own.
    Erasure,
    /// Something of a purged tenant is left, shown or given again.
    Purge,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Lost,
        Self::Phantom,
        Self::Duplicate,
        Self::Reordered,
        Self::Stale,
        Self::Bytes,
        Self::Tenant,
        Self::Gap,
        Self::Published,
        Self::Sums,
        Self::Receipt,
        Self::Epoch,
        Self::Admission,
        Self::Fence,
        Self::Place,
        Self::Floor,
        Self::Erasure,
        Self::Purge,
    ];

    /// Makes a finding with its details.
    pub(super) fn of(self, what: impl Into<String>) -> Finding {
        Finding { kind: self, what: what.into() }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lost => "lost",
            Self::Phantom => "phantom",
            Self::Duplicate => "duplicate",
            Self::Reordered => "reordered",
            Self::Stale => "stale last record",
            Self::Bytes => "wrong bytes",
            Self::Tenant => "wrong tenant",
            Self::Gap => "gap in positions",
            Self::Published => "wrong published",
            Self::Sums => "wrong sums",
            Self::Receipt => "wrong receipt",
            Self::Epoch => "wrong epoch",
            Self::Admission => "wrong admission of a replay",
            Self::Fence => "moved by an earlier reader",
            Self::Place => "wrong place of a group",
            Self::Floor => "wrong floor",
            Self::Erasure => "wrong erasure",
            Self::Purge => "wrong purge",
        })
    }
}

/// One defect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The name of this kind.
    pub kind: Kind,
    /// The event, and what was seen.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.what)
    }
}
