//! Repairs a sink other than the broker after its cursors went back, or the store did.
//!
//! It compares the sink's cursor of a log with the log and with the store's checkpoint. Until an
//! operator accepts, nothing is changed. Then the sink's cursors of the log and its parked scopes
//! are forgotten, and it gets the whole log again: it recognises the events that it has, and meets
//! those that it refuses anew.

use std::sync::Arc;

use super::super::parking::verify::{self, ParkingLost};
use super::Error;
use crate::domain::cursor::Cursor;
use crate::domain::follower::Follower;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::follow::lease::{LEASE, keep_renewing};
use crate::follow::page_scan;
use crate::sink::{Sink, Sinks};
use crate::store::{Lease, LeaseCheck, Store, TenantLog};

/// The difference between a log and what a sink proves of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The sink's cursor.
    pub cursor: Option<Cursor>,
    /// The store's checkpoint of that cursor.
    pub checkpoint: Option<Cursor>,
    /// Whether the log has the event that the sink's cursor names.
    pub is_in_log: bool,
    /// The way in which the store's parking is older than what the sink proves; `None` if it is
    /// not.
    pub parking: Option<ParkingLost>,
}

/// Returns the sinks that are repaired in this way.
pub fn others(sinks: &Sinks) -> impl Iterator<Item = &Arc<dyn Sink>> {
    sinks.sinks.iter().filter(|sink| *sink.follower() != Follower::relay())
}

/// Compares a tenant's log with a sink; `None` if the sink can go on without a repair.
pub async fn compare(
    store: &dyn Store,
    sink: &dyn Sink,
    enabled: &TenantLog,
) -> Result<Option<Difference>, Error> {
    let TenantLog { tenant, log_id, lane, .. } = enabled;
    // The sink is asked after the store, so that its cursor is never the older one of the two.
    let checkpoint = store.load(tenant, sink.follower()).await?;
    let is_its = |cursor: &Cursor| cursor.log_id == *log_id && cursor.position > Position::START;
    let checkpoint = checkpoint.filter(is_its);
    let cursors = sink.cursors(*lane).await?;
    let known = cursors.get(&(*log_id, sink.follower().clone()));
    let cursor = known.map(|known| known.cursor);
    let is_in_log = match cursor {
        None => true,
        Some(cursor) => has(store, tenant, &cursor).await?,
    };
    let of_log = (tenant, *log_id);
    let parking = verify::compare(store, sink.follower(), of_log, &cursors).await?.lost;
    let position = |cursor: Option<Cursor>| cursor.map_or(Position::START, |it| it.position);
    let agrees = is_in_log && parking.is_none() && position(cursor) >= position(checkpoint);
    Ok((!agrees).then_some(Difference { cursor, checkpoint, is_in_log, parking }))
}

/// Lets a sink begin a log again. Until that is done, the tenant's lane is taken from the replica
/// that holds it, in the name of `by`. If it fails, it can be repeated.
pub async fn accept(
    store: &dyn Store,
    sink: &dyn Sink,
    enabled: &TenantLog,
    by: &str,
) -> Result<(), Error> {
    leased(store, enabled, by, async |lease| begin_again(store, sink, &lease, enabled).await).await
}

/// Lets a sink begin a log again, under the lease of its lane.
pub(in crate::follow) async fn begin_again(
    store: &dyn Store,
    sink: &dyn Sink,
    lease: &Lease,
    enabled: &TenantLog,
) -> Result<(), Error> {
    let TenantLog { tenant, log_id, .. } = enabled;
    forget(sink, lease, *log_id).await?;
    store.forget_follower(sink.follower(), Some(tenant), None).await?;
    let start = Cursor::start(*log_id);
    match store.checkpoint(lease, sink.follower(), &[(tenant.clone(), start)]).await? {
        LeaseCheck::Held => Ok(()),
        LeaseCheck::Lost => Err(Error::Changed(tenant.clone())),
    }
}

/// Takes a log's lane from the replica that holds it, in the name of `by`, and gives it back once
/// the work under its lease is done.
pub(in crate::follow) async fn leased(
    store: &dyn Store,
    enabled: &TenantLog,
    by: &str,
    work: impl AsyncFnOnce(Lease) -> Result<(), Error>,
) -> Result<(), Error> {
    let lease = store.seize(enabled.lane, by, LEASE).await?;
    let leases = [lease];
    let done = tokio::select! {
        done = work(lease) => done,
        _ = keep_renewing(store, &leases) => Err(Error::Changed(enabled.tenant.clone())),
    };
    if let Err(error) = store.release(&lease).await {
        tracing::warn!(lane = %lease.lane, %error, "failed to release the lease; it will expire");
    }
    done
}

/// Removes all cursors that a sink has of a log.
async fn forget(sink: &dyn Sink, lease: &Lease, log_id: LogId) -> Result<(), Error> {
    let taken = sink.take_over(lease.lane, lease.term).await?;
    let of_log: Vec<_> = taken.cursors.into_keys().filter(|(its, _)| *its == log_id).collect();
    if !of_log.is_empty() {
        taken.publisher.forget(&of_log).await?;
    }
    Ok(())
}

/// Removes all cursors that sinks have of a log, as far as they answer.
pub(super) async fn forget_all(
    sinks: &[&dyn Sink],
    lease: &Lease,
    tenant: &TenantId,
    log_id: LogId,
) {
    for sink in sinks {
        if let Err(error) = forget(*sink, lease, log_id).await {
            tracing::warn!(%tenant, follower = %sink.follower(), %error, "failed to remove the \
                cursors of the former log; `/readyz` names them");
        }
    }
}

/// Returns whether the log has the event that a cursor names, at the cursor's position.
pub(in crate::follow) async fn has(
    store: &dyn Store,
    tenant: &TenantId,
    cursor: &Cursor,
) -> Result<bool, Error> {
    let slices = store.read(&[(tenant.clone(), (*cursor).into())], &page_scan(1)).await?;
    Ok(slices.first().is_some_and(|slice| slice.has_start))
}
