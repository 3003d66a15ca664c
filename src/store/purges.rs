//! The port's `Purges`: takes everything of a tenant out of the store.
//!
//! `follow::purge` calls it. From the moment a purge begins, its tenant has no log; what is left of
//! it is removed in steps, each a short transaction that finds the purge still under way. The
//! number of the head outlives the purge, so that no position is given twice.

use async_trait::async_trait;

use super::columns::Columns;
use super::leases::{Lease, LeaseCheck};
use super::{Error, Stand, TenantLog};
use crate::domain::follower::Follower;
use crate::domain::incarnation::Incarnations;
use crate::domain::lane::Lane;
use crate::domain::position::LogId;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;

/// A purge that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// The tenant.
    pub tenant: TenantId,
    /// The log that the tenant had.
    pub log_id: LogId,
    /// The lane that the tenant had.
    pub lane: Lane,
    /// The time at which it began.
    pub started: Time,
    /// The sinks that have passed it, in order of their names.
    pub passed: Vec<Follower>,
    /// Those of them that have nothing of the tenant any more.
    pub removed: Vec<Follower>,
    /// Whether the sinks also remove what they have of another log than those that the tenant had.
    pub takes_all: bool,
}

/// The events that a purge would lose, since they were not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unpublished {
    /// The lag of the sink that is furthest behind, and the DELETE_ALLs that are not expanded yet.
    pub pending: u64,
    /// The events that are parked.
    pub parked: u64,
}

impl Unpublished {
    /// Counts what sinks have not reached of a log: those that the store knows, and `others`.
    pub(super) fn of(
        log: &TenantLog,
        incarnations: &Incarnations,
        (stands, others): (&[Stand], &[Follower]),
        (expansions, parked): (u64, u64),
    ) -> Self {
        let start = incarnations.iter().next().map_or(0, |first| first.from.back(1).number());
        let passed = |cursor| log.passed_by(cursor).number().max(start);
        let is_unknown = |it: &&Follower| stands.iter().all(|(follower, _)| follower != *it);
        let others = others.iter().filter(is_unknown).map(|_| None);
        let cursors = stands.iter().map(|(_, cursor)| *cursor).chain(others);
        let pending = cursors.map(|it| log.head.number().saturating_sub(passed(it)));
        Self { pending: pending.max().unwrap_or_default() + expansions, parked }
    }

    /// Returns whether nothing would be lost.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Whether a purge has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeStart {
    /// It has begun.
    Begun,
    /// One that was under way takes all that the sinks have from now on.
    Widened,
    /// Nothing was changed: the tenant has no log, and no purge that could take more.
    NoLog,
    /// Nothing was changed: events would be lost.
    Loses(Unpublished),
}

/// The purges.
#[async_trait]
pub trait Purges: Send + Sync {
    /// Begins the purge of a tenant that has a log, enabled or not: from then on it has none.
    /// Refused if a sink has not passed all events, or any of them is parked: one that the store
    /// knows, or one of `published_by`. `None` purges nevertheless; if a purge is under way, it
    /// then takes all that the sinks have.
    async fn begin_purge(
        &self,
        tenant: &TenantId,
        at: Time,
        published_by: Option<&[Follower]>,
        by: Option<&TrailEntry>,
    ) -> Result<PurgeStart, Error>;

    /// Returns the purges that are under way, oldest first.
    async fn purges(&self) -> Result<Vec<Purge>, Error>;

    /// Returns whether a tenant is being purged, or was and has not come back.
    async fn was_purged(&self, tenant: &TenantId) -> Result<bool, Error>;

    /// Notes under a lane's lease that a sink publishes nothing of the log any more and has
    /// forgotten it, and removes its checkpoint. Nothing is noted of a purge that has ended.
    async fn pass_purge(
        &self,
        lease: &Lease,
        follower: &Follower,
        purge: &Purge,
    ) -> Result<LeaseCheck, Error>;

    /// Notes that a sink that has passed a purge has nothing of the tenant any more. Nothing is
    /// noted of a purge that has ended.
    async fn note_removed(&self, follower: &Follower, purge: &Purge) -> Result<(), Error>;

    /// Removes at most `max` rows of the tenant: events, ids, parked scopes, replays, erasures,
    /// subscriptions. Returns whether any was left; not if the purge has ended.
    async fn purge_step(&self, purge: &Purge, max: usize) -> Result<bool, Error>;

    /// Removes what the steps leave, and ends the purge. The head's number stays, and so do the
    /// tenant's jobs. Nothing happens if the purge has ended. Returns whether it has: not as long
    /// as a sink that has passed it may have something of the tenant.
    async fn end_purge(&self, purge: &Purge, at: Time) -> Result<bool, Error>;
}

/// Makes a purge of a row, which names one sink that has passed it, or none.
pub(super) fn purge(row: &(impl Columns + ?Sized)) -> Result<Purge, Error> {
    let passed =
        if row.text_if_any("follower")?.is_some() { vec![row.follower()?] } else { Vec::new() };
    let has_removed = row.integer_if_any("removed")?.is_some_and(|it| it != 0);
    Ok(Purge {
        tenant: row.tenant()?,
        log_id: row.log_id()?,
        lane: row.lane()?,
        started: Time::from_ms(row.integer("started_ms")?),
        takes_all: row.integer("takes_all")? != 0,
        removed: if has_removed { passed.clone() } else { Vec::new() },
        passed,
    })
}

/// Joins neighbouring rows of one tenant, each of which names one sink.
pub(super) fn together(rows: Vec<Purge>) -> Vec<Purge> {
    let mut purges: Vec<Purge> = Vec::new();
    for purge in rows {
        match purges.last_mut().filter(|last| last.tenant == purge.tenant) {
            Some(last) => {
                last.passed.extend(purge.passed);
                last.removed.extend(purge.removed);
            }
            None => purges.push(purge),
        }
    }
    purges
}
