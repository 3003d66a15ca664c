//! Reads of the logs: the events after a position, an event by its id, and the logs that have
//! grown.
//!
//! Fed through the port by those who follow; feeds `store::read` with rows. A call sees one state
//! of the file and keeps nothing open after it. Positions are committed in their order, so the
//! head that a call sees tells that every position below it is there.

use std::ops::ControlFlow;

use rusqlite::{Connection, Row, params};

use super::rows;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::store::columns::Columns;
use crate::store::read::{self, Fetch, FetchMax, Read, Step};
use crate::store::{ChangeToken, Changed, Error, Head, Scan, Slice, Start};

/// Reads the events after each start, as far as the budget allows.
pub(super) fn read(
    reading: &Connection,
    from: &[(TenantId, Start)],
    scan: &Scan,
) -> Result<Vec<Slice>, Error> {
    let mut read = Read::new(from, scan, heads(reading, from)?, FetchMax::Stream);
    while let Some(step) = read.step() {
        match step {
            Step::Find(tenant, time) => {
                let at = params![tenant.as_str(), time.as_ms()];
                let find = sql!("sqlite/position_find.sql");
                read.found(rows::find_one(reading, find, at, |row| row.position())?);
            }
            Step::Fetch(fetch) => {
                fetch_each(reading, &fetch, |row| {
                    Ok(read.push(row.envelope(fetch.tenant, fetch.log_id)?))
                })?;
            }
        }
    }
    Ok(read.slices())
}

/// Returns the event with this id.
pub(super) fn find(
    reading: &Connection,
    tenant: &TenantId,
    event_id: EventId,
) -> Result<Option<Envelope>, Error> {
    let asked = params![tenant.as_str(), event_id.as_bytes()];
    rows::find_one(reading, sql!("sqlite/event_find.sql"), asked, |row| {
        row.envelope(tenant, row.log_id()?)
    })
}

/// Returns the heads of a lane that have changed since a token.
pub(super) fn changed_since(
    reading: &Connection,
    lane: Lane,
    since: ChangeToken,
) -> Result<Changed, Error> {
    let mut token = since;
    let heads = rows::find(
        reading,
        sql!("sqlite/head_changed.sql"),
        params![lane.number(), since.at],
        |row| {
            token = token.max(ChangeToken::new(row.integer("version")?));
            row.head()
        },
    )?;
    Ok(Changed { heads, token })
}

fn heads(reading: &Connection, from: &[(TenantId, Start)]) -> Result<Vec<Head>, Error> {
    let mut heads = Vec::new();
    for tenant in read::tenants(from) {
        let find = sql!("sqlite/head_find.sql");
        heads.extend(rows::find_one(reading, find, [tenant.as_str()], |row| row.head())?);
    }
    Ok(heads)
}

/// Looks at the rows of a log, until `look` breaks.
fn fetch_each(
    reading: &Connection,
    fetch: &Fetch,
    look: impl FnMut(&Row) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let (tenant, after) = (fetch.tenant.as_str(), fetch.after.as_column());
    let rows_max = i64::try_from(fetch.rows).unwrap_or(i64::MAX);
    match fetch.key {
        Some(key) => {
            let of_key = params![tenant, key.as_str(), after, rows_max];
            rows::each(reading, sql!("sqlite/event_read_key.sql"), of_key, look)
        }
        None => {
            let of_log = params![tenant, after, rows_max];
            rows::each(reading, sql!("sqlite/event_read.sql"), of_log, look)
        }
    }
    .map(drop)
}
