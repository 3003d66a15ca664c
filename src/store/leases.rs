//! The port's leases: who works on which lane, and how many lanes there are.
//!
//! Asked by `follow` and by the verbs; goes by the store's clock. A lease is no fence: Kafka's
//! transactional id is.

use std::time::Duration;

use async_trait::async_trait;

use super::Error;
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;

/// The right to work on a lane, for a while. It is no fence: Kafka's transactional id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The lane.
    pub lane: Lane,
    /// The fencing token: rises with every holder of this lane.
    pub term: u64,
}

/// Whether a lease is still held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseCheck {
    /// For another while.
    Held,
    /// Somebody took the lane, or it was released.
    Lost,
}

/// Refuses to make no lanes at all.
pub(super) fn ensure_any(wanted: u16) -> Result<(), Error> {
    match wanted {
        0 => Err(Error::Refused("LANES must be at least 1".to_owned())),
        _ => Ok(()),
    }
}

/// Refuses to resize the lanes, for this reason, unless it counts none.
pub(super) fn ensure_none(count: i64, why: impl FnOnce(i64) -> Error) -> Result<(), Error> {
    match count {
        0 => Ok(()),
        some => Err(why(some)),
    }
}

/// Why the lanes can't be resized now: they are in use.
pub(super) fn in_use(others: i64) -> Error {
    Error::Refused(format!(
        "the lanes are in use: {others} replicas run or lanes are held by others"
    ))
}

/// Why the lanes can't be resized like this: the tenants are others than those that were asked for.
pub(super) fn left_out(tenants: i64) -> Error {
    Error::Refused(format!("{tenants} tenants would have no lane: they were enabled meanwhile"))
}

/// Why a lane can't be seized: the store has fewer.
pub(super) fn no_such(lane: Lane) -> Error {
    Error::Refused(format!("there is no {lane}"))
}

/// A lane's lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneLease {
    /// The lane.
    pub lane: Lane,
    /// The replica that holds it; `None` when its lease has run out too.
    pub holder: Option<String>,
    /// The term of the last holder.
    pub term: u64,
}

/// The replicas that are there, and the lanes that each works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// The replicas whose heartbeats have not run out, in order of their names.
    pub replicas: Vec<String>,
    /// Every lane, in order.
    pub lanes: Vec<LaneLease>,
}

/// Who works on which lane, by the store's clock. Nobody holds longer than a `ttl` from now: where
/// the clock has stepped back, what ends later has run out.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Returns the number of lanes: `wanted` when the store is new, else what it was created with.
    async fn lanes(&self, wanted: u16) -> Result<u16, Error>;

    /// Takes a lane that nobody else holds, or whose lease has run out; `by` names this replica.
    async fn acquire(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Option<Lease>, Error>;

    /// Takes a lane from whoever holds it: the former holder finds its lease lost.
    async fn seize(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Lease, Error>;

    /// Holds it for another `ttl` from now, unless it was taken since, even if it had run out.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<LeaseCheck, Error>;

    /// Gives it back at once; nothing happens if it was taken since.
    async fn release(&self, lease: &Lease) -> Result<(), Error>;

    /// Says that this `instance` (a run) of a replica is there to share the lanes, for another
    /// `ttl` from now. Returns which one said so last by that name, if it would still be there.
    async fn heartbeat(
        &self,
        replica: &str,
        instance: &str,
        ttl: Duration,
    ) -> Result<Option<String>, Error>;

    /// Says that a replica is not there any more.
    async fn deregister(&self, replica: &str) -> Result<(), Error>;

    /// Returns the replicas that are there, and the lanes with their holders.
    async fn members(&self) -> Result<Members, Error>;

    /// Makes it so many lanes, held by nobody, and gives these tenants these lanes, all of it or
    /// nothing. Refused unless `by` holds every lane and no replica is registered, and when a
    /// tenant would be left without a lane. Terms go on above all that were ever given.
    async fn resize(&self, by: &str, lanes: u16, moves: &[(TenantId, Lane)]) -> Result<(), Error>;
}
