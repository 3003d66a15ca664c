//! The tally: what became of all events, counted in one snapshot.
//!
//! Asked by `parking`. Heads, the relay's cursors and what is parked are a row for each tenant or
//! less; of the logs only those events are looked at that the relay comes to next.

use std::collections::HashMap;
use std::time::Duration;

use ::mongodb::ClientSession;
use ::mongodb::bson::{Document, doc};

use super::collections::{Collections, Rows};
use super::{many, rows};
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::tally::{Stays, Tally};
use crate::store::{Error, Head};

/// Events that are asked for at once.
const NEXT_MAX: usize = 1_000;

/// Counts, in a session that reads one snapshot.
pub(super) async fn tally(
    collections: &Collections,
    session: &mut ClientSession,
) -> Result<Tally, Error> {
    let heads = many::aggregate(&collections.heads, vec![], session).await?;
    let heads = heads.iter().map(|row| rows::head(row)).collect::<Result<Vec<_>, _>>()?;
    let relay = vec![doc! { "$match": { "_id.follower": "relay" } }];
    let mut cursors = HashMap::new();
    for row in many::aggregate(&collections.cursors, relay, session).await? {
        let tenant = rows::noun(rows::document(&row, "_id")?, "tenant", TenantId::parse)?;
        cursors.insert(tenant, rows::cursor(&row)?);
    }
    let passed = |head: &Head| {
        let cursor = cursors.get(&head.tenant).filter(|cursor| cursor.log_id == head.log_id);
        cursor.map_or(Position::START, |cursor| cursor.position)
    };
    let sum = |position: fn(Position) -> u64, of: &dyn Fn(&Head) -> Position| {
        heads.iter().map(|head| position(of(head))).sum::<u64>()
    };
    let pending = heads.iter().filter(|head| head.position > passed(head));
    let next: Vec<_> = pending.map(|head| rows::place(&head.tenant, passed(head).next())).collect();
    let oldest = oldest(&collections.events, &next, session).await?;
    let stays = stays(&collections.parked, session).await?;
    Ok(Tally::new(
        sum(Position::number, &|head| head.position),
        sum(Position::number, &passed),
        stays,
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
        for row in many::aggregate(events, pipeline, session).await? {
            let waits_ms = u64::try_from(rows::number(&row, "waits_ms")?).unwrap_or_default();
            longest = longest.max(Duration::from_millis(waits_ms));
        }
    }
    Ok(longest)
}

async fn stays(parked: &Rows, session: &mut ClientSession) -> Result<Stays, Error> {
    let group =
        doc! { "_id": "$state", "events": { "$sum": "$events" }, "scopes": { "$sum": 1_i64 } };
    let mut stays = Stays::default();
    for row in many::aggregate(parked, vec![doc! { "$group": group }], session).await? {
        let count = |name| rows::number(&row, name).map(i64::unsigned_abs);
        match rows::text(&row, "_id")? {
            "parked" | "releasing" => {
                stays.parked += count("events")?;
                stays.scopes += count("scopes")?;
            }
            "superseded" => stays.superseded = count("events")?,
            "discarded" => stays.discarded = count("events")?,
            _ => {}
        }
    }
    Ok(stays)
}
