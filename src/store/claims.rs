//! The port's `Claims`: the effects that actions have had for events.
//!
//! `subscribe` claims what a group's handler has done, and `http` what a module asks for. A row has
//! no content of an event, only the id, so that an erasure leaves it.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::Error;
use super::columns::Columns;
use crate::domain::claim::{ActionRun, RootId};
use crate::domain::tenant::TenantId;

/// The claims of all tenants.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Claims events for an action, each for so long from now; returns those that nobody had
    /// claimed before, or no longer. A claim that is there keeps its end. Nothing is claimed of a
    /// tenant that has no log.
    async fn claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
        ttl: Duration,
    ) -> Result<BTreeSet<RootId>, Error>;

    /// Returns those of the events that are claimed for an action now.
    async fn find_claims(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        roots: &BTreeSet<RootId>,
    ) -> Result<BTreeSet<RootId>, Error>;

    /// Gives a claim back; returns whether the event was claimed.
    async fn release_claim(
        &self,
        tenant: &TenantId,
        run: &ActionRun,
        root: &RootId,
    ) -> Result<bool, Error>;

    /// Removes at most `max` claims that are over; returns their number.
    async fn drop_claims(&self, max: usize) -> Result<u64, Error>;
}

/// Returns a row's event.
pub(super) fn root(row: &(impl Columns + ?Sized)) -> Result<RootId, Error> {
    row.noun("root_id", RootId::parse)
}
