//! The port's `Log`: appending to the tenants' logs, reading them, and learning which have grown.
//!
//! `intake` appends, and `follow` and `http` read. Positions are given densely and become visible
//! in their order, and a read returns one state of the store.

use std::ops::Range;

use async_trait::async_trait;

use super::Error;
use crate::domain::conflict::Conflict;
use crate::domain::cursor::Cursor;
use crate::domain::draft::Draft;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::filter::Filter;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// Drafts of one tenant that are appended all or not at all.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The drafts, in the order in which they get positions.
    pub drafts: Vec<Draft>,
}

/// The place in the log of a draft; of a draft that was posted before, the place that it got then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The position in its tenant's log.
    pub position: Position,
    /// The time of the append, by the store's clock.
    pub time: Time,
}

/// The outcome of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The batch is durable.
    Appended {
        /// The tenant's log.
        log_id: LogId,
        /// The tenant's lane, which is woken.
        lane: Lane,
        /// The receipts, one per draft, in order. A draft that was appended before gets its first
        /// receipt.
        receipts: Vec<Receipt>,
        /// Whether any of the drafts was in the log before.
        repeated: bool,
    },
    /// Nothing of it was written: an event id is in the log, or twice in the batch, with other
    /// content.
    Conflict(Conflict),
    /// Nothing of it was written: the tenant is not enabled.
    NotEnabled,
}

/// The limits of a read: which events, and how many at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The filter that events must match.
    pub filter: Filter,
    /// The earliest time.
    pub from: Option<Time>,
    /// The time before which events must be.
    pub to: Option<Time>,
    /// The most events of one tenant.
    pub events_each_max: usize,
    /// The most events in all.
    pub events_max: usize,
    /// The most payload bytes in all; but the first event is returned whatever its size.
    pub bytes_max: usize,
    /// The most rows of one tenant that are looked at, whether they match or not.
    pub rows_max: usize,
    /// Whether the logs of disabled tenants are left out, as for callers; followers go on with
    /// them.
    pub enabled_only: bool,
}

impl Scan {
    /// Returns the limits of a page of one tenant's log: at most `events_max` events, 4 MiB of
    /// payloads, and 2,000 rows, so that a filter that few events match costs a bounded time.
    pub fn page(filter: Filter, events_max: usize) -> Self {
        Self {
            filter,
            from: None,
            to: None,
            events_each_max: events_max,
            events_max,
            bytes_max: 4 << 20,
            rows_max: 2_000,
            enabled_only: false,
        }
    }

    /// Returns the same limits for a caller of the tenant, which must be enabled.
    pub fn page_of_enabled(filter: Filter, events_max: usize) -> Self {
        Self { enabled_only: true, ..Self::page(filter, events_max) }
    }
}

/// The start of a read in one tenant's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The last position that is not read.
    pub after: Position,
    /// The cursor whose event must stand at `after`, if the reader has one. The read checks it in
    /// the same state of the store from which it reads on.
    pub cursor: Option<Cursor>,
}

impl Start {
    /// Returns the same start, or `after` if that is later.
    pub(super) fn no_earlier(self, after: Position) -> Self {
        if self.after < after { after.into() } else { self }
    }
}

impl From<Position> for Start {
    fn from(after: Position) -> Self {
        Self { after, cursor: None }
    }
}

impl From<Cursor> for Start {
    fn from(cursor: Cursor) -> Self {
        Self { after: cursor.position, cursor: Some(cursor) }
    }
}

/// A stretch of one tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The log's id.
    pub log_id: LogId,
    /// The events that match, in order of position.
    pub events: Vec<Envelope>,
    /// The position after which the next read begins: that of the last row that was looked at, or
    /// the head if no row is left, or the start. No event that matches was left out up to it.
    pub scanned: Position,
    /// Whether anything is left to look at after `scanned`.
    pub more: bool,
    /// Whether the log has the event that the start names. If not, `events` is empty.
    pub has_start: bool,
}

/// A point in the history of all heads, for [`Log::changed_since`]. Only the store that gave it can
/// read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeToken {
    /// The incarnation of the server that gave it. Another incarnation may be another server, whose
    /// logs end earlier. A store that can't lose what it once showed has only one.
    pub incarnation: u64,
    /// A number that rises within an incarnation.
    pub at: i64,
}

impl ChangeToken {
    /// The token before everything.
    pub const START: ChangeToken = ChangeToken::new(0);

    /// Makes the token of a store with one incarnation.
    pub const fn new(at: i64) -> Self {
        Self { incarnation: 0, at }
    }
}

/// The head of a tenant's log: the position and time of its last event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The tenant.
    pub tenant: TenantId,
    /// The log's incarnation.
    pub log_id: LogId,
    /// The tenant's lane.
    pub lane: Lane,
    /// The last position; [`Position::START`] for an empty log.
    pub position: Position,
    /// The time of the last event.
    pub time: Time,
    /// Whether the tenant is enabled; if not, nobody appends to the log but the gateway itself.
    pub is_enabled: bool,
}

/// The logs that have grown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The heads of all logs of the lane that changed since the token, and now and then of one that
    /// did not.
    pub heads: Vec<Head>,
    /// The token to ask with next.
    pub token: ChangeToken,
}

/// The logs.
#[async_trait]
pub trait Log: Send + Sync {
    /// Appends the batches in their order, in one transaction: the heads and event ids that it
    /// looks up still hold when the sealed events are committed. Returns one outcome per batch.
    async fn append(&self, batches: &[Batch]) -> Result<Vec<Outcome>, Error>;

    /// Reads the events after each start. Returns one slice per tenant that has a log (and is
    /// enabled, if the scan says so), in the order of `from`. Ends early, without slices for the
    /// rest, once `events_max` or `bytes_max` is reached.
    async fn read(&self, from: &[(TenantId, Start)], scan: &Scan) -> Result<Vec<Slice>, Error>;

    /// Returns all topics that a tenant's log has events of, in order.
    async fn topics(&self, tenant: &TenantId) -> Result<Vec<Topic>, Error>;

    /// Counts the events of a topic, or only those of one of its keys, after the range's start and
    /// up to its end.
    async fn count_events(
        &self,
        tenant: &TenantId,
        topic: &Topic,
        key: Option<&Key>,
        range: Range<Position>,
    ) -> Result<u64, Error>;

    /// Returns the event with this id.
    async fn find(&self, tenant: &TenantId, event_id: EventId) -> Result<Option<Envelope>, Error>;

    /// Returns the tenants of a lane, enabled or not, that have new events since the token was
    /// given, and misses none. If the token is of another incarnation, returns all that ever had an
    /// event.
    async fn changed_since(&self, lane: Lane, since: ChangeToken) -> Result<Changed, Error>;
}
