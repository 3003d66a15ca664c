//! Transitions of parked scopes, each by a statement of its own.
//!
//! `parking` calls it in the transaction that checks the lease and the ledger's number.

use ::mongodb::bson::{Document, doc};

use super::collections::Collections;
use super::rows;
use super::transaction::Transaction;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::key::Key;
use crate::domain::tenant::TenantId;
use crate::domain::transition::{Change, Transition};
use crate::store::Lease;
use crate::store::error::TransactionError;

/// Returns the id of a scope's row.
pub(super) fn id(tenant: &TenantId, follower: &Follower, event_id: EventId) -> Document {
    doc! {
        "tenant": tenant.as_str(),
        "follower": follower.as_str(),
        "event_id": rows::uuid(event_id),
    }
}

/// Writes a transition, and returns the number of rows that it changed: 1 if the scope exists.
pub(super) async fn write(
    collections: &Collections,
    lease: &Lease,
    follower: &Follower,
    transition: &Transition,
    session: &mut Transaction<'_>,
) -> Result<u64, TransactionError> {
    let id = id(&transition.tenant, follower, transition.event_id);
    let parks = matches!(transition.change, Change::Park { .. });
    let scope = if parks {
        // No row matches, and a row that exists can't be inserted again.
        doc! { "_id": id, "state": { "$exists": false } }
    } else {
        doc! { "_id": id, "log_id": transition.log_id.to_string() }
    };
    let write =
        collections.parked.update_one(scope, vec![doc! { "$set": fields(transition, lease) }]);
    let written = write.upsert(parks).session(&mut *session).await?;
    Ok(if parks { 1 } else { written.matched_count })
}

/// Returns the fields that a transition sets.
fn fields(transition: &Transition, lease: &Lease) -> Document {
    let number = transition.number.cast_signed();
    match &transition.change {
        Change::Park { position, topic, key, cause } => {
            let before = position.back(1).as_column();
            doc! {
                "lane": i32::from(lease.lane.number()),
                "log_id": transition.log_id.to_string(),
                "position": position.as_column(),
                "topic": { "$literal": topic.as_str() },
                "key": { "$literal": key.as_ref().map(Key::as_str) },
                "cause": { "$literal": cause.as_str() },
                "time_ms": { "$toLong": "$$NOW" },
                "requested": null,
                "state": "parked",
                "ended": null,
                "released_to": before,
                "counted_to": before,
                "events": 0_i64,
                "ledger": number,
            }
        }
        Change::ParkAgain { cause, released_to } => doc! {
            "state": "parked",
            "requested": null,
            "cause": { "$literal": cause.as_str() },
            "released_to": released_to.as_column(),
            "ledger": number,
        },
        Change::StopRelease => doc! { "state": "parked", "requested": null, "ledger": number },
        Change::StartRelease => doc! { "state": "releasing", "requested": null, "ledger": number },
        Change::Count { counted_to, events } => {
            doc! { "counted_to": counted_to.as_column(), "events": events.cast_signed() }
        }
        Change::RaiseReleasedTo { released_to, events } => {
            doc! { "released_to": released_to.as_column(), "events": events.cast_signed() }
        }
        Change::Resolve { at, events } => {
            let mut ended = ended("resolved", at.as_column(), *events, number);
            ended.insert("released_to", at.as_column());
            ended
        }
        Change::Supersede { at, events } => ended("superseded", at.as_column(), *events, number),
        Change::Discard { at, events } => ended("discarded", at.as_column(), *events, number),
    }
}

fn ended(state: &str, at: i64, events: u64, number: i64) -> Document {
    let events = events.cast_signed();
    doc! { "state": state, "requested": null, "ended": at, "events": events, "ledger": number }
}
