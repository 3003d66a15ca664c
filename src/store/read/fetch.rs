//! A fetch of rows: which rows of a log an adapter asks its store for at once, and along which
//! index.
//!
//! Made by `read` of a scan; the adapters turn it into statements. Always true: every event that
//! the filter matches is found along the index that is taken, and the filter is applied to the rows
//! all the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::Scan;
use crate::domain::filter::Filter;
use crate::domain::key::Key;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;

/// The most topics that are merged. Those of more are looked up among all rows.
pub(in crate::store) const TOPICS_MAX: usize = 8;

/// The rows of a log that are fetched at once, in order of position.
pub(in crate::store) struct Fetch<'a> {
    /// The tenant of the log.
    pub(in crate::store) tenant: &'a TenantId,
    /// The log's id.
    pub(in crate::store) log_id: LogId,
    /// The index along which they are found.
    pub(in crate::store) along: Along<'a>,
    /// The position after which they begin.
    pub(in crate::store) after: Position,
    /// The last position that may be read.
    pub(in crate::store) head: Position,
    /// How many they are, at most.
    pub(in crate::store) rows: usize,
    /// After how many bytes of payload no further row is fetched.
    pub(in crate::store) bytes: usize,
}

/// How much an adapter fetches at once.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum FetchMax {
    /// All that a scan may look at: rows come as they are taken, and no more once that ends.
    Stream,
    /// So many rows, and so many bytes of payload before the last one, at most: what a page has no
    /// room for was fetched in vain.
    Chunk {
        /// Rows.
        rows: usize,
        /// Bytes of payload.
        bytes: usize,
    },
}

/// The index along which the rows of a log are found.
#[derive(Debug, Clone)]
pub(in crate::store) enum Along<'a> {
    /// All rows.
    Positions,
    /// The rows of one key.
    Key(&'a Key),
    /// The rows of these topics, at most [`TOPICS_MAX`].
    Topics(Arc<[Topic]>),
}

impl<'a> Along<'a> {
    /// Returns the index that leads to a filter's events. `None`: that depends on the topics that
    /// the log has.
    pub(super) fn of(filter: &'a Filter) -> Option<Self> {
        match (filter.keys.as_slice(), filter.topics.as_slice()) {
            ([key], _) => Some(Self::Key(key)),
            (_, []) => Some(Self::Positions),
            (_, patterns) => {
                let topics: Option<BTreeSet<_>> = patterns.iter().map(|p| p.topic()).collect();
                topics.filter(|topics| topics.len() <= TOPICS_MAX).map(Self::topics)
            }
        }
    }

    /// Returns the index that leads to a filter's events in a log that has these topics.
    pub(super) fn among(filter: &Filter, topics: Vec<Topic>) -> Self {
        let all = topics.len();
        let wanted: BTreeSet<_> = topics.into_iter().filter(|t| filter.has_topic(t)).collect();
        match wanted.len() {
            some if some < all && some <= TOPICS_MAX => Self::topics(wanted),
            _ => Self::Positions,
        }
    }

    fn topics(topics: BTreeSet<Topic>) -> Self {
        Self::Topics(topics.into_iter().collect())
    }

    /// Returns whether no row is found along it.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Topics(topics) if topics.is_empty())
    }

    /// Returns whether the filter matches every row that is found along it.
    fn is_whole(&self, filter: &Filter) -> bool {
        filter.types.is_empty()
            && match self {
                Self::Positions => filter.keys.is_empty() && filter.topics.is_empty(),
                Self::Key(_) => filter.topics.is_empty(),
                Self::Topics(_) => filter.keys.is_empty(),
            }
    }

    /// Returns the most rows and bytes that are fetched at once.
    pub(super) fn fetch_max(&self, scan: &Scan, max: FetchMax) -> (usize, usize) {
        let (rows, bytes) = match max {
            FetchMax::Stream => (scan.rows_max, usize::MAX),
            // Every row counts where none is filtered out: then not one more than the scan takes.
            FetchMax::Chunk { rows, bytes } if self.is_whole(&scan.filter) => (
                rows.min(scan.rows_max).min(scan.events_each_max).min(scan.events_max),
                scan.bytes_max.clamp(1, bytes),
            ),
            FetchMax::Chunk { rows, bytes } => (rows.min(scan.rows_max), bytes),
        };
        (rows.max(1), bytes)
    }
}
