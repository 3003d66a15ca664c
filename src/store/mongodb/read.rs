//! Reading the logs: the events after a position, and an event by its id.
//!
//! Fed through the port by those who follow; feeds `slice_builder` with rows. Heads are read before
//! rows, in a session that never sees less than it has seen: positions are committed in their
//! order, so the head tells that every position up to it is there, even if the primary changes in
//! between.

use std::collections::{BTreeSet, HashMap};

use ::mongodb::ClientSession;
use ::mongodb::bson::{Document, doc};

use super::collections::Collections;
use super::error::reading;
use super::{bulk, rows};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::store::slice_builder::{ReadBudget, SliceBuilder};
use crate::store::{Error, Head, Scan, Slice, Start};

/// Rows that come at once; with large payloads it is fewer, since an answer has 16 MiB.
const ROWS_AT_ONCE_MIN: usize = 100;
const ROWS_AT_ONCE_MAX: usize = 500;

/// Reads on after each position, as far as the budget allows.
pub(super) async fn read(
    collections: &Collections,
    mut session: ClientSession,
    from: &[(TenantId, Start)],
    scan: &Scan,
) -> Result<Vec<Slice>, Error> {
    let heads = heads(collections, &mut session, from).await?;
    let (mut slices, mut budget) = (Vec::new(), ReadBudget::new(scan));
    for (tenant, begin) in from {
        let Some(head) = heads.get(tenant) else { continue };
        if budget.is_full() {
            break;
        }
        let begin = start(collections, &mut session, head, *begin, scan.from).await?;
        slices.push(slice(collections, &mut session, head, &begin, scan, &mut budget).await?);
    }
    Ok(slices)
}

/// The event of that id.
pub(super) async fn find(
    collections: &Collections,
    mut session: ClientSession,
    tenant: &TenantId,
    event_id: EventId,
) -> Result<Option<Envelope>, Error> {
    let session = &mut session;
    let id = doc! { "_id": { "tenant": tenant.as_str(), "event_id": rows::uuid(event_id) } };
    let known = reading(collections.idempotency.find_one(id).session(&mut *session)).await?;
    let Some(known) = known else { return Ok(None) };
    let place = doc! { "_id": rows::place(tenant, rows::position(&known)?) };
    let event = reading(collections.events.find_one(place).session(&mut *session)).await?;
    let head =
        reading(collections.heads.find_one(doc! { "_id": tenant.as_str() }).session(session))
            .await?;
    let (Some(event), Some(head)) = (event, head) else { return Ok(None) };
    Ok(Some(rows::envelope(&event, tenant, rows::log_id(&head)?)?))
}

async fn heads(
    collections: &Collections,
    session: &mut ClientSession,
    from: &[(TenantId, Start)],
) -> Result<HashMap<TenantId, Head>, Error> {
    let tenants: BTreeSet<_> = from.iter().map(|(tenant, _)| tenant.as_str()).collect();
    let ours = doc! { "_id": { "$in": Vec::from_iter(tenants) } };
    let found = reading(bulk::find(&collections.heads, ours, session)).await?;
    found.iter().map(|row| Ok((rows::tenant(row)?, rows::head(row)?))).collect()
}

/// The start of a read that passes over the events before a time.
async fn start(
    collections: &Collections,
    session: &mut ClientSession,
    head: &Head,
    start: Start,
    from: Option<Time>,
) -> Result<Start, Error> {
    let Some(from) = from.filter(|_| start.after < head.position) else { return Ok(start) };
    let at_or_after =
        doc! { "_id.tenant": head.tenant.as_str(), "time_ms": { "$gte": from.as_ms() } };
    let first =
        collections.events.find_one(at_or_after).sort(doc! { "time_ms": 1, "_id.position": 1 });
    let before = match reading(first.projection(doc! { "_id": 1 }).session(session)).await? {
        Some(row) => rows::position(rows::document(&row, "_id")?)?.back(1),
        None => head.position,
    };
    Ok(start.no_earlier(before))
}

async fn slice(
    collections: &Collections,
    session: &mut ClientSession,
    head: &Head,
    start: &Start,
    scan: &Scan,
    budget: &mut ReadBudget<'_>,
) -> Result<Slice, Error> {
    let mut builder = SliceBuilder::new(head, start);
    if let Some(after) = builder.fetch_after() {
        let (ours, in_order) = statement(head, after, scan, &builder);
        let rows_max = scan.rows_max.max(1).saturating_add(builder.start_rows());
        let at_once =
            scan.events_each_max.min(scan.events_max).clamp(ROWS_AT_ONCE_MIN, ROWS_AT_ONCE_MAX);
        let at_once = u32::try_from(rows_max.min(at_once)).unwrap_or(u32::MAX);
        let find = collections.events.find(ours).sort(in_order).batch_size(at_once);
        let find = find.limit(i64::try_from(rows_max).unwrap_or(i64::MAX)).session(&mut *session);
        let mut rows = reading(find.into_future()).await?;
        while reading(rows.advance(session)).await? {
            let event = rows::envelope(rows.current(), &head.tenant, head.log_id)?;
            if builder.push(event, budget).is_break() {
                return Ok(builder.finish());
            }
        }
    }
    Ok(builder.finish_at_head())
}

/// One key has an index of its own; every other filter looks at all rows.
fn statement(
    head: &Head,
    after: Position,
    scan: &Scan,
    builder: &SliceBuilder,
) -> (Document, Document) {
    let (tenant, last) = (&head.tenant, head.position);
    match scan.filter.keys.as_slice() {
        [key] if builder.start_rows() == 0 => {
            let behind = doc! { "$gt": after.as_column(), "$lte": last.as_column() };
            let ours =
                doc! { "_id.tenant": tenant.as_str(), "key": key.as_str(), "_id.position": behind };
            (ours, doc! { "_id.position": 1 })
        }
        _ => {
            let behind =
                doc! { "$gt": rows::place(tenant, after), "$lte": rows::place(tenant, last) };
            (doc! { "_id": behind }, doc! { "_id": 1 })
        }
    }
}
