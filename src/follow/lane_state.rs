//! The state of a lane since its last takeover: where the sink stands in each of its logs, and what
//! is parked there.
//!
//! The takeover makes it from the sink's cursors; the sources and the lane read it and raise the
//! cursors. A cursor here is committed, and the log had its event when it was verified. After any
//! error the state is dropped with the publisher.

use std::collections::{BTreeMap, HashSet};

use super::FollowDeps;
use super::parking::Parking;
use crate::domain::cursor::Cursor;
use crate::domain::event::EventType;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::health::{Occurrence, SinkPart};
use crate::sink::{KnownCursors, Names, Page};
use crate::store::{ChangeToken, Head, Lease};

/// One tenant's log.
pub(super) struct Log {
    pub(super) log_id: LogId,
    /// The cursor that the sink committed last.
    pub(super) cursor: Option<Cursor>,
    /// The log's last position, as the takeover read it.
    pub(super) head: Position,
}

impl Log {
    /// Returns the position of the sink's cursor.
    pub(super) fn position(&self) -> Position {
        self.cursor.map_or(Position::START, |cursor| cursor.position)
    }
}

/// The logs of a lane.
pub(super) struct Logs {
    pub(super) lane: Lane,
    /// The sink's own follower.
    pub(super) follower: Follower,
    /// The words for the sink.
    pub(super) names: Names,
    /// The sink's cursors, as the takeover read them.
    pub(super) known: KnownCursors,
    /// The change token up to which the heads were read.
    pub(super) token: ChangeToken,
    by_tenant: BTreeMap<TenantId, Log>,
    /// Tenants whose log is not the one that the sink's cursor names.
    stopped: HashSet<TenantId>,
    /// Tenants with a checkpoint in the store, of which the sink may have a cursor.
    begun: HashSet<TenantId>,
}

impl Logs {
    /// Makes the state of a lane without logs.
    pub(super) fn new(
        lane: Lane,
        (follower, names): (Follower, Names),
        known: KnownCursors,
        token: ChangeToken,
    ) -> Self {
        let (by_tenant, stopped, begun) = (BTreeMap::new(), HashSet::new(), HashSet::new());
        Self { lane, follower, names, known, token, by_tenant, stopped, begun }
    }

    /// Returns a tenant's log.
    pub(super) fn get(&self, tenant: &TenantId) -> Option<&Log> {
        self.by_tenant.get(tenant)
    }

    /// Adds a log that is seen for the first time, at the sink's cursor of it. Returns that cursor.
    pub(super) fn insert(&mut self, head: &Head) -> Option<Cursor> {
        let known = self.known.get(&(head.log_id, self.follower.clone()));
        let cursor = known.map(|known| known.cursor);
        let log = Log { log_id: head.log_id, cursor, head: head.position };
        self.by_tenant.insert(head.tenant.clone(), log);
        cursor
    }

    /// Returns the logs that are published, in the order of their tenants.
    pub(super) fn running(&self) -> impl Iterator<Item = (&TenantId, &Log)> {
        self.by_tenant.iter().filter(|(tenant, _)| !self.is_stopped(tenant))
    }

    /// Returns the cursors of the logs that are published.
    pub(super) fn cursors(&self) -> Vec<(TenantId, Cursor)> {
        self.running().filter_map(|(tenant, log)| Some((tenant.clone(), log.cursor?))).collect()
    }

    /// Returns whether the tenant is stopped: nothing of it is published any more.
    pub(super) fn is_stopped(&self, tenant: &TenantId) -> bool {
        self.stopped.contains(tenant)
    }

    /// Notes that the store has a checkpoint of this log.
    pub(super) fn has_begun(&mut self, tenant: &TenantId) {
        self.begun.insert(tenant.clone());
    }

    /// Returns a checkpoint at the start of each log for which this is the first page. It is
    /// written before the page is committed, and tells that the sink may have a cursor.
    pub(super) fn begin(&mut self, page: &Page) -> Vec<(TenantId, Cursor)> {
        let first = page.slices.iter().filter(|slice| self.begun.insert(slice.tenant.clone()));
        first.map(|slice| (slice.tenant.clone(), Cursor::start(slice.cursor.log_id))).collect()
    }
}

/// The position of each tenant's cursor, for spans.
pub(super) fn positions<'c>(
    cursors: impl IntoIterator<Item = (&'c TenantId, &'c Cursor)>,
) -> String {
    let each = cursors.into_iter().map(|(tenant, cursor)| format!("{tenant}={}", cursor.position));
    each.collect::<Vec<_>>().join(" ")
}

/// The whole state of a lane since its last takeover.
pub(super) struct LaneState {
    /// The lease under which the lane was taken over.
    pub(super) lease: Lease,
    pub(super) logs: Logs,
    pub(super) parking: Parking,
    /// The number of pages with an ERASED event that were committed since the takeover. What a
    /// source has read before the last of them may have content that is erased by now.
    pub(super) erasures: u64,
}

impl LaneState {
    /// Notes that the sink committed a page: raises the cursors of the sink's own follower, and the
    /// proved parking.
    pub(super) fn committed(&mut self, page: &Page) {
        self.parking.proved(page);
        let mut events = page.slices.iter().flat_map(|slice| &slice.events);
        self.erasures += u64::from(events.any(|it| it.event_type == EventType::Erased));
        if page.follower != self.logs.follower {
            return;
        }
        for slice in &page.slices {
            if let Some(log) = self.logs.by_tenant.get_mut(&slice.tenant) {
                log.cursor = Some(slice.cursor);
            }
        }
    }

    /// Stops a tenant, so that nothing of it is published any more, and reports it.
    pub(super) fn stop(&mut self, deps: &FollowDeps, tenant: &TenantId, why: &str) {
        let follower = &self.logs.follower;
        let log = SinkPart::Log(tenant.clone()).of(follower);
        if deps.health.degraded_on(self.logs.lane, log, why) == Occurrence::First {
            tracing::error!(%tenant, %follower, "publishing is stopped: {why}");
        }
        self.parking.forget(tenant);
        self.logs.stopped.insert(tenant.clone());
    }
}
