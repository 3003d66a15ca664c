//! The port's `Parking`: what stays behind.
//!
//! Fed by lanes, under their leases, and by whoever wants something parked to be released or
//! discarded; feeds lanes, and everyone who asks what is published.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{Sqlite, cursors, rows};
use crate::domain::event::EventId;
use crate::domain::follower::{Cursor, Follower};
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::{Error, EventCounts, Lease, LeaseCheck, LogLedger, Parking, sql, transitions};

#[async_trait]
impl Parking for Sqlite {
    async fn parked(&self, tenant: &TenantId) -> Result<Vec<Parked>, Error> {
        let tenant = tenant.clone();
        self.readers
            .read(move |reading| {
                rows::find(reading, sql!("sqlite/parked_find.sql"), [tenant.as_str()], |r| {
                    sql::parked(r)
                })
            })
            .await
    }

    async fn relayed(
        &self,
        tenant: &TenantId,
        from: Position,
    ) -> Result<(Option<Cursor>, Vec<Parked>), Error> {
        let tenant = tenant.clone();
        self.readers
            .read(move |reading| {
                let cursor = cursors::find(reading, &tenant, &Follower::relay())?;
                if cursor.is_none_or(|cursor| cursor.position < from) {
                    return Ok((cursor, Vec::new()));
                }
                let find = sql!("sqlite/parked_find.sql");
                Ok((cursor, rows::find(reading, find, [tenant.as_str()], |r| sql::parked(r))?))
            })
            .await
    }

    async fn parked_lane(&self, lane: Lane) -> Result<Vec<Parked>, Error> {
        self.readers
            .read(move |reading| {
                rows::find(reading, sql!("sqlite/parked_find_lane.sql"), [lane.number()], |r| {
                    sql::parked(r)
                })
            })
            .await
    }

    async fn parking_ledgers(&self, lane: Lane) -> Result<Vec<LogLedger>, Error> {
        self.readers
            .read(move |reading| {
                let list = sql!("sqlite/parked_ledger_list.sql");
                rows::find(reading, list, [lane.number()], |row| sql::ledger(row))
            })
            .await
    }

    async fn park(&self, lease: &Lease, parked: &[Parked]) -> Result<LeaseCheck, Error> {
        let (Lease { lane, term }, parked, clock) = (*lease, parked.to_vec(), self.clock.clone());
        self.writer
            .write(move |writing| {
                let of = params![lane.number(), term.cast_signed()];
                if rows::find_one(writing, sql!("sqlite/lease_find.sql"), of, |_| Ok(()))?.is_none()
                {
                    return Ok(LeaseCheck::Lost);
                }
                for ((tenant, log_id), number) in transitions::last(&parked) {
                    let of = params![tenant.as_str(), log_id.to_string()];
                    let find = sql!("sqlite/parked_ledger_find.sql");
                    let stored = rows::get(writing, find, of, |row| sql::transition(row))?;
                    transitions::follows(&tenant, stored, number)?;
                }
                let now = clock.now().as_ms();
                parked.iter().try_for_each(|parked| write(writing, parked, now))?;
                Ok(LeaseCheck::Held)
            })
            .await
    }

    async fn request(
        &self,
        tenant: &TenantId,
        event_id: EventId,
        request: Request,
        reason: Option<&str>,
    ) -> Result<bool, Error> {
        let (tenant, reason) = (tenant.clone(), reason.map(str::to_owned));
        self.writer
            .write(move |writing| {
                let ask = params![request.as_str(), reason, tenant.as_str(), event_id.as_bytes()];
                Ok(rows::change(writing, sql!("sqlite/parked_request.sql"), ask)? == 1)
            })
            .await
    }

    async fn event_counts(&self) -> Result<EventCounts, Error> {
        let now = self.clock.now();
        self.readers
            .read(move |reading| {
                rows::get(reading, sql!("sqlite/event_count.sql"), [], |row| {
                    sql::event_counts(row, now)
                })
            })
            .await
    }
}

fn write(writing: &Connection, parked: &Parked, now_ms: i64) -> Result<(), Error> {
    let columns = params![
        parked.tenant.as_str(),
        parked.event_id.as_bytes(),
        parked.log_id.to_string(),
        parked.position.as_column(),
        parked.topic.as_str(),
        parked.key.as_ref().map(Key::as_str),
        parked.cause,
        now_ms,
        parked.state.as_str(),
        parked.state.ended().map(Position::as_column),
        parked.released_to.as_column(),
        parked.counted_to.as_column(),
        parked.events.cast_signed(),
        parked.ledger.cast_signed(),
    ];
    rows::write(writing, sql!("sqlite/parked_write.sql"), columns)
}
