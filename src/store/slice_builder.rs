//! The builder of slices: it takes rows, and returns slices within the limits of a scan.
//!
//! Fed by `read` with each tenant's rows in order of position, and with the head as it was read
//! before them; feeds it the slices. No I/O. Always true: nothing that fits was left out
//! at or before `scanned`, and the first event is given whatever its size.

use std::ops::ControlFlow;

use super::{Head, Scan, Slice, Start};
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::position::Position;

/// The events and bytes that a whole read may still return.
pub(super) struct ReadBudget<'a> {
    scan: &'a Scan,
    events: usize,
    bytes: usize,
    full: bool,
}

impl<'a> ReadBudget<'a> {
    /// Makes the budget of a scan.
    pub(super) fn new(scan: &'a Scan) -> Self {
        Self { scan, events: 0, bytes: 0, full: scan.events_max == 0 }
    }

    /// Returns whether no further tenant may be read.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Takes the room for an event; returns whether there was enough.
    fn take(&mut self, event: &Envelope) -> bool {
        let bytes = self.bytes.saturating_add(event.payload.len());
        let fits = self.events == 0 || bytes <= self.scan.bytes_max;
        if fits {
            self.events += 1;
            self.bytes = bytes;
        }
        self.full =
            !fits || self.events >= self.scan.events_max || self.bytes >= self.scan.bytes_max;
        fits
    }
}

/// One tenant's slice while it is built.
pub(super) struct SliceBuilder {
    slice: Slice,
    head: Position,
    rows: usize,
    /// The cursor whose event must stand at the start, until its row has been seen.
    expected: Option<Cursor>,
}

impl SliceBuilder {
    /// Makes a builder that begins after `start` in the log of a head.
    pub(super) fn new(head: &Head, start: &Start) -> Self {
        let Head { tenant, log_id, position: head, .. } = head.clone();
        let Start { after, cursor } = *start;
        let has_start = cursor.is_none() || after <= head;
        let more = after < head && has_start;
        let slice = Slice { tenant, log_id, events: Vec::new(), scanned: after, more, has_start };
        Self { slice, head, rows: 0, expected: cursor.filter(|_| has_start) }
    }

    /// Returns the position after which to fetch rows; `None` if there is nothing to look at.
    pub(super) fn fetch_after(&self) -> Option<Position> {
        let first = self.slice.scanned.back(self.start_rows() as u64);
        (first < self.head && self.slice.has_start).then_some(first)
    }

    /// Returns the number of rows that are fetched to check the start itself: 1 or 0.
    pub(super) fn start_rows(&self) -> usize {
        usize::from(self.expected.is_some())
    }

    /// Takes the next row; `Break` if no more rows of this tenant are needed.
    pub(super) fn push(&mut self, event: Envelope, budget: &mut ReadBudget) -> ControlFlow<()> {
        if let Some(expected) = self.expected.take() {
            return if expected.is_at(&event) {
                ControlFlow::Continue(())
            } else {
                self.lack_start()
            };
        }
        let (scan, position) = (budget.scan, event.position);
        if scan.to.is_some_and(|to| event.time >= to) {
            self.slice.more = false;
            return ControlFlow::Break(());
        }
        if scan.filter.matches(&event) {
            if !budget.take(&event) {
                return ControlFlow::Break(());
            }
            self.slice.events.push(event);
        }
        self.rows += 1;
        self.slice.scanned = position;
        self.slice.more = position < self.head;
        let enough = self.slice.events.len() >= scan.events_each_max || self.rows >= scan.rows_max;
        if enough || budget.full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Notes that the log has another event at the start, or none.
    fn lack_start(&mut self) -> ControlFlow<()> {
        (self.slice.has_start, self.slice.more) = (false, false);
        ControlFlow::Break(())
    }

    /// Returns the slice, if there is no row left up to the head.
    pub(super) fn finish_at_head(mut self) -> Slice {
        if self.expected.is_some() || !self.slice.has_start {
            let _ = self.lack_start();
            return self.slice;
        }
        self.slice.scanned = self.slice.scanned.max(self.head);
        self.slice.more = false;
        self.slice
    }

    /// Returns the slice, if enough rows were looked at.
    pub(super) fn finish(self) -> Slice {
        self.slice
    }
}
