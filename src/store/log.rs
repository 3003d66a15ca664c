//! The port's `Log`: appending to the tenants' logs, reading them, and learning which have grown.
//!
//! Asked by `intake`, which appends, and by `follow` and `http`, which read. Always true: positions
//! are dense when given and visible in their order, and what a read returns is of one state of the
//! store.

use async_trait::async_trait;

use super::Error;
use crate::domain::conflict::Conflict;
use crate::domain::draft::Draft;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::filter::Filter;
use crate::domain::follower::Cursor;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;

/// Drafts of one tenant that are appended all or not at all.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The tenant of the log.
    pub tenant: TenantId,
    /// In the order in which they get positions.
    pub drafts: Vec<Draft>,
}

/// The place that a draft got: the first time, or when it was first posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// In its tenant's log.
    pub position: Position,
    /// The store's clock.
    pub time: Time,
}

/// The outcome of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable.
    Appended {
        /// The tenant's log.
        log_id: LogId,
        /// The tenant's lane: the one to wake.
        lane: Lane,
        /// One per draft, in order. A draft whose event id and content were there before gets the
        /// receipt of then.
        receipts: Vec<Receipt>,
        /// Whether any of the drafts was there before.
        repeated: bool,
    },
    /// Nothing of it was written: an event id is there, or stands in the batch twice, with other
    /// content.
    Conflict(Conflict),
    /// Nothing of it was written: the tenant is not enabled.
    NotEnabled,
}

/// How to read: what is wanted, and how much at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Which events.
    pub filter: Filter,
    /// Not before this time.
    pub from: Option<Time>,
    /// Only before this time.
    pub to: Option<Time>,
    /// Events of one tenant, at most.
    pub events_each_max: usize,
    /// Events in all, at most.
    pub events_max: usize,
    /// Payload bytes in all, at most; but the first event is given whatever its size.
    pub bytes_max: usize,
    /// Rows of one tenant that are looked at, at most, whether they fit or not.
    pub rows_max: usize,
}

/// Where a read begins in one tenant's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The last position that is not read.
    pub after: Position,
    /// The event that must stand at `after`, if the reader names one: the read looks at it in the
    /// same state of the store in which it reads on.
    pub event_id: Option<EventId>,
}

impl Start {
    /// The same start, unless it lies before `after`.
    pub(super) fn no_earlier(self, after: Position) -> Self {
        if self.after < after { after.into() } else { self }
    }
}

impl From<Position> for Start {
    fn from(after: Position) -> Self {
        Self { after, event_id: None }
    }
}

impl From<Cursor> for Start {
    fn from(cursor: Cursor) -> Self {
        Self { after: cursor.position, event_id: Some(cursor.event_id) }
    }
}

/// A stretch of one tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The log's id.
    pub log_id: LogId,
    /// The events that fit the filter, in order of position.
    pub events: Vec<Envelope>,
    /// The last position that was looked at; where the reader stood if there was none.
    pub scanned: Position,
    /// Whether there is anything left to look at after `scanned`.
    pub more: bool,
    /// Whether the log has the event that the read was to begin after. If not, `events` is empty.
    pub has_start: bool,
}

/// A point in the history of all heads, for [`Log::changed_since`]; the store that gave it can read
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeToken {
    /// The incarnation of the server that gave it: another one may be another server, whose logs
    /// end earlier. A store that can't lose what it once told has one.
    pub incarnation: u64,
    /// Rises within an incarnation.
    pub at: i64,
}

impl ChangeToken {
    /// Before everything.
    pub const START: ChangeToken = ChangeToken::new(0);

    /// The token of a store that has one incarnation.
    pub const fn new(at: i64) -> Self {
        Self { incarnation: 0, at }
    }
}

/// The end of a tenant's log: what the last event in it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The tenant.
    pub tenant: TenantId,
    /// The log's incarnation.
    pub log_id: LogId,
    /// The tenant's lane.
    pub lane: Lane,
    /// The last position given; [`Position::START`] of an empty log.
    pub position: Position,
    /// The last time given.
    pub time: Time,
}

/// The logs that have grown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Every tenant of the lane that changed since the token; now and then one that did not.
    pub heads: Vec<Head>,
    /// The token to ask with next.
    pub token: ChangeToken,
}

/// The logs.
#[async_trait]
pub trait Log: Send + Sync {
    /// Appends the batches in their order, in one transaction: what it looks up (heads, event ids)
    /// and goes by still holds when what was sealed is committed. One outcome per batch.
    async fn append(&self, batches: &[Batch]) -> Result<Vec<Outcome>, Error>;

    /// Reads the events after each start. One slice per tenant that the store knows, in the order
    /// asked; it ends early, without slices for the rest, once `events_max` or `bytes_max` is
    /// reached.
    async fn read(&self, from: &[(TenantId, Start)], scan: &Scan) -> Result<Vec<Slice>, Error>;

    /// Returns the event of that id.
    async fn find(&self, tenant: &TenantId, event_id: EventId) -> Result<Option<Envelope>, Error>;

    /// Returns the tenants of a lane that have new events since the token was given: never too few;
    /// all that ever had one, when the token is of another incarnation.
    async fn changed_since(&self, lane: Lane, since: ChangeToken) -> Result<Changed, Error>;
}
