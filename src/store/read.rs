//! The read loop that all adapters share: it decides which log is read next, from where, and when
//! the read ends.
//!
//! Fed by an adapter's `read` with heads, and with rows of the same state of the store or a later
//! one; tells it step by step what to ask for, and gives it the slices that `slice_builder` makes.
//! No I/O, so that it serves an adapter that awaits its rows as well as one that blocks. Always
//! true: no tenant is looked at once the budget of the whole read is used up, and a scan of one key
//! or a few topics looks at no other rows (but at the start's own).

mod fetch;
mod time_search;

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::slice;

use super::slice_builder::{ReadBudget, SliceBuilder};
use super::{Head, Scan, Slice, Start};
use crate::domain::envelope::Envelope;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use time_search::TimeSearch;

pub(super) use fetch::{Along, Fetch, FetchMax, TOPICS_MAX};

/// The next thing that an adapter asks its store for.
pub(super) enum Step<'a> {
    /// The first event of a log at or after a position; [`Read::found`] takes its position and
    /// time.
    Find(&'a TenantId, Position),
    /// The topics of a log; [`Read::listed`] takes them.
    List(&'a TenantId),
    /// Rows of a log; [`Read::push`] takes each, until it breaks.
    Fetch(Fetch<'a>),
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
    /// The search for the earliest time, until it is over.
    search: Option<TimeSearch>,
    /// The index along which rows are fetched; none until it is known.
    along: Option<Along<'a>>,
    slice: SliceBuilder,
    /// The rows and bytes that may still come of the last fetch; none before the first.
    awaited: Option<(usize, usize)>,
    enough: bool,
}

/// The requested tenants, each once.
pub(super) fn tenants(from: &[(TenantId, Start)]) -> BTreeSet<&TenantId> {
    from.iter().map(|(tenant, _)| tenant).collect()
}

impl<'a> Read<'a> {
    /// Makes a read of the logs that have these heads, as far as the scan reads them.
    pub(super) fn new(
        from: &'a [(TenantId, Start)],
        scan: &'a Scan,
        heads: impl IntoIterator<Item = Head>,
        fetch_max: FetchMax,
    ) -> Self {
        let heads = heads.into_iter().filter(|head| head.is_enabled || !scan.enabled_only);
        let heads = heads.map(|head| (head.tenant.clone(), head)).collect();
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
            if let Some(position) = log.search() {
                return Some(Step::Find(log.tenant, position));
            }
            if log.along.is_none() && log.is_long(self.scan) {
                return Some(Step::List(log.tenant));
            }
            if let Some(fetch) = log.fetch(self.scan, self.fetch_max) {
                log.awaited = Some((fetch.rows, fetch.bytes));
                return Some(Step::Fetch(fetch));
            }
            self.slices.extend(self.log.take().map(OpenLog::finish));
        }
    }

    /// Takes the event that [`Step::Find`] asks for.
    pub(super) fn found(&mut self, first: Option<(Position, Time)>) {
        if let Some(search) = self.log.as_mut().and_then(|log| log.search.as_mut()) {
            search.answer(first);
        }
    }

    /// Takes the topics that [`Step::List`] asks for.
    pub(super) fn listed(&mut self, topics: Vec<Topic>) {
        if let Some(log) = &mut self.log {
            log.along = Some(Along::among(&self.scan.filter, topics));
        }
    }

    /// Takes the next row that [`Step::Fetch`] asks for; `Break`: it needs no more of them.
    pub(super) fn push(&mut self, event: Envelope) -> ControlFlow<()> {
        let Some(OpenLog { slice, awaited, enough, .. }) = &mut self.log else {
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
        let (heads, scan) = (&self.heads, self.scan);
        let mut known = self.from.by_ref().filter_map(|(tenant, start)| {
            let head = heads.get(tenant)?.clone();
            let (slice, along) = (SliceBuilder::new(&head, start), Along::of(&scan.filter));
            let search = scan.from.map(|time| TimeSearch::new(time, start.after, &head));
            let (start, awaited, enough) = (*start, None, false);
            Some(OpenLog { tenant, head, start, search, along, slice, awaited, enough })
        });
        known.next().filter(|_| !self.budget.is_full())
    }
}

impl<'a> OpenLog<'a> {
    /// Returns the next position to ask for; `None` once the read begins at the earliest time.
    fn search(&mut self) -> Option<Position> {
        let search = self.search.as_ref()?;
        let asks = search.asks();
        if asks.is_none() {
            let start = self.start.no_earlier(search.after());
            (self.slice, self.search) = (SliceBuilder::new(&self.head, &start), None);
        }
        asks
    }

    /// Whether a scan can't look at all rows that are left, so that an index that leads to fewer
    /// is worth a look at the topics of the log.
    fn is_long(&self, scan: &Scan) -> bool {
        let (after, head) = (self.slice.fetch_after(), self.head.position);
        after.is_some_and(|after| head.number() - after.number() > scan.rows_max as u64)
    }

    /// Returns the rows to fetch; `None` if no more of them are needed.
    fn fetch(&self, scan: &Scan, max: FetchMax) -> Option<Fetch<'a>> {
        let after = self.slice.fetch_after().filter(|_| self.has_more())?;
        let along = self.along.clone().unwrap_or(Along::Positions);
        let (rows, bytes) = along.fetch_max(scan, max);
        let (along, rows) = match (along, self.slice.start_rows()) {
            (Along::Positions, start_rows) => (Along::Positions, rows.saturating_add(start_rows)),
            (along, 0) if along.is_empty() => return None,
            (along, 0) => (along, rows),
            // The start may be a row that no other index leads to.
            (_, start_rows) => (Along::Positions, start_rows),
        };
        let (tenant, log_id, head) = (self.tenant, self.head.log_id, self.head.position);
        Some(Fetch { tenant, log_id, along, after, head, rows, bytes })
    }

    /// Whether there may be rows that were not fetched: a fetch that ends within its limits has
    /// given all.
    fn has_more(&self) -> bool {
        !self.enough && self.awaited.is_none_or(|(rows, bytes)| rows == 0 || bytes == 0)
    }

    fn finish(self) -> Slice {
        if self.enough { self.slice.finish() } else { self.slice.finish_at_head() }
    }
}

#[cfg(test)]
mod tests;
