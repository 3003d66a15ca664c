//! Spans around the calls of the port's `Trail`, and the log line of each act.
//!
//! Part of the wrapper around every adapter.

use async_trait::async_trait;
use tracing::instrument;

use super::Spans;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::{TrailEntry, TrailRow};
use crate::store::{Error, Store, Trail, TrailScan};

#[async_trait]
impl<S: Store> Trail for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(act = %entry.act))]
    async fn add_trail(&self, entry: &TrailEntry) -> Result<(), Error> {
        timed!(self.add_trail(entry))?;
        told(Some(entry));
        Ok(())
    }

    #[instrument(level = "debug", skip_all)]
    async fn trail(&self, scan: &TrailScan) -> Result<Vec<TrailRow>, Error> {
        timed!(self.trail(scan))
    }

    #[instrument(level = "debug", skip_all, fields(%before, max))]
    async fn drop_trail(&self, before: Time, max: usize) -> Result<u64, Error> {
        timed!(self.drop_trail(before, max))
    }
}

/// Logs an act whose row was written.
pub(super) fn told(by: Option<&TrailEntry>) {
    let Some(TrailEntry { actor, act, tenant, object, .. }) = by else { return };
    let tenant = tenant.as_ref().map(TenantId::as_str);
    let request_id = actor.request_id.as_deref();
    tracing::info!(%act, who = actor.who, tenant, object, request_id, "an act is in the trail");
}
