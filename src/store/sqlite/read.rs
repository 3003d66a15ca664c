//! Reading the logs: the events after a position, an event by its id, and the logs that have grown.
//!
//! Fed through the port by those who follow; feeds `slice_builder` with rows. A call sees one state
//! of the file and keeps nothing open after it. Positions are committed in their order, so the
//! head that a call sees tells that every position below it is there.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, Row, params};

use super::rows;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::lane::Lane;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::slice_builder::{ReadBudget, SliceBuilder};
use crate::store::sql::{self, Columns};
use crate::store::{ChangeToken, Changed, Error, Head, Scan, Slice, Start};

/// Reads on after each position, as far as the budget allows.
pub(super) fn read(
    reading: &Connection,
    from: &[(TenantId, Start)],
    scan: &Scan,
) -> Result<Vec<Slice>, Error> {
    let heads = heads(reading, from)?;
    let (mut slices, mut budget) = (Vec::new(), ReadBudget::new(scan));
    for (tenant, begin) in from {
        let Some(head) = heads.get(tenant) else { continue };
        if budget.is_full() {
            break;
        }
        let begin = start(reading, head, *begin, scan.from)?;
        slices.push(slice(reading, head, &begin, scan, &mut budget)?);
    }
    Ok(slices)
}

/// The event of that id.
pub(super) fn find(
    reading: &Connection,
    tenant: &TenantId,
    event_id: EventId,
) -> Result<Option<Envelope>, Error> {
    let asked = params![tenant.as_str(), event_id.as_bytes()];
    rows::find_one(reading, sql!("sqlite/event_find.sql"), asked, |row| {
        sql::envelope(row, tenant, sql::log_id(row)?)
    })
}

/// The heads of a lane that have changed since.
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
            sql::head(row)
        },
    )?;
    Ok(Changed { heads, token })
}

fn heads(
    reading: &Connection,
    from: &[(TenantId, Start)],
) -> Result<HashMap<TenantId, Head>, Error> {
    let mut heads = HashMap::new();
    for tenant in from.iter().map(|(tenant, _)| tenant).collect::<BTreeSet<_>>() {
        let head = rows::find_one(reading, sql!("sqlite/head_find.sql"), [tenant.as_str()], |r| {
            sql::head(r)
        })?;
        heads.extend(head.map(|head| (tenant.clone(), head)));
    }
    Ok(heads)
}

/// The start of a read that passes over the events before a time.
fn start(
    reading: &Connection,
    head: &Head,
    start: Start,
    from: Option<Time>,
) -> Result<Start, Error> {
    let Some(from) = from.filter(|_| start.after < head.position) else { return Ok(start) };
    let asked = params![head.tenant.as_str(), from.as_ms()];
    let first =
        rows::find_one(reading, sql!("sqlite/position_find.sql"), asked, |r| sql::position(r))?;
    Ok(start.no_earlier(first.map_or(head.position, |first| first.back(1))))
}

fn slice(
    reading: &Connection,
    head: &Head,
    start: &Start,
    scan: &Scan,
    budget: &mut ReadBudget<'_>,
) -> Result<Slice, Error> {
    let mut builder = SliceBuilder::new(head, start);
    let Some(after) = builder.fetch_after() else { return Ok(builder.finish_at_head()) };
    let (tenant, after) = (head.tenant.as_str(), after.as_column());
    let rows_max = scan.rows_max.max(1).saturating_add(builder.start_rows());
    let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
    let looks_at_start = builder.start_rows() > 0;
    let look = |row: &Row| Ok(builder.push(sql::envelope(row, &head.tenant, head.log_id)?, budget));
    // One key has an index of its own; every other filter looks at all rows.
    let enough = match scan.filter.keys.as_slice() {
        [key] if !looks_at_start => {
            let asked = params![tenant, key.as_str(), after, rows_max];
            rows::each(reading, sql!("sqlite/event_read_key.sql"), asked, look)?
        }
        _ => rows::each(
            reading,
            sql!("sqlite/event_read.sql"),
            params![tenant, after, rows_max],
            look,
        )?,
    };
    Ok(if enough.is_some() { builder.finish() } else { builder.finish_at_head() })
}
