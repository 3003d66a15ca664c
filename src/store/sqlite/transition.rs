//! Transitions of parked scopes, each by a statement of its own.
//!
//! `parking` calls it in the transaction that checks the lease and the ledger's number.

use rusqlite::{Connection, params};

use super::rows;
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::transition::{Change, Transition};
use crate::store::Error;

/// Writes a transition, and returns the number of rows that it changed: 1 if the scope exists.
pub(super) fn write(
    writing: &Connection,
    follower: &Follower,
    transition: &Transition,
    now_ms: i64,
) -> Result<usize, Error> {
    let Transition { tenant, log_id, event_id, number, change } = transition;
    let (tenant, follower, log_id) = (tenant.as_str(), follower.as_str(), log_id.to_string());
    let (event_id, number) = (event_id.as_bytes(), number.cast_signed());
    match change {
        Change::Park { position, topic, key, cause } => {
            let (position, key) = (position.as_column(), key.as_ref().map(Key::as_str));
            let columns = params![
                tenant,
                follower,
                event_id,
                log_id,
                number,
                position,
                topic.as_str(),
                key,
                cause,
                now_ms
            ];
            rows::change(writing, sql!("sqlite/parked_insert.sql"), columns)
        }
        Change::ParkAgain { cause, released_to } => {
            let released_to = released_to.as_column();
            let columns = params![tenant, follower, event_id, log_id, number, cause, released_to];
            rows::change(writing, sql!("sqlite/parked_park_again.sql"), columns)
        }
        Change::StopRelease => {
            let columns = params![tenant, follower, event_id, log_id, number];
            rows::change(writing, sql!("sqlite/parked_stop_release.sql"), columns)
        }
        Change::StartRelease => {
            let columns = params![tenant, follower, event_id, log_id, number];
            rows::change(writing, sql!("sqlite/parked_start_release.sql"), columns)
        }
        Change::Count { counted_to: to, events }
        | Change::RaiseReleasedTo { released_to: to, events } => {
            let (to, events) = (to.as_column(), events.cast_signed());
            let sql = match change {
                Change::Count { .. } => sql!("sqlite/parked_count.sql"),
                _ => sql!("sqlite/parked_raise.sql"),
            };
            rows::change(writing, sql, params![tenant, follower, event_id, log_id, to, events])
        }
        Change::Resolve { at, events }
        | Change::Supersede { at, events }
        | Change::Discard { at, events } => {
            let (at, events) = (at.as_column(), events.cast_signed());
            let sql = match change {
                Change::Resolve { .. } => sql!("sqlite/parked_resolve.sql"),
                Change::Supersede { .. } => sql!("sqlite/parked_supersede.sql"),
                _ => sql!("sqlite/parked_discard.sql"),
            };
            rows::change(
                writing,
                sql,
                params![tenant, follower, event_id, log_id, number, at, events],
            )
        }
    }
}
