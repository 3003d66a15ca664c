//! The event counts and the lag of a follower, each counted in one snapshot.
//!
//! `parking` and `cursors` ask here. Heads, a follower's cursors and parked scopes are at most a
//! few rows for each tenant; of the logs, only the events that the follower will reach next are
//! read.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ::mongodb::ClientSession;
use ::mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc};

use super::collections::Collections;
use super::rows::Rows;
use super::{bulk, rows};
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::store::columns::Columns;
use crate::store::event_counts::{EventCounts, ParkedCounts};
use crate::store::{Error, Head, Lag};

/// The most events that are asked for at once.
const NEXT_MAX: usize = 1_000;

/// Counts the events, in a session that reads one snapshot.
pub(super) async fn event_counts(
    collections: &Collections,
    session: &mut ClientSession,
) -> Result<EventCounts, Error> {
    let logs = logs(collections, &Follower::relay(), session).await?;
    let parked_counts = parked_counts(&collections.parked, session).await?;
    let head = logs.iter().map(|log| log.head.position.number()).sum();
    let relayed_to = logs.iter().map(|log| log.passed.number()).sum();
    Ok(EventCounts::new(head, relayed_to, parked_counts))
}

/// Counts a follower's lag, in a session that reads one snapshot.
pub(super) async fn lag(
    collections: &Collections,
    follower: &Follower,
    session: &mut ClientSession,
) -> Result<Lag, Error> {
    let logs = logs(collections, follower, session).await?;
    let oldest = oldest(collections, &logs, session).await?;
    let after = |log: &Log| log.head.position.number().saturating_sub(log.passed.number());
    Ok(Lag { events: logs.iter().map(after).sum(), oldest })
}

/// A log, and how far a follower has come in it.
struct Log {
    head: Head,
    passed: Position,
}

/// All logs, each with the position that a follower has passed.
async fn logs(
    collections: &Collections,
    follower: &Follower,
    session: &mut ClientSession,
) -> Result<Vec<Log>, Error> {
    let heads = bulk::aggregate(collections.heads.aggregate(vec![]), session).await?;
    let of = vec![doc! { "$match": { "_id.follower": follower.as_str() } }];
    let mut cursors = HashMap::new();
    for row in bulk::aggregate(collections.cursors.aggregate(of), session).await? {
        cursors.insert(row.tenant()?, row.cursor()?);
    }
    let first = vec![doc! { "$match": { "_id.number": 1_i64 } }];
    let mut starts = HashMap::new();
    for row in bulk::aggregate(collections.incarnations.aggregate(first), session).await? {
        starts.insert(row.tenant()?, row.incarnation()?.from.back(1));
    }
    let log = |row: &RawDocument| {
        let head = row.head()?;
        let cursor = cursors.get(&head.tenant).filter(|cursor| cursor.log_id == head.log_id);
        let start = starts.get(&head.tenant).copied().unwrap_or_default();
        let passed = cursor.map_or(start, |cursor| cursor.position.max(start));
        Ok(Log { head, passed })
    };
    heads.iter().map(|row| log(row)).collect()
}

/// Returns the age of the oldest event that the follower of these logs will reach next.
async fn oldest(
    collections: &Collections,
    logs: &[Log],
    session: &mut ClientSession,
) -> Result<Duration, Error> {
    let pending: Vec<_> = logs.iter().filter(|log| log.head.position > log.passed).collect();
    let mut longest = Duration::ZERO;
    for some in pending.chunks(NEXT_MAX) {
        let next = |log: &&Log| rows::place(&log.head.tenant, log.passed.next());
        let places: Vec<_> = some.iter().map(next).collect();
        let mut found = HashSet::new();
        for row in
            waiting(collections, vec![doc! { "$match": { "_id": { "$in": places } } }], session)
                .await?
        {
            found.insert(row.tenant()?);
            longest = longest.max(waits(&row)?);
        }
        // Where the next event was removed, a later one is the oldest.
        for log in some.iter().filter(|log| !found.contains(&log.head.tenant)) {
            let (tenant, last) = (&log.head.tenant, Position::from_column(i64::MAX));
            let places =
                doc! { "$gt": rows::place(tenant, log.passed), "$lte": rows::place(tenant, last) };
            let first = vec![
                doc! { "$match": { "_id": places } },
                doc! { "$sort": { "_id": 1 } },
                doc! { "$limit": 1 },
            ];
            for row in waiting(collections, first, session).await? {
                longest = longest.max(waits(&row)?);
            }
        }
    }
    Ok(longest)
}

/// Returns the events that a pipeline finds, each with its age.
async fn waiting(
    collections: &Collections,
    mut pipeline: Vec<Document>,
    session: &mut ClientSession,
) -> Result<Vec<RawDocumentBuf>, Error> {
    let waits = doc! { "$subtract": [{ "$toLong": "$$NOW" }, "$time_ms"] };
    pipeline.push(doc! { "$project": { "waits_ms": waits } });
    bulk::aggregate(collections.events.aggregate(pipeline), session).await
}

fn waits(row: &RawDocument) -> Result<Duration, Error> {
    Ok(Duration::from_millis(u64::try_from(row.integer("waits_ms")?).unwrap_or_default()))
}

async fn parked_counts(parked: &Rows, session: &mut ClientSession) -> Result<ParkedCounts, Error> {
    // The events are the relay's, the scopes any sink's.
    let is_relay = doc! { "$eq": ["$_id.follower", "relay"] };
    let events = doc! { "$cond": [is_relay, "$events", 0_i64] };
    let group = doc! { "_id": "$state", "events": { "$sum": events }, "scopes": { "$sum": 1_i64 } };
    let mut parked_counts = ParkedCounts::default();
    let counts = parked.aggregate(vec![doc! { "$group": group }]);
    for row in bulk::aggregate(counts, session).await? {
        match row.text("_id")? {
            "parked" | "releasing" => {
                parked_counts.parked += row.count("events")?;
                parked_counts.scopes += row.count("scopes")?;
            }
            "superseded" => parked_counts.superseded = row.count("events")?,
            "discarded" => parked_counts.discarded = row.count("events")?,
            _ => {}
        }
    }
    Ok(parked_counts)
}
