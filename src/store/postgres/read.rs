//! Reading the logs: the events after a position, an event by its id, and the logs that have grown.
//!
//! Fed through the port by those who follow; feeds `slice_builder` with rows. A call sees one state
//! of the store and keeps nothing open after it. Positions are committed in their order, so the
//! head that a call sees tells that every position below it is there.
//!
//! **Which logs have grown.** A head's version is the transaction that raised it last. Those commit
//! out of order, so a call gives as the next token not the newest that it saw, but the oldest
//! transaction that had not ended then: whatever was not yet to be seen has that version or a later
//! one, and is named next time. While another program's transaction is long under way, what changed
//! since it began is named again and again; a follower knows it by its position. Versions change
//! with every append, so an index on them would cost heads their HOT updates; it is on
//! `version_span`, the version without its last ten bits, and a lane looks at the heads of the last
//! two spans or so, however many tenants are idle. Transactions are counted by each server anew,
//! and one that takes over may not have all that the one before it had: so a token counts for as
//! long as no connection was made since.

use std::collections::{BTreeSet, HashMap};

use super::connection::Sessions;
use super::rows::{self, Statement};
use super::transaction::Transaction;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::filter::Filter;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::slice_builder::{ReadBudget, SliceBuilder};
use crate::store::sql::{self, Columns};
use crate::store::{ChangeToken, Changed, Error, Head, Scan, Slice, Start};

/// Rows and payload bytes that are fetched at once, at most: what a page has no room for was
/// fetched in vain.
const FETCH_ROWS_MAX: usize = 500;
const FETCH_BYTES_MAX: usize = 4 << 20;

/// Reads on after each position, as far as the budget allows.
pub(super) async fn read(
    sessions: &Sessions,
    from: &[(TenantId, Start)],
    scan: &Scan,
) -> Result<Vec<Slice>, Error> {
    let mut session = sessions.begin_read().await?;
    let heads = heads(&mut session, from).await?;
    let (mut slices, mut budget) = (Vec::new(), ReadBudget::new(scan));
    for (tenant, begin) in from {
        let Some(head) = heads.get(tenant) else { continue };
        if budget.is_full() {
            break;
        }
        let begin = start(&mut session, head, *begin, scan.from).await?;
        slices.push(slice(&mut session, head, &begin, scan, &mut budget).await?);
    }
    session.rollback().await?;
    Ok(slices)
}

/// The event of that id.
pub(super) async fn find(
    sessions: &Sessions,
    tenant: &TenantId,
    event_id: EventId,
) -> Result<Option<Envelope>, Error> {
    let find = sqlx::query(sql!("postgres/event_find.sql"))
        .bind(tenant.as_str())
        .bind(event_id.to_string());
    let row = sessions.acquire().await?.find_one(find).await?;
    row.map(|row| sql::envelope(&row, tenant, sql::log_id(&row)?)).transpose()
}

/// The heads of a lane that have changed since.
pub(super) async fn changed_since(
    sessions: &Sessions,
    lane: Lane,
    since: ChangeToken,
) -> Result<Changed, Error> {
    let session = sessions.acquire().await?;
    let incarnation = sessions.incarnation();
    let since = if since.incarnation == incarnation { since.at } else { ChangeToken::START.at };
    let changed =
        sqlx::query(sql!("postgres/head_changed.sql")).bind(i64::from(lane.number())).bind(since);
    let (mut heads, mut token) = (Vec::new(), ChangeToken { incarnation, at: since });
    for row in session.find_all(changed).await? {
        token.at = row.integer("token")?;
        if row.integer_if_any("position")?.is_some() {
            heads.push(sql::head(&row)?);
        }
    }
    Ok(Changed { heads, token })
}

async fn heads(
    session: &mut Transaction,
    from: &[(TenantId, Start)],
) -> Result<HashMap<TenantId, Head>, Error> {
    let tenants: BTreeSet<_> = from.iter().map(|(tenant, _)| tenant).collect();
    let find = rows::of_tenants(sql!("postgres/head_find.sql"), &Vec::from_iter(tenants));
    let found = session.find(find).await?;
    found.iter().map(|row| Ok((sql::tenant(row)?, sql::head(row)?))).collect()
}

/// The start of a read that passes over the events before a time.
async fn start(
    session: &mut Transaction,
    head: &Head,
    start: Start,
    from: Option<Time>,
) -> Result<Start, Error> {
    let Some(from) = from.filter(|_| start.after < head.position) else { return Ok(start) };
    let first = sqlx::query(sql!("postgres/position_find.sql"))
        .bind(head.tenant.to_string())
        .bind(from.as_ms());
    let before = match session.find(first).await?.first() {
        Some(row) => sql::position(row)?.back(1),
        None => head.position,
    };
    Ok(start.no_earlier(before))
}

async fn slice(
    session: &mut Transaction,
    head: &Head,
    start: &Start,
    scan: &Scan,
    budget: &mut ReadBudget<'_>,
) -> Result<Slice, Error> {
    let mut builder = SliceBuilder::new(head, start);
    let Some(mut after) = builder.fetch_after() else { return Ok(builder.finish_at_head()) };
    while after < head.position {
        let fetch = Fetch::new(scan, builder.start_rows());
        let rows = session.find(fetch.behind(head, after, &scan.filter)).await?;
        let mut bytes = 0;
        for row in &rows {
            let event = sql::envelope(row, &head.tenant, head.log_id)?;
            (after, bytes) = (event.position, bytes + event.payload.len());
            if builder.push(event, budget).is_break() {
                return Ok(builder.finish());
            }
        }
        if rows.len() < fetch.rows && bytes < fetch.bytes {
            break;
        }
    }
    Ok(builder.finish_at_head())
}

/// How much is fetched at once.
struct Fetch {
    rows: usize,
    bytes: usize,
    looks_at_start: bool,
}

impl Fetch {
    /// Every row counts where none is filtered out: then not one more than the page takes, and
    /// those of the start.
    fn new(scan: &Scan, start_rows: usize) -> Self {
        let rows = FETCH_ROWS_MAX.min(scan.rows_max);
        let (rows, bytes) = if scan.filter == Filter::default() {
            let rows = rows.min(scan.events_each_max).min(scan.events_max);
            (rows, scan.bytes_max.clamp(1, FETCH_BYTES_MAX))
        } else {
            (rows, FETCH_BYTES_MAX)
        };
        Self { rows: rows.max(1) + start_rows, bytes, looks_at_start: start_rows > 0 }
    }

    /// One key has an index of its own; every other filter looks at all rows.
    fn behind(&self, head: &Head, after: Position, filter: &Filter) -> Statement {
        let key = match filter.keys.as_slice() {
            [key] if !self.looks_at_start => Some(key),
            _ => None,
        };
        let sql =
            key.map_or(sql!("postgres/event_read.sql"), |_| sql!("postgres/event_read_key.sql"));
        let statement = sqlx::query(sql)
            .bind(head.tenant.to_string())
            .bind(after.as_column())
            .bind(i64::try_from(self.rows).unwrap_or(i64::MAX))
            .bind(i64::try_from(self.bytes).unwrap_or(i64::MAX));
        match key {
            Some(key) => statement.bind(key.to_string()),
            None => statement,
        }
    }
}
