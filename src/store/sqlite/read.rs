//! Reading the logs: behind a position, by an event's id, and whose have grown.
//!
//! Fed through the port by those who follow; feeds `gather` with rows. A call is one transaction
//! on one reader and keeps nothing open behind it. Positions are committed in their order, so the
//! head that a call sees tells that every position below it is there.

use std::collections::{BTreeSet, HashMap};

use futures_util::TryStreamExt;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnection;

use super::fault::fault;
use super::rows::{self, Statement};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::gather::{Gathering, Room};
use crate::store::sql::{self, Columns};
use crate::store::{Changed, Error, Head, Mark, Scan, Slice};

/// Reads on behind each position, as far as there is room.
pub(super) async fn read(
    readers: &SqlitePool,
    from: &[(TenantId, Position)],
    scan: &Scan,
) -> Result<Vec<Slice>, Error> {
    let mut reading = readers.begin().await.map_err(fault)?;
    let heads = heads(&mut reading, from).await?;
    let (mut slices, mut room) = (Vec::new(), Room::new(scan));
    for (tenant, after) in from {
        let Some(head) = heads.get(tenant) else { continue };
        if room.is_full() {
            break;
        }
        let after = start(&mut reading, head, *after, scan.from).await?;
        slices.push(slice(&mut reading, head, after, scan, &mut room).await?);
    }
    reading.rollback().await.map_err(fault)?;
    Ok(slices)
}

/// The event of that id.
pub(super) async fn find(
    readers: &SqlitePool,
    tenant: &TenantId,
    event_id: EventId,
) -> Result<Option<Envelope>, Error> {
    let find =
        sqlx::query(sql!("sqlite/event_find.sql")).bind(tenant.as_str()).bind(&event_id.as_bytes()[..]);
    let row = find.fetch_optional(readers).await.map_err(fault)?;
    row.map(|row| sql::envelope(&row, tenant, sql::log_id(&row)?)).transpose()
}

/// The heads of a lane that have changed since.
pub(super) async fn changed(readers: &SqlitePool, lane: Lane, since: Mark) -> Result<Changed, Error> {
    let changed = sqlx::query(sql!("sqlite/head_changed.sql")).bind(lane.number()).bind(since.at);
    let (mut heads, mut mark) = (Vec::new(), since);
    for row in changed.fetch_all(readers).await.map_err(fault)? {
        heads.push(sql::head(&row)?);
        mark = mark.max(Mark::new(row.integer("mark")?));
    }
    Ok(Changed { heads, mark })
}

async fn heads(
    connection: &mut SqliteConnection,
    from: &[(TenantId, Position)],
) -> Result<HashMap<TenantId, Head>, Error> {
    let tenants: BTreeSet<_> = from.iter().map(|(tenant, _)| tenant).collect();
    let tenants = Vec::from_iter(tenants);
    let found = rows::of_tenants(connection, sql!("sqlite/head_find.sql"), &tenants).await?;
    found.iter().map(|row| Ok((sql::tenant(row)?, sql::head(row)?))).collect()
}

/// Behind what to read: what lies before the time is passed over.
async fn start(
    connection: &mut SqliteConnection,
    head: &Head,
    after: Position,
    from: Option<Time>,
) -> Result<Position, Error> {
    let Some(from) = from.filter(|_| after < head.position) else { return Ok(after) };
    let first = sqlx::query(sql!("sqlite/position_find.sql")).bind(head.tenant.as_str()).bind(from.as_ms());
    let before = match first.fetch_optional(connection).await.map_err(fault)? {
        Some(row) => sql::position(&row)?.back(1),
        None => head.position,
    };
    Ok(after.max(before))
}

async fn slice(
    connection: &mut SqliteConnection,
    head: &Head,
    after: Position,
    scan: &Scan,
    room: &mut Room<'_>,
) -> Result<Slice, Error> {
    let mut gathering = Gathering::new(head, after);
    if after < head.position {
        let mut rows = statement(head, after, scan).fetch(connection);
        while let Some(row) = rows.try_next().await.map_err(fault)? {
            let event = sql::envelope(&row, &head.tenant, head.log_id)?;
            if gathering.look(event, room).is_break() {
                return Ok(gathering.enough());
            }
        }
    }
    Ok(gathering.exhausted())
}

/// One key has an index of its own; every other filter looks at all rows.
fn statement(head: &Head, after: Position, scan: &Scan) -> Statement {
    let (tenant, after) = (head.tenant.as_str(), after.as_column());
    let rows_max = i64::try_from(scan.rows_max.max(1)).unwrap_or(i64::MAX);
    match scan.filter.keys.as_slice() {
        [key] => {
            let statement = sqlx::query(sql!("sqlite/event_read_key.sql"));
            statement.bind(tenant).bind(key.as_str()).bind(after).bind(rows_max)
        }
        _ => sqlx::query(sql!("sqlite/event_read.sql")).bind(tenant).bind(after).bind(rows_max),
    }
}
