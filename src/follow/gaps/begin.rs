//! The decision that a sink begins a log though events are missing that it never had.
//!
//! `sinks begin` calls it. Until an operator accepts, nothing is changed. Then the store gets the
//! sink's first checkpoint in the log: at the sink's cursor, after which it goes on, or at the
//! start, from where it gets all that the log has.

use super::gaps_after;
use crate::domain::cursor::Cursor;
use crate::domain::floors::Gap;
use crate::domain::position::Position;
use crate::follow::restore::Error;
use crate::follow::restore::other_sinks::{begin_again, has, leased};
use crate::sink::Sink;
use crate::store::{LeaseCheck, Store, TenantLog};

/// A sink that waits to begin a tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The tenant and its log.
    pub enabled: TenantLog,
    /// The sink's cursor, of the time before it was forgotten.
    pub cursor: Option<Cursor>,
    /// Whether the log has the event that the cursor names. If not, the sink begins at the start.
    pub is_in_log: bool,
    /// The positions among which events are missing, of each topic.
    pub gaps: Vec<Gap>,
}

/// Returns what a sink would miss of a tenant's log; `None` if it has begun, or misses nothing.
pub async fn find(
    store: &dyn Store,
    sink: &dyn Sink,
    enabled: &TenantLog,
) -> Result<Option<Waiting>, Error> {
    let TenantLog { tenant, log_id, lane, .. } = enabled;
    // Nearly always nothing is missing, and the sink need not be asked.
    if gaps_after(store, sink.follower(), tenant, Position::START).await?.is_empty() {
        return Ok(None);
    }
    let cursors = sink.cursors(*lane).await?;
    let cursor = cursors.get(&(*log_id, sink.follower().clone())).map(|known| known.cursor);
    let after = cursor.map_or(Position::START, |cursor| cursor.position);
    let gaps = gaps_after(store, sink.follower(), tenant, after).await?;
    if gaps.is_empty() {
        return Ok(None);
    }
    let is_in_log = match cursor {
        Some(cursor) => has(store, tenant, &cursor).await?,
        None => true,
    };
    Ok(Some(Waiting { enabled: enabled.clone(), cursor, is_in_log, gaps }))
}

/// Lets a sink begin a log that it waits for, unless somebody has let it begin meanwhile. Until
/// that is done, the tenant's lane is taken from the replica that holds it, in the name of `by`. If
/// it fails, it can be repeated.
pub async fn accept(
    store: &dyn Store,
    sink: &dyn Sink,
    waiting: &Waiting,
    by: &str,
) -> Result<(), Error> {
    let Waiting { enabled, cursor, is_in_log, .. } = waiting;
    let (tenant, follower) = (&enabled.tenant, sink.follower());
    leased(store, enabled, by, async |lease| {
        if store.load(tenant, follower).await?.is_some() {
            return Ok(());
        }
        let Some(cursor) = cursor.filter(|_| *is_in_log) else {
            return begin_again(store, sink, &lease, enabled).await;
        };
        match store.checkpoint(&lease, follower, &[(tenant.clone(), cursor)]).await? {
            LeaseCheck::Held => Ok(()),
            LeaseCheck::Lost => Err(Error::Changed(tenant.clone())),
        }
    })
    .await
}
