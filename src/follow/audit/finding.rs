//! The result of an audit: what each topic has of a log, and the defects that were found.

use std::collections::BTreeMap;

use roaring::RoaringTreemap;

use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;

/// The most findings that are kept of a topic; all are counted.
const FINDINGS_MAX: usize = 20;

/// The result of the audit of one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// The tenant.
    pub tenant: TenantId,
    /// The id of its log.
    pub log_id: LogId,
    /// The first position that was compared.
    pub from: Position,
    /// The last position that was compared: the relay's cursor when the audit began.
    pub to: Position,
    /// The topics, in order of name.
    pub topics: Vec<TopicAudit>,
}

impl Audit {
    /// Returns the number of defects of all topics.
    pub fn defects(&self) -> u64 {
        self.topics.iter().map(TopicAudit::defects).sum()
    }
}

/// The result of one topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicAudit {
    /// The topic.
    pub topic: Topic,
    /// The numbers of events and records.
    pub counts: Counts,
    /// The number of defects of each kind; a kind without any is left out.
    pub defects: BTreeMap<Defect, u64>,
    /// The first defects that were found.
    pub findings: Vec<Finding>,
    /// The positions of the events that are missing.
    pub missing: RoaringTreemap,
}

/// The numbers of events and records that are no defect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// The events of the log that the topic should have or have had.
    pub events: u64,
    /// The records of these events.
    pub records: u64,
    /// The events that are parked, superseded or discarded.
    pub unpublished: u64,
    /// The events that are no longer there, since the topic keeps records only so long.
    pub expired: u64,
    /// The events that are no longer there, since the compacted topic has a later one of their key.
    pub compacted: u64,
    /// The events whose content was erased: a topic may have them or not.
    pub erased: u64,
    /// The records of events that were removed from the log.
    pub removed: u64,
    /// The records that are not of this log.
    pub foreign: u64,
    /// The records that were published before a restore that went back to before them.
    pub former: u64,
}

/// A kind of defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// The topic lacks an event that was published.
    Missing,
    /// A run has published an event more than once.
    Duplicated,
    /// A run has published an event after a later one of its key.
    Reordered,
    /// A record differs from its event.
    Altered,
    /// A record names an event that the log does not have.
    Unknown,
}

impl Defect {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Missing, Self::Duplicated, Self::Reordered, Self::Altered, Self::Unknown];

    /// Returns the word for it in metrics and listings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::Altered => "altered",
            Self::Unknown => "unknown",
        }
    }
}

/// The run that has published a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Run {
    /// The relay, with its releases.
    Live,
    /// The replay with this id.
    Replay(String),
}

/// A defect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The kind.
    pub defect: Defect,
    /// The position of the event.
    pub position: Position,
    /// The partition and the offset of the record; `None` if there is none.
    pub place: Option<(i32, i64)>,
    /// The run that has published the record.
    pub run: Run,
}

impl TopicAudit {
    pub(super) fn new(topic: Topic) -> Self {
        let (counts, missing) = (Counts::default(), RoaringTreemap::new());
        Self { topic, counts, defects: BTreeMap::new(), findings: Vec::new(), missing }
    }

    /// Returns the number of defects of all kinds.
    pub fn defects(&self) -> u64 {
        self.defects.values().sum()
    }

    pub(super) fn found(&mut self, finding: Finding) {
        *self.defects.entry(finding.defect).or_default() += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}
