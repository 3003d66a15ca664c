//! The port's `Parking` on SQLite.
//!
//! Lanes write here under their leases, and operators' requests to release or discard a scope come
//! here. Lanes read it, and so do requests for what is published.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, cursors, rows, trail, transition};
use crate::domain::cursor::Cursor;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::domain::transition::Transition;
use crate::store::columns::Columns;
use crate::store::transitions::{self, LastNumbers};
use crate::store::{Error, EventCounts, Lease, LeaseCheck, LogLedger, Parking};

#[async_trait]
impl Parking for Sqlite {
    async fn parked(&self, tenant: &TenantId, follower: &Follower) -> Result<Vec<Parked>, Error> {
        let (tenant, follower) = (tenant.clone(), follower.clone());
        self.readers.read(move |reading| find(reading, &tenant, &follower)).await
    }

    async fn relayed(
        &self,
        tenant: &TenantId,
        from: Position,
    ) -> Result<(Option<Cursor>, Vec<Parked>), Error> {
        let tenant = tenant.clone();
        self.readers
            .read(move |reading| {
                let relay = Follower::relay();
                let cursor = cursors::find(reading, &tenant, &relay)?;
                if cursor.is_none_or(|cursor| cursor.position < from) {
                    return Ok((cursor, Vec::new()));
                }
                Ok((cursor, find(reading, &tenant, &relay)?))
            })
            .await
    }

    async fn parked_lane(&self, lane: Lane, follower: &Follower) -> Result<Vec<Parked>, Error> {
        let follower = follower.clone();
        self.readers
            .read(move |reading| {
                let of = params![lane.number(), follower.as_str()];
                rows::find(reading, sql!("sqlite/parked_find_lane.sql"), of, |r| r.parked())
            })
            .await
    }

    async fn parking_ledgers(
        &self,
        lane: Lane,
        follower: &Follower,
    ) -> Result<Vec<LogLedger>, Error> {
        let follower = follower.clone();
        self.readers
            .read(move |reading| {
                let of = params![lane.number(), follower.as_str()];
                rows::find(reading, sql!("sqlite/parked_ledger_list.sql"), of, |r| r.ledger())
            })
            .await
    }

    async fn write_transitions(
        &self,
        lease: &Lease,
        follower: &Follower,
        transitions: &[Transition],
    ) -> Result<LeaseCheck, Error> {
        let (lease, follower) = (*lease, follower.clone());
        let (transitions, clock) = (transitions.to_vec(), self.clock.clone());
        self.writer
            .write(move |writing| {
                if is_lost(writing, &lease)? {
                    return Ok(LeaseCheck::Lost);
                }
                check_numbers(writing, &follower, transitions::last(&transitions))?;
                let now = clock.now().as_ms();
                for transition in &transitions {
                    let changed = transition::write(writing, &follower, transition, now)?;
                    transitions::ensure_one(transition, changed as u64)?;
                }
                Ok(LeaseCheck::Held)
            })
            .await
    }

    async fn request(
        &self,
        tenant: &TenantId,
        follower: &Follower,
        event_id: EventId,
        (request, reason): (Request, Option<&str>),
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let (tenant, follower, reason) =
            (tenant.clone(), follower.clone(), reason.map(str::to_owned));
        let (by, clock) = (by.cloned(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let request = params![
                    request.as_str(),
                    reason,
                    tenant.as_str(),
                    follower.as_str(),
                    event_id.as_bytes(),
                ];
                let changed =
                    rows::change(writing, sql!("sqlite/parked_request.sql"), request)? == 1;
                trail::note(writing, clock.now(), by.as_ref().filter(|_| changed))?;
                Ok(changed)
            })
            .await
    }

    async fn drop_resolved(&self, before: Time, max: usize) -> Result<u64, Error> {
        let old = [before.as_ms(), i64::try_from(max).unwrap_or(i64::MAX)];
        let drop = sql!("sqlite/parked_drop_resolved.sql");
        self.writer.write(move |writing| Ok(rows::change(writing, drop, old)? as u64)).await
    }

    async fn event_counts(&self) -> Result<EventCounts, Error> {
        self.readers
            .read(|reading| {
                rows::get(reading, sql!("sqlite/event_count.sql"), [], |row| row.event_counts())
            })
            .await
    }
}

fn find(
    reading: &Connection,
    tenant: &TenantId,
    follower: &Follower,
) -> Result<Vec<Parked>, Error> {
    let of = params![tenant.as_str(), follower.as_str()];
    rows::find(reading, sql!("sqlite/parked_find.sql"), of, |row| row.parked())
}

/// Returns whether the lane was taken since, or released.
pub(super) fn is_lost(writing: &Connection, lease: &Lease) -> Result<bool, Error> {
    let of = params![lease.lane.number(), lease.term.cast_signed()];
    Ok(rows::find_one(writing, sql!("sqlite/lease_find.sql"), of, |_| Ok(()))?.is_none())
}

/// Refuses transitions if the store lacks the one before them.
fn check_numbers(
    writing: &Connection,
    follower: &Follower,
    numbers: LastNumbers,
) -> Result<(), Error> {
    for ((tenant, log_id), number) in numbers {
        let of = params![tenant.as_str(), follower.as_str(), log_id.to_string()];
        let find = sql!("sqlite/parked_ledger_find.sql");
        let stored = rows::get(writing, find, of, |row| row.transition())?;
        transitions::follows(&tenant, stored, number)?;
    }
    Ok(())
}
