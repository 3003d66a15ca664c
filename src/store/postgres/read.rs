//! Reads of the logs: the events after a position, an event by its id, and the logs that have
//! grown.
//!
//! Fed through the port by those who follow; feeds `store::read` with rows. A call sees one state
//! of the store and keeps nothing open after it. Positions are committed in their order, so the
//! head that a call sees tells that every position below it is there.
//!
//! **Which logs have grown.** A head's version is the transaction that raised it last. Transactions
//! commit out of order, so the next token is not the newest version that a call saw, but the oldest
//! transaction that was open then: a head that was not visible yet has that version or a later one,
//! and is named next time. While another program's transaction is open for long, heads that changed
//! since it began are named again and again; a follower recognises them by their positions.
//! Versions change with every append, so an index on them would cost heads their HOT updates. The
//! index is on `version_span`, the version without its last ten bits, and a lane looks at the heads
//! of about the last two spans, however many tenants are idle. Each server counts transactions
//! anew, and a server that takes over may lack some of the former one's: so a token is valid only
//! as long as no connection was made since.

use std::ops::Range;

use sqlx::postgres::PgRow;

use super::connection::Sessions;
use super::rows::{self, Statement};
use super::transaction::Transaction;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::columns::Columns;
use crate::store::read::{self, Along, Fetch, FetchMax, Read, Step};
use crate::store::{ChangeToken, Changed, Error, Head, Scan, Slice, Start};

/// Rows and payload bytes that are fetched at once.
const FETCH_MAX: FetchMax = FetchMax::Chunk { rows: 500, bytes: 4 << 20 };

/// Reads the events after each start, as far as the budget allows.
pub(super) async fn read(
    sessions: &Sessions,
    from: &[(TenantId, Start)],
    scan: &Scan,
) -> Result<Vec<Slice>, Error> {
    let mut session = sessions.begin_read().await?;
    let heads = heads(&mut session, from).await?;
    let mut read = Read::new(from, scan, heads, FETCH_MAX);
    while let Some(step) = read.step() {
        match step {
            Step::Find(tenant, position) => {
                let first = sqlx::query(sql!("postgres/position_find.sql"))
                    .bind(tenant.to_string())
                    .bind(position.as_column());
                let first = session.find(first).await?;
                let place = |row: &PgRow| Ok::<_, Error>((row.position()?, row.time()?));
                read.found(first.first().map(place).transpose()?);
            }
            Step::List(tenant) => {
                let topics = session.find(topics_of(tenant)).await?;
                read.listed(topics.iter().map(Columns::topic).collect::<Result<_, _>>()?);
            }
            Step::Fetch(fetch) => {
                for row in session.find(rows_of(&fetch)).await? {
                    let event = row.envelope(fetch.tenant, fetch.log_id)?;
                    if read.push(event).is_break() {
                        break;
                    }
                }
            }
        }
    }
    session.rollback().await?;
    Ok(read.slices())
}

/// Returns the topics of a tenant's log, in order.
pub(super) async fn topics(sessions: &Sessions, tenant: &TenantId) -> Result<Vec<Topic>, Error> {
    let found = sessions.acquire_to_read().await?.find_all(topics_of(tenant)).await?;
    found.iter().map(Columns::topic).collect()
}

fn topics_of(tenant: &TenantId) -> Statement {
    sqlx::query(sql!("postgres/topic_list.sql")).bind(tenant.to_string())
}

/// Counts the events of a topic, or of one of its keys.
pub(super) async fn count(
    sessions: &Sessions,
    tenant: &TenantId,
    topic: &Topic,
    key: Option<&Key>,
    range: Range<Position>,
) -> Result<u64, Error> {
    let of = |sql| {
        let of_topic = sqlx::query(sql).bind(tenant.to_string()).bind(topic.to_string());
        of_topic.bind(range.start.as_column()).bind(range.end.as_column())
    };
    let count = match key {
        Some(key) => of(sql!("postgres/event_count_key.sql")).bind(key.to_string()),
        None => of(sql!("postgres/event_count_topic.sql")),
    };
    let found = sessions.acquire_to_read().await?.find_one(count).await?;
    found.map_or(Ok(0), |row| row.count("events"))
}

/// Returns the event with this id.
pub(super) async fn find(
    sessions: &Sessions,
    tenant: &TenantId,
    event_id: EventId,
) -> Result<Option<Envelope>, Error> {
    let find = sqlx::query(sql!("postgres/event_find.sql"))
        .bind(tenant.as_str())
        .bind(event_id.to_string());
    let row = sessions.acquire().await?.find_one(find).await?;
    row.map(|row| row.envelope(tenant, row.log_id()?)).transpose()
}

/// Returns the heads of a lane that have changed since a token.
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
            heads.push(row.head()?);
        }
    }
    Ok(Changed { heads, token })
}

async fn heads(session: &mut Transaction, from: &[(TenantId, Start)]) -> Result<Vec<Head>, Error> {
    let tenants = Vec::from_iter(read::tenants(from));
    let find = rows::of_tenants(sql!("postgres/head_find.sql"), &tenants);
    session.find(find).await?.iter().map(Columns::head).collect()
}

fn rows_of(fetch: &Fetch) -> Statement {
    let sql = match fetch.along {
        Along::Positions => sql!("postgres/event_read.sql"),
        Along::Key(_) => sql!("postgres/event_read_key.sql"),
        Along::Topics(_) => sql!("postgres/event_read_topics.sql"),
    };
    let statement = sqlx::query(sql)
        .bind(fetch.tenant.to_string())
        .bind(fetch.after.as_column())
        .bind(i64::try_from(fetch.rows).unwrap_or(i64::MAX))
        .bind(i64::try_from(fetch.bytes).unwrap_or(i64::MAX));
    match &fetch.along {
        Along::Positions => statement,
        Along::Key(key) => statement.bind(key.to_string()),
        Along::Topics(topics) => {
            statement.bind(topics.iter().map(Topic::to_string).collect::<Vec<_>>())
        }
    }
}
