//! The store: one log per tenant, the cursors of who follows it, the tenants, and the leases.
//!
//! The port that `intake` appends through and `follow` and `http` read through. Adapters are its
//! children; one contract suite runs against each. One method is one transaction. Positions of a
//! tenant are dense when given and visible in their order; a store's time never goes back within
//! a tenant.

#[macro_use]
mod sql;

mod append;
mod error;
mod event_counts;
mod heads;
mod leases;
mod mongodb;
mod place;
mod postgres;
mod slice_builder;
mod sqlite;
mod transitions;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::domain::conflict::Conflict;
use crate::domain::draft::Draft;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::filter::Filter;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request};
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;

pub use error::Error;
pub use event_counts::EventCounts;
pub use heads::{ChangeToken, Changed, Head};
pub use leases::{LaneLease, Lease, LeaseCheck, Leases, Members};
pub use mongodb::Config as MongodbConfig;
pub use postgres::{Config as PostgresConfig, Server as PostgresServer};
pub use sqlite::{backup, restore_backup};

/// Drafts of one tenant that are appended all or not at all.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Whose log.
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

/// What became of one batch.
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
    fn no_earlier(self, after: Position) -> Self {
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
    /// Whose log.
    pub tenant: TenantId,
    /// Which life of it.
    pub log_id: LogId,
    /// What fits the filter, in order of position.
    pub events: Vec<Envelope>,
    /// The last position that was looked at; where the reader stood if there was none.
    pub scanned: Position,
    /// Whether there is anything left to look at behind `scanned`.
    pub more: bool,
    /// Whether the log has the event that the read was to begin after. If not, `events` is empty.
    pub has_start: bool,
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

    /// The event of that id.
    async fn find(&self, tenant: &TenantId, event_id: EventId) -> Result<Option<Envelope>, Error>;

    /// Which tenants of a lane have new events since the token was given: never too few; all that
    /// ever had one, when the token is of another run.
    async fn changed_since(&self, lane: Lane, since: ChangeToken) -> Result<Changed, Error>;
}

/// Whether a cursor moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It stands where it was sent.
    Moved,
    /// Somebody else moved it: it stands here.
    Stale(Option<Cursor>),
}

/// How far followers have come.
#[async_trait]
pub trait Cursors: Send + Sync {
    /// One follower's cursor in a tenant's log.
    async fn load(&self, tenant: &TenantId, follower: &Follower) -> Result<Option<Cursor>, Error>;

    /// One follower's cursors in all logs of a lane.
    async fn load_lane(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<(TenantId, Cursor)>, Error>;

    /// Compare and set: moves the cursor if it still stands where it was `seen`.
    async fn advance(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        seen: Option<&Cursor>,
        to: &Cursor,
    ) -> Result<Moved, Error>;

    /// Writes down cursors whose truth is kept elsewhere (Kafka's cursors topic), whatever stood
    /// there, unless a later holder of the tenant's lane wrote there: then the lease is lost. Each
    /// cursor is written for itself: when this fails or the lease is lost, some may be written.
    async fn checkpoint(
        &self,
        lease: &Lease,
        follower: &Follower,
        cursors: &[(TenantId, Cursor)],
    ) -> Result<LeaseCheck, Error>;
}

/// An enabled tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnabledTenant {
    /// Its id.
    pub tenant: TenantId,
    /// Its log.
    pub log_id: LogId,
    /// Its lane.
    pub lane: Lane,
    /// The last position given.
    pub head: Position,
}

