//! Reads of the logs: the events after a position, and an event by its id.
//!
//! The port's readers call it; it passes rows to `store::read`. Heads are read before rows, in a
//! session that never sees less than it has seen. Positions are committed in their order, so a head
//! proves that every position up to it is visible, even if the primary changes in between.

use std::collections::BTreeSet;
use std::ops::Range;

use ::mongodb::ClientSession;
use ::mongodb::action::Find;
use ::mongodb::bson::{Bson, RawDocumentBuf, doc};

use super::collections::{BY_KEY, BY_POSITION, BY_TOPIC, Collections, along};
use super::error::reading;
use super::{bulk, rows};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::columns::{Columns, unreadable};
use crate::store::read::{self, Along, Fetch, FetchMax, Read, Step};
use crate::store::{Error, Head, Scan, Slice, Start};

/// The rows of one answer; with large payloads they are fewer, since an answer has at most 16 MiB.
const ROWS_AT_ONCE_MIN: usize = 100;
const ROWS_AT_ONCE_MAX: usize = 500;

/// Reads the events after each start, as far as the budget allows.
pub(super) async fn read(
    collections: &Collections,
    mut session: ClientSession,
    from: &[(TenantId, Start)],
    scan: &Scan,
) -> Result<Vec<Slice>, Error> {
    let heads = heads(collections, &mut session, from).await?;
    let at_once =
        scan.events_each_max.min(scan.events_max).clamp(ROWS_AT_ONCE_MIN, ROWS_AT_ONCE_MAX);
    let mut read = Read::new(from, scan, heads, FetchMax::Stream);
    while let Some(step) = read.step() {
        match step {
            Step::Find(tenant, position) => {
                read.found(first_from(collections, &mut session, tenant, position).await?);
            }
            Step::List(tenant) => {
                read.listed(topics(collections, &mut session, tenant).await?);
            }
            Step::Fetch(fetch) => {
                let find = rows_of(collections, &fetch, at_once);
                let mut rows = reading(find.session(&mut session).into_future()).await?;
                while reading(rows.advance(&mut session)).await? {
                    let event = rows.current().envelope(fetch.tenant, fetch.log_id)?;
                    if read.push(event).is_break() {
                        break;
                    }
                }
            }
        }
    }
    Ok(read.slices())
}

/// Returns the event with this id.
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
    let place = doc! { "_id": rows::place(tenant, known.position()?) };
    let event = reading(collections.events.find_one(place).session(&mut *session)).await?;
    let head =
        reading(collections.heads.find_one(doc! { "_id": tenant.as_str() }).session(session))
            .await?;
    let (Some(event), Some(head)) = (event, head) else { return Ok(None) };
    Ok(Some(event.envelope(tenant, head.log_id()?)?))
}

async fn heads(
    collections: &Collections,
    session: &mut ClientSession,
    from: &[(TenantId, Start)],
) -> Result<Vec<Head>, Error> {
    let tenants: Vec<_> = read::tenants(from).into_iter().map(TenantId::as_str).collect();
    let ours = doc! { "_id": { "$in": tenants } };
    let found = reading(bulk::find(&collections.heads, ours, session)).await?;
    found.iter().map(|row| row.head()).collect()
}

/// Returns the place of the first event of a tenant's log at or after a position.
async fn first_from(
    collections: &Collections,
    session: &mut ClientSession,
    tenant: &TenantId,
    position: Position,
) -> Result<Option<(Position, Time)>, Error> {
    let last = Position::from_column(i64::MAX);
    let places = doc! { "$gte": rows::place(tenant, position), "$lte": rows::place(tenant, last) };
    let first = collections.events.find_one(doc! { "_id": places }).sort(doc! { "_id": 1 });
    let first = reading(first.projection(doc! { "time_ms": 1 }).session(session)).await?;
    first.map(|row| Ok((row.position()?, row.time()?))).transpose()
}

/// Returns the topics of a tenant's log, in order.
pub(super) async fn topics(
    collections: &Collections,
    session: &mut ClientSession,
    tenant: &TenantId,
) -> Result<Vec<Topic>, Error> {
    let of_log = doc! { "_id.tenant": tenant.as_str() };
    let topics = reading(collections.events.distinct("topic", of_log).session(session)).await?;
    let topic = |name: &Bson| Topic::parse(name.as_str().unwrap_or_default());
    let topics: Result<BTreeSet<_>, _> = topics.iter().map(topic).collect();
    Ok(topics.map_err(|why| unreadable("topic", why))?.into_iter().collect())
}

/// Counts the events of a topic, or of one of its keys.
pub(super) async fn count(
    collections: &Collections,
    tenant: &TenantId,
    topic: &Topic,
    key: Option<&Key>,
    range: Range<Position>,
) -> Result<u64, Error> {
    let positions = doc! { "$gt": range.start.as_column(), "$lte": range.end.as_column() };
    let mut ours = doc! { "_id.tenant": tenant.as_str(), "_id.position": positions };
    let index = match key {
        Some(key) => {
            ours.extend(doc! { "key": key.as_str(), "topic": topic.as_str() });
            BY_KEY
        }
        None => {
            ours.insert("topic", topic.as_str());
            BY_TOPIC
        }
    };
    reading(collections.events.count_documents(ours).hint(along(index))).await
}

/// The call that finds rows of a log.
fn rows_of<'a>(
    collections: &'a Collections,
    fetch: &Fetch,
    at_once: usize,
) -> Find<'a, RawDocumentBuf> {
    let (tenant, after, head) = (fetch.tenant, fetch.after, fetch.head);
    let of_log = |name, value: Bson| {
        let positions = doc! { "$gt": after.as_column(), "$lte": head.as_column() };
        let ours = doc! { "_id.tenant": tenant.as_str(), name: value, "_id.position": positions };
        (ours, doc! { "_id.position": 1 })
    };
    let (index, (ours, in_order)) = match &fetch.along {
        Along::Positions => {
            let places =
                doc! { "$gt": rows::place(tenant, after), "$lte": rows::place(tenant, head) };
            (BY_POSITION, (doc! { "_id": places }, doc! { "_id": 1 }))
        }
        Along::Key(key) => (BY_KEY, of_log("key", key.as_str().into())),
        // The server merges the topics, each in its order in the index.
        Along::Topics(topics) => {
            let topics: Vec<_> = topics.iter().map(Topic::as_str).collect();
            (BY_TOPIC, of_log("topic", doc! { "$in": topics }.into()))
        }
    };
    let at_once = u32::try_from(fetch.rows.min(at_once)).unwrap_or(u32::MAX);
    let rows_max = i64::try_from(fetch.rows).unwrap_or(i64::MAX);
    let find = collections.events.find(ours).sort(in_order).hint(along(index));
    find.batch_size(at_once).limit(rows_max)
}
