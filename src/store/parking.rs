//! The port's `Parking`: the scopes that sinks refuse, and the transitions that they make.
//!
//! Lanes write it under their leases. Lanes that take over read it, and so does `http`, which also
//! writes requests to release and discard. A transition is written only if the store has the one
//! before it. Scopes, ledger numbers and requests belong to one follower: the sinks of a lane share
//! none.

use async_trait::async_trait;

use super::Error;
use super::event_counts::EventCounts;
use super::leases::{Lease, LeaseCheck};
use crate::domain::cursor::Cursor;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request};
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::domain::transition::Transition;

/// The number of a log's last parking transition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLedger {
    /// The tenant of the log.
    pub tenant: TenantId,
    /// The log's id.
    pub log_id: LogId,
    /// The number of its last transition.
    pub number: u64,
    /// The number of its scopes that have not ended.
    pub open: u64,
}

/// The scopes that are parked.
#[async_trait]
pub trait Parking: Send + Sync {
    /// Returns all scopes that a follower ever parked in a tenant's log, in order of position.
    async fn parked(&self, tenant: &TenantId, follower: &Follower) -> Result<Vec<Parked>, Error>;

    /// Returns the relay's cursor in a tenant's log and, once it has reached `from`, all scopes
    /// that the relay ever parked there. Both are of one state of the store: two reads might ask
    /// two servers, the second of which is not as far.
    async fn relayed(
        &self,
        tenant: &TenantId,
        from: Position,
    ) -> Result<(Option<Cursor>, Vec<Parked>), Error>;

    /// Returns the scopes of a follower in a lane that have not ended, in order of tenant and
    /// position.
    async fn parked_lane(&self, lane: Lane, follower: &Follower) -> Result<Vec<Parked>, Error>;

    /// Returns the number of the last transition of each log of a lane of which the follower ever
    /// parked something.
    async fn parking_ledgers(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<LogLedger>, Error>;

    /// Writes these transitions in their order, all or none, unless the lane was taken since. If
    /// the transition before them or a scope that they change is missing, returns an error and
    /// writes nothing.
    async fn write_transitions(
        &self,
        lease: &Lease,
        follower: &Follower,
        transitions: &[Transition],
    ) -> Result<LeaseCheck, Error>;

    /// Writes a request to release or discard a parked scope, with its reason; `false` if no scope
    /// with this id has the state `parked`, or it has a request already.
    async fn request(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        event_id: EventId,
        request: (Request, Option<&str>),
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error>;

    /// Removes at most `max` scopes that were parked before a time and are resolved, but of each
    /// log not the one of the last transition, by which the next is numbered. Returns how many.
    async fn drop_resolved(&self, before: Time, max: usize) -> Result<u64, Error>;

    /// Counts all events by their states for the relay.
    async fn event_counts(&self) -> Result<EventCounts, Error>;
}
