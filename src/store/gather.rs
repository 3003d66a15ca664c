//! The gathering of a read: rows in, slices out, within the limits of a scan.
//!
//! Fed by an adapter's `read` with each tenant's rows in order of position, and with the head as it
//! was read before them; feeds it the slices. No I/O. Always true: nothing that fits was left out
//! at or before `scanned`, and the first event is given whatever its size.

use std::ops::ControlFlow;

use super::{Head, Scan, Slice};
use crate::domain::envelope::Envelope;
use crate::domain::position::Position;

/// What a whole read has room for.
pub(super) struct Room<'a> {
    scan: &'a Scan,
    events: usize,
    bytes: usize,
    full: bool,
}

impl<'a> Room<'a> {
    /// All of it.
    pub(super) fn new(scan: &'a Scan) -> Self {
        Self { scan, events: 0, bytes: 0, full: scan.events_max == 0 }
    }

    /// Whether no further tenant is to be read.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Whether the event has room; takes it.
    fn take(&mut self, event: &Envelope) -> bool {
        let bytes = self.bytes.saturating_add(event.payload.len());
        let fits = self.events == 0 || bytes <= self.scan.bytes_max;
        if fits {
            self.events += 1;
            self.bytes = bytes;
        }
        self.full = !fits || self.events >= self.scan.events_max || self.bytes >= self.scan.bytes_max;
        fits
    }
}

/// One tenant's slice in the making.
pub(super) struct Gathering {
    slice: Slice,
    head: Position,
    rows: usize,
}

impl Gathering {
    /// Begins behind `after` in the log of that head.
    pub(super) fn new(head: &Head, after: Position) -> Self {
        let Head { tenant, log_id, position: head } = head.clone();
        let slice = Slice { tenant, log_id, events: Vec::new(), scanned: after, more: after < head };
        Self { slice, head, rows: 0 }
    }

    /// Looks at the next row; `Break`: look at no more of this tenant.
    pub(super) fn look(&mut self, event: Envelope, room: &mut Room) -> ControlFlow<()> {
        let (scan, position) = (room.scan, event.position);
        if scan.to.is_some_and(|to| event.time >= to) {
            self.slice.more = false;
            return ControlFlow::Break(());
        }
        if scan.filter.matches(&event) {
            if !room.take(&event) {
                return ControlFlow::Break(());
            }
            self.slice.events.push(event);
        }
        self.rows += 1;
        self.slice.scanned = position;
        self.slice.more = position < self.head;
        let enough = self.slice.events.len() >= scan.events_each_max || self.rows >= scan.rows_max;
        if enough || room.full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// The slice, when there is no row left up to the head.
    pub(super) fn exhausted(mut self) -> Slice {
        self.slice.scanned = self.slice.scanned.max(self.head);
        self.slice.more = false;
        self.slice
    }

    /// The slice, when enough was looked at.
    pub(super) fn enough(self) -> Slice {
        self.slice
    }
}