/// Who is enabled.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Enables a tenant that the store has never seen, with this log id and the lane that has the
    /// fewest tenants; a tenant that it has seen stays as it is. Refused before the lanes are made.
    async fn enable_if_new(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error>;

    /// How many are enabled.
    async fn count(&self) -> Result<usize, Error>;

    /// All enabled tenants, in order of id.
    async fn list(&self) -> Result<Vec<EnabledTenant>, Error>;

    /// Begins another life of a tenant's log, with the same events: another id. What was parked up
    /// to `at` goes along, what was parked behind it is forgotten. `false`, and nothing done, if
    /// the log's id isn't `old` any more.
    async fn rotate_log_id(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error>;
}

/// How often a log's parked scopes have changed their state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLedger {
    /// Whose log.
    pub tenant: TenantId,
    /// Which life of it.
    pub log_id: LogId,
    /// The number of its last transition.
    pub number: u64,
    /// How many of its scopes are not over.
    pub open: u64,
}

/// What stays behind.
#[async_trait]
pub trait Parking: Send + Sync {
    /// All that a tenant ever parked, in order of position.
    async fn parked(&self, tenant: &TenantId) -> Result<Vec<Parked>, Error>;

    /// The relay's cursor in a tenant's log and, once it has come to `from`, all that the tenant
    /// ever parked. Both are of one state: two reads might ask two servers, the second of which is
    /// not as far.
    async fn relayed(
        &self,
        tenant: &TenantId,
        from: Position,
    ) -> Result<(Option<Cursor>, Vec<Parked>), Error>;

    /// What is parked in a lane and not over, in order of tenant and position.
    async fn parked_lane(&self, lane: Lane) -> Result<Vec<Parked>, Error>;

    /// For each log of a lane that ever parked something: the number of its last transition.
    async fn parking_ledgers(&self, lane: Lane) -> Result<Vec<LogLedger>, Error>;

    /// Writes these as the lane's holder has them, all or none, unless the lane was taken since or
    /// the transition before them is missing. What is new gets the time of now; what was asked for
    /// stays asked until the state is another.
    async fn park(&self, lease: &Lease, parked: &[Parked]) -> Result<LeaseCheck, Error>;

    /// Asks for what is parked to be released or discarded; `false` if there is none of that id
    /// whose state is `parked`, or something was asked for it already.
    async fn request(
        &self,
        tenant: &TenantId,
        event_id: EventId,
        request: Request,
        reason: Option<&str>,
    ) -> Result<bool, Error>;

    /// What became of all events.
    async fn event_counts(&self) -> Result<EventCounts, Error>;
}

/// All of it, behind one name.
#[async_trait]
pub trait Store: Log + Cursors + Tenants + Leases + Parking {
    /// Which store it is, for a reader.
    fn name(&self) -> &'static str;

    /// How many appends it likes at once; a tenant's always go to the same one.
    fn writers(&self) -> usize;

    /// How many drafts it likes in one append: fewer take about as long, so it is worth a moment to
    /// wait for more.
    fn group_drafts_min(&self) -> usize {
        1
    }

    /// The largest sealed event that it takes, in bytes, headers included.
    fn event_bytes_max(&self) -> usize {
        usize::MAX
    }

    /// Whether it answers and takes writes, as large as the last one that failed.
    async fn check(&self) -> Result<(), Error>;

    /// Lets go of what it holds, once nothing is asked of it any more: what stands in files is
    /// whole then, and another may open them.
    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Which store.
#[derive(Debug, Clone)]
pub enum Config {
    /// A file in a folder of its own.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres(PostgresConfig),
    /// A MongoDB replica set.
    Mongodb(MongodbConfig),
}

/// Who opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `serve`: alone on its data folder where the store is a folder; makes what is missing.
    Serve,
    /// A verb of the command line, beside a running `serve`; makes nothing.
    Attach,
    /// A verb that changes what `serve` works on: alone on its data folder too, but makes nothing.
    Alone,
}

/// Opens the store, with its tables as this version needs them. Who comes beside makes nothing.
pub async fn open(
    config: &Config,
    access: Access,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, Error> {
    Ok(match config {
        Config::Sqlite { path } => Arc::new(sqlite::Sqlite::open(path, access, clock).await?),
        Config::Postgres(config) => Arc::new(postgres::Postgres::open(config, access).await?),
        Config::Mongodb(config) => Arc::new(mongodb::Mongodb::open(config, access).await?),
    })
}
