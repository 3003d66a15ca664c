//! Rows: tuples repeated in statements, and columns turned into nouns.
//!
//! Between this adapter's statements and `domain`. A row that can't be read is named.

use std::fmt::Display;

use bytes::Bytes;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Decode, Row, Type};

use super::fault::fault;
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::follower::Cursor;
use crate::domain::headers::Headers;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::store::{Error, Head};

/// Tuples in one statement, at most: 10 columns of them stay far below SQLite's 32,766 variables.
const TUPLES_MAX: usize = 256;

/// A statement with what was bound to it.
pub(super) type Statement = Query<'static, sqlx::Sqlite, SqliteArguments>;

/// The rows that a statement of one tuple finds for many, in as few statements as may be.
pub(super) async fn find<T>(
    connection: &mut SqliteConnection,
    sql: &str,
    tuples: &[T],
    bind: impl Fn(Statement, &T) -> Statement,
) -> Result<Vec<SqliteRow>, Error> {
    let mut rows = Vec::new();
    for chunk in tuples.chunks(TUPLES_MAX) {
        let statement = chunk.iter().fold(repeated(sql, chunk.len()), &bind);
        rows.extend(statement.fetch_all(&mut *connection).await.map_err(fault)?);
    }
    Ok(rows)
}

/// The rows that a statement finds of some tenants.
pub(super) async fn of_tenants(
    connection: &mut SqliteConnection,
    sql: &str,
    tenants: &[&TenantId],
) -> Result<Vec<SqliteRow>, Error> {
    find(connection, sql, tenants, |statement, tenant| statement.bind(tenant.as_str())).await
}

/// Writes a row for each tuple by a statement of one.
pub(super) async fn write<T>(
    connection: &mut SqliteConnection,
    sql: &str,
    tuples: &[T],
    bind: impl Fn(Statement, &T) -> Statement,
) -> Result<(), Error> {
    for chunk in tuples.chunks(TUPLES_MAX) {
        let statement = chunk.iter().fold(repeated(sql, chunk.len()), &bind);
        let written = statement.execute(&mut *connection).await.map_err(fault)?.rows_affected();
        if written != chunk.len() as u64 {
            let rows = chunk.len();
            return Err(Error::Corrupt(format!("{written} of {rows} rows could be written by: {sql}")));
        }
    }
    Ok(())
}

/// The statement with its tuple `(?, …)` as many times.
fn repeated(sql: &str, times: usize) -> Statement {
    let start = sql.find("(?").expect("a statement of tuples has one");
    let end = start + sql[start..].find(')').expect("a tuple ends") + 1;
    let more = format!(", {}", &sql[start..end]).repeat(times - 1);
    sqlx::query(AssertSqlSafe(format!("{}{more}{}", &sql[..end], &sql[end..])))
}

/// A column's value.
pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, Error>
where
    T: Decode<'r, sqlx::Sqlite> + Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(fault)
}

/// A column's value, turned into a noun by `parse`.
fn noun<T, E: Display>(
    row: &SqliteRow,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Error> {
    parse(column(row, name)?).map_err(|e| Error::Corrupt(format!("column {name}: {e}")))
}

/// The column `tenant`.
pub(super) fn tenant(row: &SqliteRow) -> Result<TenantId, Error> {
    noun(row, "tenant", TenantId::parse)
}

/// The column `log_id`.
pub(super) fn log_id(row: &SqliteRow) -> Result<LogId, Error> {
    noun(row, "log_id", LogId::parse)
}

/// The column `topic`.
pub(super) fn topic(row: &SqliteRow) -> Result<Topic, Error> {
    noun(row, "topic", Topic::parse)
}

/// The column `lane`.
pub(super) fn lane(row: &SqliteRow) -> Result<Lane, Error> {
    let number: i64 = column(row, "lane")?;
    u16::try_from(number).map(Lane::new).map_err(|_| Error::Corrupt(format!("there is no lane {number}")))
}

/// The column `position`.
pub(super) fn position(row: &SqliteRow) -> Result<Position, Error> {
    Ok(Position::from_column(column(row, "position")?))
}

/// The column `time_ms`.
pub(super) fn time(row: &SqliteRow) -> Result<Time, Error> {
    Ok(Time::from_ms(column(row, "time_ms")?))
}

/// The column `event_id`.
pub(super) fn event_id(row: &SqliteRow) -> Result<EventId, Error> {
    EventId::from_bytes(column(row, "event_id")?)
        .ok_or_else(|| Error::Corrupt("column event_id: must have 16 bytes".to_owned()))
}

/// A head's columns.
pub(super) fn head(row: &SqliteRow) -> Result<Head, Error> {
    Ok(Head { tenant: tenant(row)?, log_id: log_id(row)?, position: position(row)? })
}

/// A cursor's columns.
pub(super) fn cursor(row: &SqliteRow) -> Result<Cursor, Error> {
    Ok(Cursor { log_id: log_id(row)?, position: position(row)?, event_id: event_id(row)? })
}

/// An event's columns; the tenant is the one that was asked for.
pub(super) fn envelope(row: &SqliteRow, tenant: &TenantId, log_id: LogId) -> Result<Envelope, Error> {
    let position = position(row)?;
    let named = |e| match e {
        Error::Corrupt(why) => {
            Error::Corrupt(format!("table events, tenant `{tenant}`, position {position}: {why}"))
        }
        e => e,
    };
    event(row, tenant, log_id, position).map_err(named)
}

fn event(row: &SqliteRow, tenant: &TenantId, log_id: LogId, position: Position) -> Result<Envelope, Error> {
    Ok(Envelope {
        log_id,
        tenant: tenant.clone(),
        position,
        time: time(row)?,
        epoch: column::<Option<i64>>(row, "epoch")?.map(Position::from_column),
        event_id: event_id(row)?,
        topic: topic(row)?,
        key: noun(row, "key", Key::parse)?,
        event_type: EventType::from_column(column(row, "type")?),
        headers: noun(row, "headers", Headers::from_column)?,
        payload: Bytes::from(column::<Vec<u8>>(row, "payload")?),
    })
}
