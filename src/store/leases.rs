//! The port's `Leases`: which replica works on which lane, and how many lanes there are.
//!
//! `follow` and the subcommands use it; it goes by the store's clock. A lease is no fence: Kafka's
//! transactional id is.

use std::time::Duration;

use async_trait::async_trait;

use super::Error;
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;

/// The beginning of the names of replicas that serve. No replica that shares the lanes has such a
/// name, since `/` is illegal in it.
const SERVING: &str = "serving/";

/// The right to work on a lane, for a while. It is no fence: Kafka's transactional id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The lane.
    pub lane: Lane,
    /// The fencing token, which rises with every holder of this lane.
    pub term: u64,
}

/// Whether a lease is still held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseCheck {
    /// The lease is held for another while.
    Held,
    /// Another process took the lane, or the lease was released.
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

/// Returns the error of a resize while the lanes are in use.
pub(super) fn in_use(others: i64) -> Error {
    Error::Refused(format!(
        "the lanes are in use: {others} replicas run, or lanes are held by others"
    ))
}

/// Returns the error of a resize that leaves out tenants, which were enabled after it was planned.
pub(super) fn left_out(tenants: i64) -> Error {
    Error::Refused(format!("{tenants} tenants would have no lane: they were enabled meanwhile"))
}

/// Returns the error of a resize while tenants are purged: their lanes might be dropped.
pub(super) fn purging(purges: i64) -> Error {
    Error::Refused(format!("{purges} tenants are being purged: wait until that is complete"))
}

/// Returns the error of a lane that the store does not have.
pub(super) fn no_such(lane: Lane) -> Error {
    Error::Refused(format!("there is no {lane}"))
}

/// The present state of a lane's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneLease {
    /// The lane.
    pub lane: Lane,
    /// The replica that holds it; `None` also if the lease has expired.
    pub holder: Option<String>,
    /// The term of the last holder.
    pub term: u64,
}

/// The replicas that run, and the holder of each lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// The replicas whose heartbeats have not expired, in the order of their names.
    pub replicas: Vec<String>,
    /// The number of replicas that serve requests, whether or not they share the lanes.
    pub serving: usize,
    /// Every lane, in order.
    pub lanes: Vec<LaneLease>,
}

impl Members {
    /// Makes the members of all names that are registered, in order.
    pub(super) fn new(registered: Vec<String>, lanes: Vec<LaneLease>) -> Self {
        let is_serving = |name: &String| name.starts_with(SERVING);
        let (serving, replicas): (Vec<_>, _) = registered.into_iter().partition(is_serving);
        Self { replicas, serving: serving.len(), lanes }
    }
}

/// Returns the name under which a run of a replica registers that it serves.
fn serving(instance: &str) -> String {
    format!("{SERVING}{instance}")
}

/// The leases of the lanes, by the store's clock. No lease holds longer than its `ttl` from now:
/// one that ends later, because the clock has stepped back, counts as expired.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Returns the number of lanes. A new store is made with `wanted` lanes.
    async fn lanes(&self, wanted: u16) -> Result<u16, Error>;

    /// Acquires a lane that no other replica holds, or whose lease has expired; `by` names this
    /// replica.
    async fn acquire(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Option<Lease>, Error>;

    /// Takes a lane from its holder, which then finds its lease lost.
    async fn seize(&self, lane: Lane, by: &str, ttl: Duration) -> Result<Lease, Error>;

    /// Renews the lease for another `ttl` from now, even if it had expired, unless the lane was
    /// taken since.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<LeaseCheck, Error>;

    /// Gives the lease back at once; nothing happens if the lane was taken since.
    async fn release(&self, lease: &Lease) -> Result<(), Error>;

    /// Registers, for another `ttl` from now, that this `instance` (run) of a replica shares the
    /// lanes. Returns the instance with the last heartbeat under that name, if it has not expired.
    async fn heartbeat(
        &self,
        replica: &str,
        instance: &str,
        ttl: Duration,
    ) -> Result<Option<String>, Error>;

    /// Removes a replica from the members.
    async fn deregister(&self, replica: &str) -> Result<(), Error>;

    /// Registers, for another `ttl` from now, that this `instance` (run) of a replica serves
    /// requests, whether or not it shares the lanes.
    async fn serve(&self, instance: &str, ttl: Duration) -> Result<(), Error> {
        self.heartbeat(&serving(instance), instance, ttl).await.map(drop)
    }

    /// Removes an instance from those that serve.
    async fn leave(&self, instance: &str) -> Result<(), Error> {
        self.deregister(&serving(instance)).await
    }

    /// Returns the replicas that run, and the lanes with their holders.
    async fn members(&self) -> Result<Members, Error>;

    /// Sets the number of lanes, which then have no holder, and gives tenants the lanes of `moves`,
    /// in one step. Refused unless `by` holds every lane and no replica is registered, and if a
    /// tenant would have no lane. Terms continue above all earlier ones.
    async fn resize(&self, by: &str, lanes: u16, moves: &[(TenantId, Lane)]) -> Result<(), Error>;
}
