//! The event counts: what became of all events, counted in one snapshot.
//!
//! Asked by `parking`. Heads, the relay's cursors and what is parked are a row for each tenant or
//! less; of the logs only those events are looked at that the relay comes to next.

use std::collections::HashMap;
use std::time::Duration;

use ::mongodb::ClientSession;
use ::mongodb::bson::{Document, doc};

use super::collections::Collections;
use super::rows::Rows;
use super::{bulk, rows};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::event_counts::{EventCounts, ParkedCounts};
use crate::store::{Error, Head};

/// Events that are asked for at once.
const NEXT_MAX: usize = 1_000;

/// Counts, in a session that reads one snapshot.
pub(super) async fn event_counts(
    collections: &Collections,
    session: &mut ClientSession,
) -> Result<EventCounts, Error> {
    let heads = bulk::aggregate(&collections.heads, vec![], session).await?;
    let heads = heads.iter().map(|row| rows::head(row)).collect::<Result<Vec<_>, _>>()?;
    let relay = vec![doc! { "$match": { "_id.follower": "relay" } }];
    let mut cursors = HashMap::new();
    for row in bulk::aggregate(&collections.cursors, relay, session).await? {
        let tenant = rows::noun(rows::document(&row, "_id")?, "tenant", TenantId::parse)?;
        cursors.insert(tenant, rows::cursor(&row)?);
    }
    let relayed_to = |head: &Head| {
        let cursor = cursors.get(&head.tenant).filter(|cursor| cursor.log_id == head.log_id);
        cursor.map_or(Position::START, |cursor| cursor.position)
    };
    let sum = |position: fn(Position) -> u64, of: &dyn Fn(&Head) -> Position| {
        heads.iter().map(|head| position(of(head))).sum::<u64>()
    };
    let pending = heads.iter().filter(|head| head.position > relayed_to(head));
    let next: Vec<_> =
        pending.map(|head| rows::place(&head.tenant, relayed_to(head).next())).collect();
    let oldest = oldest(&collections.events, &next, session).await?;
    let parked_counts = parked_counts(&collections.parked, session).await?;
    Ok(EventCounts::new(
        sum(Position::number, &|head| head.position),
        sum(Position::number, &relayed_to),
        parked_counts,
        oldest,
    ))
}

/// How long the oldest of these events has waited.
async fn oldest(
    events: &Rows,
    places: &[Document],
    session: &mut ClientSession,
) -> Result<Duration, Error> {
    let mut longest = Duration::ZERO;
    for places in places.chunks(NEXT_MAX) {
        let waits = doc! { "$subtract": [{ "$toLong": "$$NOW" }, "$time_ms"] };
        let pipeline = vec![
            doc! { "$match": { "_id": { "$in": places } } },
            doc! { "$group": { "_id": null, "waits_ms": { "$max": waits } } },
        ];
        for row in bulk::aggregate(events, pipeline, session).await? {
            let waits_ms = u64::try_from(rows::number(&row, "waits_ms")?).unwrap_or_default();
            longest = longest.max(Duration::from_millis(waits_ms));
        }
    }
    Ok(longest)
}

async fn parked_counts(parked: &Rows, session: &mut ClientSession) -> Result<ParkedCounts, Error> {
    let relay = doc! { "_id.follower": "relay" };
    let group =
        doc! { "_id": "$state", "events": { "$sum": "$events" }, "scopes": { "$sum": 1_i64 } };
    let mut parked_counts = ParkedCounts::default();
    for row in
        bulk::aggregate(parked, vec![doc! { "$match": relay }, doc! { "$group": group }], session)
            .await?
    {
        let count = |name| rows::number(&row, name).map(i64::unsigned_abs);
        match rows::text(&row, "_id")? {
            "parked" | "releasing" => {
                parked_counts.parked += count("events")?;
                parked_counts.scopes += count("scopes")?;
            }
            "superseded" => parked_counts.superseded = count("events")?,
            "discarded" => parked_counts.discarded = count("events")?,
            _ => {}
        }
    }
    Ok(parked_counts)
}
