//! Transitions of parked scopes, each by a statement of its own.
//!
//! `parking` calls it in the transaction that checks the lease and the ledger's number.

use super::cursors;
use super::rows::Statement;
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::transition::{Change, Transition};

/// Returns the statement that writes a transition: it changes one row, if the scope exists.
pub(super) fn statement(follower: &Follower, transition: &Transition) -> Statement {
    let Transition { tenant, log_id, event_id, number, change } = transition;
    let scope = |sql: &'static str| {
        let of = cursors::whose(sqlx::query(sql), tenant, follower);
        of.bind(event_id.to_string()).bind(log_id.to_string())
    };
    let numbered = |sql| scope(sql).bind(number.cast_signed());
    match change {
        Change::Park { position, topic, key, cause } => {
            numbered(sql!("postgres/parked_insert.sql"))
                .bind(position.as_column())
                .bind(topic.to_string())
                .bind(key.as_ref().map(Key::to_string))
                .bind(cause.clone())
        }
        Change::ParkAgain { cause, released_to } => {
            numbered(sql!("postgres/parked_park_again.sql"))
                .bind(cause.clone())
                .bind(released_to.as_column())
        }
        Change::StopRelease => numbered(sql!("postgres/parked_stop_release.sql")),
        Change::StartRelease => numbered(sql!("postgres/parked_start_release.sql")),
        Change::Count { counted_to, events } => scope(sql!("postgres/parked_count.sql"))
            .bind(counted_to.as_column())
            .bind(events.cast_signed()),
        Change::RaiseReleasedTo { released_to, events } => scope(sql!("postgres/parked_raise.sql"))
            .bind(released_to.as_column())
            .bind(events.cast_signed()),
        Change::Resolve { at, events } => numbered(sql!("postgres/parked_resolve.sql"))
            .bind(at.as_column())
            .bind(events.cast_signed()),
        Change::Supersede { at, events } => numbered(sql!("postgres/parked_supersede.sql"))
            .bind(at.as_column())
            .bind(events.cast_signed()),
        Change::Discard { at, events } => numbered(sql!("postgres/parked_discard.sql"))
            .bind(at.as_column())
            .bind(events.cast_signed()),
    }
}
