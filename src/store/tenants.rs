//! The port's `Tenants`: the tenants, enabled or not, each with its log and its lane.
//!
//! The start and the tenant interface enable tenants here, the subcommands list them, and `restore`
//! rotates a log's id.

use async_trait::async_trait;

use super::Error;
use crate::domain::cursor::Cursor;
use crate::domain::incarnation::Incarnations;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::{Act, Actor, TrailEntry};

/// A tenant that has a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantLog {
    /// The tenant's id.
    pub tenant: TenantId,
    /// The id of its log.
    pub log_id: LogId,
    /// The lane of the tenant.
    pub lane: Lane,
    /// The last position of its log.
    pub head: Position,
    /// Whether it may post and read. If not, what is pending is still published.
    pub is_enabled: bool,
}

impl TenantLog {
    /// Returns the position up to which a sink with this checkpoint has passed the log. A
    /// checkpoint in a former incarnation tells nothing of this one.
    pub fn passed_by(&self, checkpoint: Option<Cursor>) -> Position {
        let own = checkpoint.filter(|cursor| cursor.log_id == self.log_id);
        own.map_or(Position::START, |cursor| cursor.position)
    }
}

/// Whether a tenant that was purged is given a log again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComesBack {
    /// It is, since somebody has asked for it.
    Yes,
    /// It isn't: its file alone is no reason.
    No,
}

/// Why a tenant can't be enabled: there is no lane to give it yet.
pub(super) fn before_lanes(tenant: &TenantId) -> Error {
    Error::Refused(format!("tenant `{tenant}` can't be enabled before the number of lanes is set"))
}

/// Returns the entry of a tenant that is enabled because the gateway has found its file.
pub fn enabled_by_file(tenant: &TenantId) -> TrailEntry {
    let entry = Actor::gateway().does(Act::EnableTenant).of(tenant).on(tenant);
    entry.because(Some("the tenant has a file, and was never enabled"))
}

/// The tenants that have a log, enabled or not.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Enables a tenant that the store has never seen, with this log id and the lane that has the
    /// fewest tenants. A tenant that the store knows stays as it is: enabled, disabled or purged.
    /// Refused before the lanes exist. The trail has it as an act of the gateway.
    async fn enable_if_new(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error>;

    /// Gives a tenant that has no log one, if the store has no tenants but those `beside` it, whose
    /// topics were compared with its own. Returns whether that is so, or it has a log; else nothing
    /// has changed, and whoever asks has to compare again. A tenant that was purged stays as it is
    /// unless it comes back, and as long as its purge is under way.
    async fn enable_beside(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        comes_back: ComesBack,
        beside: &[TenantId],
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error>;

    /// Enables a tenant that is new, disabled or purged; one that was purged gets a new log, whose
    /// positions go on above those of the last one. Returns whether it is enabled now: not as long
    /// as its purge is under way.
    async fn enable(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error>;

    /// Disables a tenant: once this is durable, only the gateway itself appends to its log. Returns
    /// whether it was enabled.
    async fn disable(
        &self,
        tenant: &TenantId,
        at: Time,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error>;

    /// Returns the number of tenants.
    async fn count(&self) -> Result<usize, Error>;

    /// Returns all tenants, in order of id.
    async fn list(&self) -> Result<Vec<TenantLog>, Error>;

    /// Returns a tenant; `None` if it has no log.
    async fn find_tenant(&self, tenant: &TenantId) -> Result<Option<TenantLog>, Error>;

    /// Returns the incarnations of a tenant's log; none if the tenant was never enabled.
    async fn incarnations(&self, tenant: &TenantId) -> Result<Incarnations, Error>;

    /// Gives a tenant's log another id; its events stay the same. Events after `at` are published
    /// under the new id, and those up to `at` keep theirs. Scopes that the relay has parked up to
    /// `at` go along, all others are forgotten: other sinks get the log from its start. Open
    /// replays go along, back to `at` if they were past it.
    /// Returns `false` and does nothing if the log's id is no longer `old`.
    async fn rotate_log_id(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error>;
}
