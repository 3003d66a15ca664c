//! The read loop that all adapters share: it decides which log is read next, from where, and when
//! the read ends.
//!
//! Fed by an adapter's `read` with heads, and with rows of the same state of the store or a later
//! one; tells it step by step what to ask for, and gives it the slices that `slice_builder` makes.
//! No I/O, so that it serves an adapter that awaits its rows as well as one that blocks. Always
//! true: no tenant is looked at once the budget of the whole read is used up.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::slice;

use super::slice_builder::{ReadBudget, SliceBuilder};
use super::{Head, Scan, Slice, Start};
use crate::domain::envelope::Envelope;
use crate::domain::filter::Filter;
use crate::domain::key::Key;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;

/// The next thing that an adapter asks its store for.
pub(super) enum Step<'a> {
    /// The first position of a log at or after a time; [`Read::found`] takes it.
    Find(&'a TenantId, Time),
    /// Rows of a log; [`Read::push`] takes each, until it breaks.
    Fetch(Fetch<'a>),
}

/// The rows of a log that are fetched at once, in order of position.
pub(super) struct Fetch<'a> {
    /// The tenant of the log.
    pub(super) tenant: &'a TenantId,
    /// The log's id.
    pub(super) log_id: LogId,
    /// The key of the rows, where they are those of one key: it has an index of its own. Every
    /// other filter looks at all rows.
    pub(super) key: Option<&'a Key>,
    /// The position after which they begin.
    pub(super) after: Position,
    /// The last position that may be read.
    pub(super) head: Position,
    /// How many they are, at most.
    pub(super) rows: usize,
    /// After how many bytes of payload no further row is fetched.
    pub(super) bytes: usize,
}

/// How much an adapter fetches at once.
#[derive(Debug, Clone, Copy)]
pub(super) enum FetchMax {
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

/// A read under way.
pub(super) struct Read<'a> {
    scan: &'a Scan,
    from: slice::Iter<'a, (TenantId, Start)>,
    heads: HashMap<TenantId, Head>,
    fetch_max: FetchMax,
    budget: ReadBudget<'a>,
    log: Option<OpenLog<'a>>,
    slices: Vec<Slice>,
}

/// The log that is being read.
struct OpenLog<'a> {
    tenant: &'a TenantId,
    head: Head,
    start: Start,
    /// None until the start is known.
    slice: Option<SliceBuilder>,
    /// The rows and bytes that may still come of the last fetch; none before the first.
    awaited: Option<(usize, usize)>,
    enough: bool,
}

/// The requested tenants, each once.
pub(super) fn tenants(from: &[(TenantId, Start)]) -> BTreeSet<&TenantId> {
    from.iter().map(|(tenant, _)| tenant).collect()
}

impl<'a> Read<'a> {
    /// Makes a read of the logs that have these heads.
    pub(super) fn new(
        from: &'a [(TenantId, Start)],
        scan: &'a Scan,
        heads: impl IntoIterator<Item = Head>,
        fetch_max: FetchMax,
    ) -> Self {
        let heads = heads.into_iter().map(|head| (head.tenant.clone(), head)).collect();
        let budget = ReadBudget::new(scan);
        Self { scan, from: from.iter(), heads, fetch_max, budget, log: None, slices: Vec::new() }
    }

    /// Returns what to ask the store for; `None` when the read is complete.
    pub(super) fn step(&mut self) -> Option<Step<'a>> {
        loop {
            let Some(log) = &mut self.log else {
                self.log = Some(self.next_log()?);
                continue;
            };
            let Some(slice) = &log.slice else {
                match self.scan.from.filter(|_| log.start.after < log.head.position) {
                    Some(time) => return Some(Step::Find(log.tenant, time)),
                    None => log.begin(),
                }
                continue;
            };
            if let Some(after) = slice.fetch_after().filter(|_| log.has_more()) {
                let fetch = Fetch::new(log, slice, after, self.scan, self.fetch_max);
                log.awaited = Some((fetch.rows, fetch.bytes));
                return Some(Step::Fetch(fetch));
            }
            self.slices.extend(self.log.take().and_then(OpenLog::finish));
        }
    }

    /// Takes the position that [`Step::Find`] asks for: the read passes over the events before it.
    pub(super) fn found(&mut self, first: Option<Position>) {
        if let Some(log) = &mut self.log {
            let before = first.map_or(log.head.position, |first| first.back(1));
            log.start = log.start.no_earlier(before);
            log.begin();
        }
    }

    /// Takes the next row that [`Step::Fetch`] asks for; `Break`: it needs no more of them.
    pub(super) fn push(&mut self, event: Envelope) -> ControlFlow<()> {
        let Some(OpenLog { slice: Some(slice), awaited, enough, .. }) = &mut self.log else {
            return ControlFlow::Break(());
        };
        let bytes = event.payload.len();
        let left =
            |(rows, left): (usize, usize)| (rows.saturating_sub(1), left.saturating_sub(bytes));
        *awaited = awaited.map(left);
        let pushed = slice.push(event, &mut self.budget);
        *enough = pushed.is_break();
        pushed
    }

    /// Returns the slices, when there is no further step.
    pub(super) fn slices(self) -> Vec<Slice> {
        self.slices
    }

    /// The next log that the store knows, unless the budget is used up.
    fn next_log(&mut self) -> Option<OpenLog<'a>> {
        let (heads, budget) = (&self.heads, &self.budget);
        let mut known = self.from.by_ref().filter_map(|(tenant, start)| {
            let head = heads.get(tenant)?.clone();
            let (start, slice, awaited, enough) = (*start, None, None, false);
            Some(OpenLog { tenant, head, start, slice, awaited, enough })
        });
        known.next().filter(|_| !budget.is_full())
    }
}

impl OpenLog<'_> {
    fn begin(&mut self) {
        self.slice = Some(SliceBuilder::new(&self.head, &self.start));
    }

    /// Whether there may be rows that were not fetched: a fetch that ends within its limits has
    /// given all.
    fn has_more(&self) -> bool {
        !self.enough && self.awaited.is_none_or(|(rows, bytes)| rows == 0 || bytes == 0)
    }

    fn finish(self) -> Option<Slice> {
        let slice = self.slice?;
        Some(if self.enough { slice.finish() } else { slice.finish_at_head() })
    }
}

impl<'a> Fetch<'a> {
    fn new(
        log: &OpenLog<'a>,
        slice: &SliceBuilder,
        after: Position,
        scan: &'a Scan,
        max: FetchMax,
    ) -> Self {
        let (rows, bytes) = match max {
            FetchMax::Stream => (scan.rows_max, usize::MAX),
            // Every row counts where none is filtered out: then not one more than the scan takes.
            FetchMax::Chunk { rows, bytes } if scan.filter == Filter::default() => (
                rows.min(scan.rows_max).min(scan.events_each_max).min(scan.events_max),
                scan.bytes_max.clamp(1, bytes),
            ),
            FetchMax::Chunk { rows, bytes } => (rows.min(scan.rows_max), bytes),
        };
        let start_rows = slice.start_rows();
        let key = match scan.filter.keys.as_slice() {
            [key] if start_rows == 0 => Some(key),
            _ => None,
        };
        let rows = rows.max(1).saturating_add(start_rows);
        let (tenant, log_id, head) = (log.tenant, log.head.log_id, log.head.position);
        Self { tenant, log_id, key, after, head, rows, bytes }
    }
}

#[cfg(test)]
mod tests;
