//! Reads of the logs: the events after a position, an event by its id, and the logs that have
//! grown.
//!
//! Fed through the port by those who follow; feeds `store::read` with rows. A call sees one state
//! of the file and keeps nothing open after it. Positions are committed in their order, so the
//! head that a call sees tells that every position below it is there.

use std::array;
use std::ops::{ControlFlow, Range};

use rusqlite::{Connection, ToSql, params};

use super::rows::{self, Row};
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::columns::Columns;
use crate::store::read::{self, Along, Fetch, FetchMax, Read, Step, TOPICS_MAX};
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
            Step::Find(tenant, position) => {
                let from = params![tenant.as_str(), position.as_column()];
                let find = sql!("sqlite/position_find.sql");
                let place = |row: &Row| Ok((row.position()?, row.time()?));
                read.found(rows::find_one(reading, find, from, place)?);
            }
            Step::List(tenant) => {
                read.listed(topics(reading, tenant)?);
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

/// Returns the topics of a tenant's log, in order.
pub(super) fn topics(reading: &Connection, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
    rows::find(reading, sql!("sqlite/topic_list.sql"), [tenant.as_str()], |row| row.topic())
}

/// Counts the events of a topic, or of one of its keys.
pub(super) fn count(
    reading: &Connection,
    tenant: &TenantId,
    topic: &Topic,
    key: Option<&Key>,
    range: &Range<Position>,
) -> Result<u64, Error> {
    let (after, to) = (range.start.as_column(), range.end.as_column());
    let (tenant, topic) = (tenant.as_str(), topic.as_str());
    let events = |row: &Row| row.count("events");
    match key {
        Some(key) => {
            let of = params![tenant, topic, after, to, key.as_str()];
            rows::get(reading, sql!("sqlite/event_count_key.sql"), of, events)
        }
        None => {
            let of = params![tenant, topic, after, to];
            rows::get(reading, sql!("sqlite/event_count_topic.sql"), of, events)
        }
    }
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
    match &fetch.along {
        Along::Positions => {
            let of_log = params![tenant, after, rows_max];
            rows::each(reading, sql!("sqlite/event_read.sql"), of_log, look)
        }
        Along::Key(key) => {
            let of_key = params![tenant, key.as_str(), after, rows_max];
            rows::each(reading, sql!("sqlite/event_read_key.sql"), of_key, look)
        }
        Along::Topics(topics) if topics.len() == 1 => {
            let of_topic = params![tenant, topics[0].as_str(), after, rows_max];
            rows::each(reading, sql!("sqlite/event_read_topic.sql"), of_topic, look)
        }
        Along::Topics(topics) => {
            let names: [_; TOPICS_MAX] = array::from_fn(|at| topics.get(at).map(Topic::as_str));
            let mut of_topics: Vec<&dyn ToSql> = vec![&tenant, &after, &rows_max];
            of_topics.extend(names.iter().map(|name| name as &dyn ToSql));
            rows::each(reading, sql!("sqlite/event_read_topics.sql"), &*of_topics, look)
        }
    }
    .map(drop)
}
